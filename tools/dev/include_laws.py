"""The dependency laws of docs/architecture.md, read off the #include lines.

Link visibility in CMake enforces them too; this check also catches headers, which need no linking.
"""

import re
from pathlib import Path, PurePosixPath

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^">]+)[">]', re.MULTILINE)
LLVM = ("llvm", "llvm-c", "mlir", "mlir-c", "lld", "clang")
ROOMS = ("compiler", "isa", "sim", "package", "reference", "runtime", "python", "tools", "bench", "tests")

# In the order in which a model passes through them. A phase sees itself and the rooms that are no phase.
PHASES = ("import", "graph", "quantize", "place", "kernel", "schedule", "memory", "emit", "tune", "pipeline")
# The pipeline is where the phases meet; tuning runs the later phases on candidates.
MEETING_PLACES = {"pipeline", "tune"}
# Rooms that an includer outside the compiler must never reach.
FORBIDDEN = {
    "runtime": ("compiler", "reference", "tools", *LLVM),
    "package": ("compiler", "reference", "runtime", "sim", "tools", *LLVM),
    "isa": ("compiler", "reference", "runtime", "package", "sim", "tools", *LLVM),
    "sim": ("compiler", "reference", "runtime", "package", "tools", *LLVM),
    "reference": ("runtime", "sim", "tools"),
    "compiler": ("sim", "tools"),
}
# Lowerings are written apart from the oracle, or one bug would pass every differential test.
NO_ORACLE = ("kernel", "schedule", "memory", "emit")
# `runtime/devices/mortise` is the plug-in that links the simulator.
SIMULATOR_DEVICE = "runtime/devices/mortise/"
# What the command links of the compiler, since it maps no LLVM.
WITHOUT_LLVM = "compiler/offsets/"


def is_test(path: PurePosixPath) -> bool:
    return path.stem.lower().endswith(("test", "fuzz")) or not {"test", "fuzz"}.isdisjoint(path.parts)


def phase_of(path: PurePosixPath) -> str | None:
    parts = path.parts
    return parts[1] if len(parts) > 2 and parts[0] == "compiler" and parts[1] in PHASES else None


def violation(source: PurePosixPath, included: PurePosixPath) -> str | None:
    """Why `source` must not include `included` (both relative to the root), or None."""
    if is_test(source):
        return None
    room, target = source.parts[0], included.parts[0]
    if target in FORBIDDEN.get(room, ()):
        return f"{room}/ must not include {target}/"
    if room == "runtime" and target == "sim" and not source.as_posix().startswith(SIMULATOR_DEVICE):
        return f"only {SIMULATOR_DEVICE} may include sim/"
    if source.as_posix().startswith(WITHOUT_LLVM) and target in LLVM:
        return f"{WITHOUT_LLVM} is part of the command and must not include {target}/"
    phase, other = phase_of(source), phase_of(included)
    if phase in NO_ORACLE and target == "reference":
        return f"the lowering phase `{phase}` must not include the reference interpreter"
    if phase and other and other != phase and phase not in MEETING_PLACES:
        later = PHASES.index(other) > PHASES.index(phase)
        return f"phase `{phase}` must not include {'the later' if later else 'another'} phase `{other}`"
    if room == "compiler" and phase is None and other:
        return f"{'/'.join(source.parts[:2])}/ is shared by the phases and must not include phase `{other}`"
    return None


def check(root: Path, files: list[Path]) -> list[str]:
    """A message for each #include line that breaks a law."""
    problems = []
    for file in files:
        text = (root / file).read_text(encoding="utf-8", errors="replace")
        for match in INCLUDE.finditer(text):
            included = PurePosixPath(match[1])
            reason = violation(PurePosixPath(file.as_posix()), included)
            if reason:
                line = text.count("\n", 0, match.start()) + 1
                problems.append(f"{file}:{line}: {reason} (includes {included})")
    return problems
