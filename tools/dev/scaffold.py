"""`./dev new-op` and `./dev new-pass`: the files that a new op or pass begins with, in the rooms where they belong."""

import re
from pathlib import Path

from project import ROOT, say

DIALECT = Path("compiler/dialect/tenon")
RULE = "===----------------------------------------------------------------------===//"


def header(name: str, summary: str) -> str:
    return (
        f"//===- {name} - {summary}\n//\n"
        "// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.\n"
        f"// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception\n//\n//{RULE}\n"
    )


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def before_last(text: str, marker: str, addition: str) -> str:
    """Inserts in front of the last line that begins with `marker`, or at the end."""
    at = text.rfind(f"\n{marker}")
    return text[: at + 1] + addition + text[at + 1 :] if at >= 0 else text.rstrip("\n") + "\n" + addition


def refuse(reason: str) -> int:
    say(f"dev: {reason}")
    return 2


def new_op(name: str, family: str, root: Path = ROOT) -> int:
    """Adds the op's ODS entry to the family's file and a round-trip test."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        return refuse(f"an op's mnemonic is lower_case, not {name!r}")
    ods, test = root / DIALECT / f"{family}Ops.td", root / DIALECT / "test" / f"{name}.mlir"
    if not ods.exists():
        files = [p.stem for p in (root / DIALECT).glob("*Ops.td") if p.stem != "TenonOps"]
        families = sorted(stem.removesuffix("Ops") for stem in files)
        return refuse(f"no op family {family!r}; known: {', '.join(families)}")
    if test.exists() or f"def Tenon_{camel(name)}Op " in ods.read_text():
        return refuse(f"tenon.{name} is there already")
    kind = "CompositeOp" if family == "Composite" else "CoreOp"
    entry = (
        f'def Tenon_{camel(name)}Op : Tenon_{kind}<"{name}", [SameOperandsAndResultType]> {{\n'
        '  let summary = "says what the result is, in one line";\n'
        "  let description = [{\n"
        "    Says what holds of operands, attributes and sizes, and what happens at the edges (empty, NaN).\n\n"
        f"    Example: `%y = tenon.{name} %x : tensor<2x?xf32>`\n"
        "  }];\n"
        "  let arguments = (ins Tenon_NumericTensor:$input);\n"
        "  let results = (outs Tenon_NumericTensor:$result);\n"
        '  let assemblyFormat = "$input attr-dict `:` type($result)";\n'
        "  let extraClassDefinition = Tenon_InferSameSizes;\n"
        "}\n"
    )
    ods.write_text(before_last(ods.read_text(), "#endif", entry))
    test.parent.mkdir(exist_ok=True)
    test.write_text(
        "// RUN: tenon-opt %s | tenon-opt | FileCheck %s\n\n"
        f"// CHECK-LABEL: func @{name}\n"
        f"func.func @{name}(%x: tensor<2x?xf32>) -> tensor<2x?xf32> {{\n"
        f"  // CHECK: tenon.{name} %{{{{.*}}}} : tensor<2x?xf32>\n"
        f"  %y = tenon.{name} %x : tensor<2x?xf32>\n"
        "  return %y : tensor<2x?xf32>\n}\n"
    )
    report(root, [ods, test], "docs/adding-an-op.md")
    return 0


def new_pass(name: str, phase: str, root: Path = ROOT) -> int:
    """Adds the pass to the phase's Passes.td and CMakeLists.txt, with its source and its test."""
    folder = root / "compiler" / phase
    if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name) or name.endswith("Pass"):
        return refuse(f"a pass is named CamelCase, verb first, without `Pass`: not {name!r}")
    ods, lists, source = folder / "Passes.td", folder / "CMakeLists.txt", folder / f"{name}.cpp"
    if not ods.exists():
        phases = sorted(p.parent.name for p in (root / "compiler").glob("*/Passes.td"))
        return refuse(f"compiler/{phase} has no Passes.td; phases with passes: {', '.join(phases)}")
    if source.exists():
        return refuse(f"{source.relative_to(root)} is there already")
    if "SOURCES" not in lists.read_text():
        return refuse(f"{lists.relative_to(root)} lists no SOURCES to add to")
    flag, test = f"tenon-{snake(name).replace('_', '-')}", folder / "test" / f"{snake(name)}.mlir"
    entry = (
        f'def {name} : Pass<"{flag}", "::mlir::ModuleOp"> {{\n'
        '  let summary = "says what it changes, in one line";\n'
        "  let description = [{\n"
        "    Says when it applies and what it leaves, with the IR before and after.\n"
        "  }];\n"
        '  let dependentDialects = ["::tenon::TenonDialect"];\n'
        "}\n\n"
    )
    ods.write_text(before_last(ods.read_text(), "#endif", entry))
    lists.write_text(re.sub(r"SOURCES(\s+)", rf"SOURCES\g<1>{name}.cpp ", lists.read_text(), count=1))
    source.write_text(
        f"{header(source.name, 'says what it changes')}\n"
        f'#include "compiler/{phase}/Passes.h"\n\n'
        "using namespace mlir;\n\n"
        f'namespace tenon {{\n#define GEN_PASS_DEF_{name.upper()}\n#include "compiler/{phase}/Passes.h.inc"\n'
        "} // namespace tenon\n\nnamespace {\n\n"
        f"struct {name}Pass : tenon::impl::{name}Base<{name}Pass> {{\n"
        f"  using {name}Base::{name}Base;\n\n"
        "  void runOnOperation() override {\n"
        "    getOperation().walk([](Operation *op) {});\n  }\n};\n\n} // namespace\n"
    )
    test.parent.mkdir(exist_ok=True)
    test.write_text(
        f"// RUN: tenon-opt %s --{flag} | FileCheck %s\n\n// CHECK-LABEL: func @{snake(name)}\n"
        f"func.func @{snake(name)}(%x: tensor<2x?xf32>) -> tensor<2x?xf32> {{\n"
        "  // CHECK: return %{{.*}} : tensor<2x?xf32>\n  return %x : tensor<2x?xf32>\n}\n"
    )
    report(root, [ods, lists, source, test], "docs/adding-a-pass.md")
    return 0


def report(root: Path, files: list[Path], guide: str) -> None:
    for file in files:
        say(f"  {file.relative_to(root)}")
    say(f"next: see {guide}")
