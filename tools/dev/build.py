"""Configure, build, and make `import tenon` work in .venv."""

import os
from pathlib import Path

import environments
from project import LLVM_BIN, ROOT, jobs, run, say


def build_dir(preset: str) -> Path:
    return ROOT / "build" / preset


def configure(preset: str) -> None:
    environments.ensure()
    options = [f"-DPython_EXECUTABLE={environments.python()}"]
    if preset in ("release", "dev"):
        options.append("-DTENON_PYTHON=ON")
    if preset == "asan":  # package and runtime: what reads hostile files on a device
        options.append("-DTENON_COMPILER=OFF")
    run("cmake", "--preset", preset, "--log-level=WARNING", *options, capture_output=True, text=True)


def build(preset: str, *targets: str) -> Path:
    """Builds (everything, or the named targets) and returns the build folder."""
    configure(preset)
    chosen = ["--target", *targets] if targets else []
    say(f"build: preset {preset}")
    run("cmake", "--build", "--preset", preset, "-j", jobs(), *chosen, "--", "--quiet")
    if preset in ("release", "dev"):
        link_python(preset)
    return build_dir(preset)


def link_python(preset: str) -> None:
    """Puts the Python package on .venv's path: its sources, and the folder that has the built extension modules."""
    folders = [f for f in (build_dir(preset) / "python", ROOT / "python") if f.is_dir()]
    for name in (".venv", ".venv-bench", ".venv-torch"):
        if environments.python(name).exists():
            (environments.site_packages(name) / "tenon.pth").write_text("".join(f"{f}\n" for f in folders))


def program(name: str, preset: str) -> Path | None:
    """A built command, wherever its CMake folder put it."""
    found = [p for p in build_dir(preset).rglob(name) if p.is_file() and p.stat().st_mode & 0o111]
    return min(found, key=lambda p: len(p.parts), default=None)


def search_path(preset: str) -> str:
    """PATH with the built commands, the venv's and LLVM's tools in front."""
    commands = sorted({str(p.parent) for n in ("tenon", "tenon-opt") if (p := program(n, preset))})
    return os.pathsep.join([*commands, str(environments.python().parent), str(LLVM_BIN), os.environ["PATH"]])
