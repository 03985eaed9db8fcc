"""Where each composite of the dialect is tested, and which models hit it:

    python tests/composites/composite_table.py [--models DIR]

Writes docs/composites.md. Needs tenon-translate and tenon-opt on PATH, or in build/release, and all models of
tests/models (`./dev models DIR`).
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/composites.md"
DEFINITIONS = ROOT / "compiler/dialect/tenon/CompositeOps.td"
FORMS = ROOT / "compiler/graph/test/composites"
PASSING = ROOT / "tests/onnx_backend/passing.txt"

# What runGraph does up to the recognition of composites (compiler/pipeline/Phases.cpp).
RECOGNITION = (
    "builtin.module(func.func(canonicalize,cse),tenon-fold-constants,"
    "func.func(tenon-refine-types,tenon-resolve-sizes,canonicalize,cse,tenon-recognize-composites))"
)

INTRODUCTION = """\
# Composites

For each composite of the dialect:

- **form**: the lit test of its decomposition, in `compiler/graph/test/composites`;
- **values**: the test that compares its decomposition, interpreted, with a closed form (`composite_test`, in
  `reference`);
- **backend**: the test that compiles it through all phases, for each CPU level, and compares with the interpreter
  (`composites_test`, suite `All/Composite`);
- **models**: those of `tests/models` that hit it, with the number of operations after recognition;
- **ONNX case**: the passing case of ONNX's backend suite with the shortest name that hits it.

This page is generated: `python tests/composites/composite_table.py`; `tests/composites/test_composite_table.py`
holds it against the sources.
"""


@dataclass(frozen=True)
class Row:
    composite: str
    form: str
    values: str
    backend: str
    models: str
    case: str


def composites() -> list[str]:
    """Mnemonics of the composites, in the order of the definitions. A class of composites takes its mnemonic as its
    first argument too."""
    text = DEFINITIONS.read_text()
    classes = set(re.findall(r"^class (\w+)<[^{]*?: Tenon_CompositeOp<", text, re.MULTILINE | re.DOTALL))
    found = re.findall(r'^def \w+Op : (\w+)<"(\w+)"', text, re.MULTILINE)
    return [mnemonic for base, mnemonic in found if base in classes | {"Tenon_CompositeOp"}]


def value_tests() -> dict[str, str]:
    """Composite -> the test in reference/ that compares its values with a closed form."""
    found = {}
    for file in sorted((ROOT / "reference").glob("*Test.cpp")):
        # Constants and functions before a test belong to it where it alone uses them.
        parts = re.split(r"^TEST_F\((\w+), (\w+)\)", file.read_text(), flags=re.MULTILINE)
        shared = parts[0]
        for suite, name, body in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
            for text, weight in ((body, 0), (shared, 1)):
                for mnemonic in re.findall(r'(?<=tenon\.)\w+|(?<=")\w+(?=")', text):
                    key = (weight, f"{suite}.{name}")
                    found[mnemonic] = min(found.get(mnemonic, key), key)
    return {mnemonic: test for mnemonic, (_, test) in found.items()}


def tool(name: str) -> str:
    """A tool of the build that PATH has tenon-opt of, else of the release build."""
    driver = shutil.which("tenon-opt")
    tools = Path(driver).resolve().parents[1] if driver else ROOT / "build/release/tools"
    path = str(tools / name / name)
    if not os.access(path, os.X_OK):
        raise FileNotFoundError(f"{name} is not built: run ./dev build")
    return path


def hits(model: Path, flags: tuple[str, ...] = ()) -> dict[str, int]:
    """Composite -> number of its operations in an ONNX file, after recognition. CalledProcessError where the file
    cannot be imported."""
    command = [tool("tenon-translate"), "--onnx-to-tenon", *flags, model]
    imported = subprocess.run(command, capture_output=True, text=True, check=True)
    command = [tool("tenon-opt"), f"--pass-pipeline={RECOGNITION}"]
    done = subprocess.run(command, input=imported.stdout, capture_output=True, text=True, check=True)
    found = re.findall(r"= tenon\.(\w+)", done.stdout)
    return {c: found.count(c) for c in composites() if c in found}


def collected(models: Path) -> dict[str, tuple[Path, tuple[str, ...]]]:
    """Model -> its file, and the flags that fix the sizes its manifest fixes."""
    manifest = models / "manifest.json"
    entries = json.loads(manifest.read_text())["models"] if manifest.exists() else {}
    result = {}
    for name, entry in entries.items():
        shapes = {i["name"]: [d if isinstance(d, int) else "?" for d in i["dims"]] for i in entry["inputs"]}
        flags = [f"--shape={n}={'x'.join(map(str, dims))}" for n, dims in shapes.items() if any(d != "?" for d in dims)]
        if (models / entry["file"]).exists():
            result[name] = (models / entry["file"], tuple(flags))
    return result


def model_hits(models: Path) -> dict[str, dict[str, int]]:
    """Model -> its composites."""
    return {name: hits(path, flags) for name, (path, flags) in sorted(collected(models).items())}


def suite_hits(wanted: set[str]) -> dict[str, str]:
    """Composite -> the passing case of ONNX's backend suite with the shortest name that hits it."""
    import warnings

    warnings.filterwarnings("ignore", module="onnx.backend")
    import onnx
    from onnx.backend.test.loader import load_model_tests

    passing = set(PASSING.read_text().split())
    found: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.onnx"
        for kind in ("node", "simple", "pytorch-converted", "pytorch-operator"):
            for case in sorted(load_model_tests(kind=kind), key=lambda c: (len(c.name), c.name)):
                if f"{case.name}_cpu" not in passing or wanted <= set(found):
                    continue
                model = case.model or onnx.load(Path(case.model_dir) / "model.onnx")
                onnx.save(model, path)
                try:
                    composites_hit = hits(path)
                except subprocess.CalledProcessError:
                    continue  # needs options that the suite's own runner gives
                for composite in composites_hit:
                    found.setdefault(composite, case.name)
    return found


def rows(models: dict[str, dict[str, int]], cases: dict[str, str]) -> list[Row]:
    values = value_tests()
    result = []
    for c in composites():
        by = [f"{m} ({n[c]})" for m, n in models.items() if c in n]
        form = FORMS / f"{c}.mlir"
        result.append(
            Row(
                c,
                form.name if form.exists() else "",
                values.get(c, ""),
                f"CpuAgreesWithTheReference/{c}" if form.exists() else "",
                ", ".join(by) or "none",
                cases.get(c, ""),
            )
        )
    return result


def page(table: list[Row]) -> str:
    lines = ["| composite | form | values | backend | models | ONNX case |"]
    lines.append("|---|---|---|---|---|---|")
    for r in table:
        cells = (f"`{r.composite}`", f"`{r.form}`", f"`{r.values}`", f"`{r.backend}`", r.models)
        lines.append(f"| {' | '.join(cells)} | {f'`{r.case}`' if r.case else ''} |")
    return INTRODUCTION + "\n" + "\n".join(lines) + "\n"


def written() -> list[Row]:
    """The rows of the page."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    return [Row(*(cell.strip().strip("`") for cell in line.strip("|").split("|"))) for line in lines]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(os.environ.get("TENON_MODELS", ROOT / "models"))
    parser.add_argument("--models", type=Path, default=default, help="where the models are collected")
    options = parser.parse_args()
    found = model_hits(options.models)
    if not found:
        parser.error(f"no models in {options.models}: run ./dev models {options.models}")
    PAGE.write_text(page(rows(found, suite_hits(set(composites())))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
