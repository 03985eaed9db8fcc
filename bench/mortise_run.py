"""Runs the command `tenon` for the benchmarks of Mortise, and reads what it reports."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def program() -> Path | None:
    """The command in PATH, or the one of the release build; None where neither is there."""
    found = shutil.which("tenon") or ROOT / "build/release/tools/tenon/tenon"
    return Path(found) if Path(found).exists() else None


def tenon(*arguments: str | Path) -> str:
    """What the command prints; it ends the benchmark with the command's error where it fails."""
    path = program()
    if path is None:
        sys.exit("the command `tenon` is not built: ninja tenon in the build folder")
    done = subprocess.run([path, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"tenon {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def profile(model: Path, machine: str, *flags: str, trace: bool = False) -> tuple[list[dict], list[dict]]:
    """Compiles a model for a machine and runs it: the commands that ran there, and the trace's events if asked for."""
    with tempfile.TemporaryDirectory() as folder:
        package, report, events = (Path(folder) / name for name in ("n.tenon", "n.json", "n.perfetto"))
        tenon("compile", model, "-o", package, "--target", f"mortise:{machine}", *flags)
        traced = ["--trace", events] if trace else []
        tenon("profile", package, "--device", "mortise", "--json", report, *traced)
        rows = [row for row in json.loads(report.read_text())["rows"] if row.get("cycles")]
        return rows, json.loads(events.read_text())["traceEvents"] if trace else []
