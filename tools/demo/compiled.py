"""A model compiled by Tenon, with what that cost."""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tenon

MIB = 1024 * 1024


class Compiled:
    """Compiles `model` for this machine, saves the package in `folder`, and times every call."""

    def __init__(self, model: Path, folder: Path):
        self.name, self.path = model.stem, folder / f"{model.stem}.tenon"
        start = time.perf_counter()
        tenon.compile(str(model)).save(str(self.path))
        self.compile_s = time.perf_counter() - start
        start = time.perf_counter()
        self.session = tenon.load(str(self.path)).session()
        self.load_s = time.perf_counter() - start
        self.calls: dict[str, list[float]] = {}

    def __call__(self, inputs: dict) -> dict:
        start = time.perf_counter()
        outputs = self.session.run(inputs)
        elapsed = time.perf_counter() - start
        shape = "x".join(map(str, max((a.shape for a in inputs.values()), key=len)))
        self.calls.setdefault(shape, []).append(elapsed)
        return outputs

    def on_image(self, batch):
        """The only output for the only input `x`."""
        return next(iter(self({"x": batch}).values()))

    def busiest(self) -> tuple[str, float]:
        """The shape that took longest, and its median latency in milliseconds."""
        medians = {shape: 1e3 * statistics.median(times) for shape, times in self.calls.items()}
        return max(medians.items(), key=lambda item: item[1])

    def peak_mib(self, shape: str) -> float:
        """Peak resident memory of a process that only loads the package and runs it at that shape."""
        with tempfile.TemporaryDirectory() as folder:
            stats = Path(folder) / "stats.json"
            names = [i.name for i in tenon.load(str(self.path)).inputs]
            shapes = [word for name in names for word in ("--shape", f"{name}={shape}")]
            command = [command_path(), "run", self.path, "--stats", stats, *shapes]
            done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"demo: `tenon run` failed on {self.path.name}: {done.stderr.strip()}")
            return json.loads(stats.read_text())["peak_rss"] / MIB

    def row(self) -> list[str]:
        shape, latency = self.busiest()
        size = self.path.stat().st_size / MIB
        return [
            self.name,
            shape,
            f"{latency:.2f}",
            f"{1e3 * self.load_s:.2f}",
            f"{size:.1f}",
            f"{self.peak_mib(shape):.0f}",
            f"{self.compile_s:.2f}",
        ]


HEADER = ["model", "shape", "latency ms", "load ms", "package MiB", "peak MiB", "compile s"]


def table(rows: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in [HEADER, *rows]) for i in range(len(HEADER))]
    lines = [
        "  ".join(c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths, strict=True)))
        for r in [HEADER, *rows]
    ]
    return "\n".join(lines)


def command_path() -> str:
    found = shutil.which("tenon")
    if not found:
        sys.exit("demo: the command `tenon` is not on PATH; start the demo as `./dev demo`")
    return found
