"""Fixtures of the importer's tests: models made by onnx.helper, printed by tenon-translate."""

import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[4]


def find_tool(name):
    """The tool on the path, else the newest build of any preset."""
    found = [p for p in ROOT.glob(f"build/*/tools/**/{name}") if os.access(p, os.X_OK) and p.is_file()]
    return shutil.which(name) or (str(max(found, key=lambda p: p.stat().st_mtime)) if found else None)


@pytest.fixture(scope="session")
def translate():
    tool = find_tool("tenon-translate")
    if not tool:
        pytest.skip("tenon-translate is not built")

    def run(path, *options, mode="--onnx-to-tenon"):
        paths = [path] if isinstance(path, (str, os.PathLike)) else path
        command = [tool, mode, *options, *map(str, paths)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    return run
