"""What this CPU can do at most, and how far its cores are from each other: measured by small C programs
(bench/kernels/peaks.c, bench/kernels/round_trip.c)."""

import json
import os
import subprocess
from pathlib import Path

KERNELS = Path(__file__).resolve().parent / "kernels"
COMPILERS = ("clang-22", "clang", "cc")


def build(folder: Path, name: str = "peaks") -> Path | None:
    """Compiles a program for this machine into `folder`, once; nothing where there is no compiler for it."""
    program = folder / name
    if program.exists():
        return program
    for compiler in COMPILERS:
        command = [compiler, "-O2", "-march=native", "-pthread", str(KERNELS / f"{name}.c"), "-o", str(program)]
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


def round_trip(folder: Path) -> float | None:
    """Nanoseconds that the first two CPUs of this process take to answer each other; nothing where there are no two, or
    nothing measures it."""
    cpus = sorted(os.sched_getaffinity(0))[:2]
    program = build(folder, "round_trip") if len(cpus) == 2 else None
    if program is None:
        return None
    command = [str(program), *map(str, cpus)]
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    return json.loads(done.stdout)["round_trip_ns"]
