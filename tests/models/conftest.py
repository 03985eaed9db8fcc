"""Fixtures of the model tests: the collected models, their packages, and ONNX Runtime's answers."""

import json
import os
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from inputs import fixed_shapes, make_inputs

ROOT = Path(__file__).resolve().parents[2]
MODELS = Path(os.environ.get("TENON_MODELS", ROOT / "models"))


class Collected:
    """One collected model: its manifest entry, and what ONNX Runtime makes of it."""

    def __init__(self, name: str, entry: dict):
        self.name, self.entry, self.path = name, entry, MODELS / entry["file"]

    def sizes(self) -> list[dict[str, int]]:
        """Assignments of all symbols to sizes, one for each row of tests."""
        symbols = self.entry["symbols"]
        count = max((len(s["tests"]) for s in symbols.values()), default=1)
        return [{n: s["tests"][i % len(s["tests"])] for n, s in symbols.items()} for i in range(count)]

    def inputs(self, sizes: dict[str, int], seed: int = 7) -> dict[str, np.ndarray]:
        return make_inputs(self.entry["inputs"], sizes, seed)

    def shapes(self) -> dict[str, tuple]:
        return fixed_shapes(self.entry["inputs"])

    def shape_flags(self) -> tuple[str, ...]:
        written = ((n, "x".join("?" if d is None else str(d) for d in dims)) for n, dims in self.shapes().items())
        return tuple(f"--shape={name}={text}" for name, text in written)

    def expected(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        session = oracle(self.path)
        names = [o.name for o in session.get_outputs()]
        return dict(zip(names, session.run(None, inputs), strict=True))


@cache
def oracle(path: Path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="session")
def collected():
    """name -> Collected; a model that is not there skips the test that asks for it."""
    manifest = MODELS / "manifest.json"
    entries = json.loads(manifest.read_text())["models"] if manifest.exists() else {}

    def find(name: str) -> Collected:
        if name not in entries or not (MODELS / entries[name]["file"]).exists():
            pytest.skip(f"{name} is not collected: run `./dev models {MODELS} {name}`")
        return Collected(name, entries[name])

    return find


@pytest.fixture(scope="session")
def package_of(tmp_path_factory):
    """(model, target) -> path of its package, compiled by the command once."""
    folder = tmp_path_factory.mktemp("packages")

    @cache
    def compiled(path: Path, target: str, flags: tuple[str, ...]) -> Path:
        package = folder / f"{path.stem}-{target}-{abs(hash(flags))}.tenon"
        command(["compile", path, "-o", package, "--target", target, *flags])
        return package

    return lambda model, target, *flags: compiled(
        model.path, target, (*flags, *model.shape_flags(), *emulation(target))
    )


def command(arguments: list) -> str:
    """Runs `tenon` and returns its standard output; its diagnostic becomes the test's."""
    done = subprocess.run(["tenon", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"tenon {arguments[0]} ended with status {done.returncode}: {done.stderr.strip()}", pytrace=False)
    return done.stdout


@cache
def cpu_flags() -> frozenset[str]:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            return frozenset(line.split(":")[1].split())
    return frozenset()


def emulation(target: str) -> tuple[str, ...]:
    """What a target needs to run on a CPU that lacks its instructions."""
    needed = {"x86-64-v3": {"avx2", "fma"}, "x86-64-v4": {"avx512f", "avx512bw", "avx512dq", "avx512vl"}}
    return () if needed.get(target, set()) <= cpu_flags() else ("--emulate-isa",)
