"""The command, and a way to run the example programs of Mortise on data."""

import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "isa/mortise/examples"


@pytest.fixture(scope="session")
def tenon():
    path = shutil.which("tenon") or ROOT / "build/release/tools/tenon/tenon"
    if not Path(path).exists():
        pytest.skip("the command `tenon` is not built")

    def run(*arguments, **options) -> subprocess.CompletedProcess:
        return subprocess.run([path, *map(str, arguments)], capture_output=True, text=True, **options)

    return run


@pytest.fixture
def simulate(tenon, tmp_path):
    """Assembles a program (a path or text), runs it on arrays, returns outputs and report."""

    def run(program, inputs=None, parameters=None, flags=()) -> SimpleNamespace:
        source = program
        if not isinstance(program, Path):
            source = tmp_path / "program.s"
            source.write_text(program)
        binary = tmp_path / "program.bin"
        assembled = tenon("asm", source, "-o", binary)
        assert assembled.returncode == 0, assembled.stderr
        arguments = []
        for name, array in (inputs or {}).items():
            np.save(tmp_path / f"{name}.npy", array)
            arguments += ["--in", f"{name}={tmp_path / name}.npy"]
        for name, value in (parameters or {}).items():
            arguments += ["--param", f"{name}={value}"]
        report = tmp_path / "report.json"
        out = tmp_path / "out"
        done = tenon("sim", binary, *arguments, "--out-dir", out, "--json", report, *flags)
        result = SimpleNamespace(status=done.returncode, stderr=done.stderr, stdout=done.stdout, binary=binary)
        if done.returncode == 0:
            result.report = json.loads(report.read_text())
            result.outputs = {p.stem: np.load(p) for p in out.glob("*.npy")}
        return result

    return run
