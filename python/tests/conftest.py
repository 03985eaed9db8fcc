"""Sample packages that the build makes (tools/tenon/testing), the command, and whether models can be compiled."""

import shutil
import subprocess
from pathlib import Path

import pytest

import tenon


def find_command() -> str | None:
    """On PATH (./dev test puts it there), or in the build folder that the extension module is from."""
    from tenon import _runtime

    built = Path(_runtime.__file__).absolute().parents[2] / "tools/tenon/tenon"
    return shutil.which("tenon") or (str(built) if built.exists() else None)


@pytest.fixture(scope="session")
def command():
    """Runs `tenon` with arguments; returns the completed process."""
    path = find_command()
    if path is None:
        pytest.skip("the command `tenon` is not built")

    def run(*arguments, **options) -> subprocess.CompletedProcess:
        return subprocess.run([path, *map(str, arguments)], capture_output=True, text=True, **options)

    return run


@pytest.fixture(scope="session")
def sample():
    """name -> path of a sample package."""
    path = find_command()

    def find(name: str) -> Path:
        package = Path(path or "").parent / "samples" / f"{name}.tenon"
        if not package.exists():
            pytest.skip("the sample packages are not built: build the target tenon_samples")
        return package

    return find


@pytest.fixture(scope="session")
def compiler():
    """Skips where the compiler library is not built."""
    from tenon import _compiler

    try:
        _compiler.library()
    except tenon.CompileError as error:
        pytest.skip(str(error))
    return tenon
