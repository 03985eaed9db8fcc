"""The page that compares with published silicon is what the script prints."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/mortise-silicon.md"


@pytest.mark.parametrize("section", ["tpu", "eyeriss", "gemmini", "ethos"])
def test_page_is_current(tenon, section):
    done = subprocess.run(
        [sys.executable, ROOT / "bench/mortise_silicon.py", section], capture_output=True, text=True, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert len(rows) > 2
    page = PAGE.read_text()
    for row in rows:
        assert row in page, "run bench/mortise_silicon.py > docs/mortise-silicon.md"


def test_all_of_nvdla_is_there():
    page = PAGE.read_text()
    for configuration in ("2048 / 512 / 20", "256 / 256 / 5", "32 / 128 / 0.5"):
        assert f"| {configuration} |" in page
