"""The Python environments: `.venv` (build, tests, demo), `.venv-torch` (model exports), `.venv-bench` (peers),
`.venv-litert` (model exports for one peer)."""

import hashlib
import shutil
import sys
import time
from pathlib import Path

from project import ROOT, run, say

REQUIREMENTS = {
    ".venv": "requirements.txt",
    ".venv-torch": "requirements-torch.txt",
    ".venv-bench": "requirements-bench.txt",
    ".venv-litert": "requirements-litert.txt",
}
TRIES = 3


def python(name: str = ".venv") -> Path:
    return ROOT / name / "bin" / "python"


def site_packages(name: str = ".venv") -> Path:
    return next((ROOT / name / "lib").glob("python3.*/site-packages"))


def lines_of(requirements: Path) -> list[str]:
    """The lines of a requirements file and of those that it names."""
    lines = []
    for line in requirements.read_text().splitlines():
        if line.startswith("-r "):
            lines += lines_of(requirements.parent / line.removeprefix("-r ").strip())
        elif line.strip() and not line.startswith("#"):
            lines.append(line)
    return lines


def ensure(name: str = ".venv") -> Path:
    """Makes or updates a venv when its requirements changed. Returns its Python."""
    lines = lines_of(Path(__file__).parent / REQUIREMENTS[name])
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    stamp = ROOT / name / "requirements.sha256"
    if stamp.exists() and stamp.read_text() == digest and python(name).exists():
        return python(name)
    say(f"setup: making {name}")
    if not python(name).exists():
        shutil.rmtree(ROOT / name, ignore_errors=True)
        run("/usr/bin/python3", "-m", "venv", ROOT / name)
    install(name, lines)
    stamp.write_text(digest)
    return python(name)


def install(name: str, lines: list[str]) -> None:
    """Lines marked `# no-deps` are installed without what they ask for."""
    alone = [line.split("#")[0].strip() for line in lines if "# no-deps" in line]
    partial = ROOT / name / "requirements.txt"
    partial.write_text("\n".join(line for line in lines if "# no-deps" not in line) + "\n")
    pip(name, "-r", str(partial))
    if alone:
        pip(name, "--no-deps", *alone)


def pip(name: str, *arguments: str) -> None:
    for attempt in range(1, TRIES + 1):
        command = [python(name), "-m", "pip", "install", "-q", "--disable-pip-version-check", *arguments]
        done = run(*command, check=False, capture_output=True, text=True)
        if done.returncode == 0:
            return
        print(f"setup: pip, try {attempt} of {TRIES} failed", file=sys.stderr)
        time.sleep(5 * attempt)
    sys.exit(f"setup: pip cannot install {' '.join(arguments)}:\n{done.stderr}")
