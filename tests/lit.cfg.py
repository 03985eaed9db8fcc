"""lit: every `.mlir` under a folder named `test` of the compiler, and under tests/. `lit -D build=build/dev tests`."""

import os
import pathlib
import sys

import lit.formats

root = pathlib.Path(__file__).resolve().parents[1]
build = pathlib.Path(lit_config.params.get("build", root / "build" / "release")).resolve()  # noqa: F821

config.name = "tenon"  # noqa: F821
config.test_format = lit.formats.ShTest(execute_external=False)  # noqa: F821
config.suffixes = [".mlir", ".test"]  # noqa: F821
config.test_source_root = str(root)  # noqa: F821
config.test_exec_root = str(build / "lit")  # noqa: F821
config.excludes = ["build", "models", "seeds", "Inputs", "fuzz-corpus", *[p.name for p in root.glob(".*")]]  # noqa: F821


def folder_of(command):
    found = [p for p in build.rglob(command) if p.is_file() and os.access(p, os.X_OK)]
    if not found:
        lit_config.warning(f"{command} is not built under {build}")  # noqa: F821
        return []
    return [str(min(found, key=lambda p: len(p.parts)).parent)]


folders = [*folder_of("tenon-opt"), *folder_of("tenon-compile-kernel"), *folder_of("tenon"), "/usr/lib/llvm-22/bin"]
config.environment["PATH"] = os.pathsep.join([*folders, os.environ["PATH"]])  # noqa: F821
# Planted defects reach the tools only where a test of the tests asks for one (tests/defects).
config.environment["TENON_PLANTED_DEFECT"] = os.environ.get("TENON_PLANTED_DEFECT", "")  # noqa: F821
# Assembly to counts of what its innermost loops do.
loops = f"{sys.executable} {root}/compiler/emit/cpu/test/innermost_loops.py"
config.substitutions.append(("%innermost-loops", loops))  # noqa: F821
# Fused kernels of the test's functions, to assembly for a target that follows.
forms = "tenon-opt --tenon-pack-products --tenon-form-kernels --tenon-fuse-windows %s -o %t.mlir"
config.substitutions.append(("%assembly", f"{forms} && tenon-compile-kernel --regions %t.mlir --target"))  # noqa: F821
