"""What this CPU can do at most, measured by a small C program (bench/kernels/peaks.c)."""

import json
import subprocess
from pathlib import Path

SOURCE = Path(__file__).resolve().parent / "kernels/peaks.c"
COMPILERS = ("clang-22", "clang", "cc")


def build(folder: Path) -> Path | None:
    """Compiles the program for this machine into `folder`; nothing where there is no compiler for it."""
    program = folder / "peaks"
    for compiler in COMPILERS:
        command = [compiler, "-O2", "-march=native", str(SOURCE), "-o", str(program)]
        try:
            subprocess.run(command, check=True, capture_output=True)
            return program
        except (OSError, subprocess.CalledProcessError):
            continue
    return None


def measure(program: Path, only: str = "") -> dict:
    """f32_gflops, int8_gops, bf16_gflops where there are such instructions, and `bandwidth` by working set. One core.
    `only`: "f32" for the first alone."""
    command = [str(program), *([only] if only else [])]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
