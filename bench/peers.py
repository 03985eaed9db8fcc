"""Tenon beside its peers, in one run:  peers.py --models DIR [--json FILE] [--html FILE] [MODEL ...]

Every engine lives in a process of its own and stays hot; the processes take turns, so that a change of the machine's
speed hits all alike. Reported are medians, and ratios of medians: the ratio is what carries over to other machines.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import report
from engines import ENGINES

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests/models"))

from inputs import fixed_shapes, make_inputs  # noqa: E402

PEERS = tuple(ENGINES)
ROUNDS, SECONDS, RUNS, PAUSE = 7, 0.15, 3, 0.05


class Worker:
    """A running worker process; `error` says why it failed, if it did."""

    def __init__(self, *arguments):
        command = [sys.executable, HERE / "worker.py", *arguments]
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.times: list[float] = []
        self.error = ""
        self.facts = self.receive()

    def receive(self) -> dict:
        line = self.process.stdout.readline()
        message = json.loads(line) if line else {"error": f"ended with status {self.process.wait()}"}
        self.error = message.get("error", "")
        return message

    def take_turn(self, seconds: float, runs: int) -> list[float]:
        self.process.stdin.write(json.dumps({"seconds": seconds, "runs": runs}) + "\n")
        self.process.stdin.flush()
        return self.receive().get("times", [])

    def finish(self) -> float | None:
        if not self.error and self.process.poll() is None:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        peak = None if self.error else self.receive().get("peak_mb")
        self.process.wait()
        return peak


def compile_model(model: Path, package: Path, shapes: dict) -> Worker:
    worker = Worker("compile", model, package, json.dumps(shapes))
    worker.process.wait()
    return worker


def measure(name: str, model: Path, entry: dict, options: argparse.Namespace, folder: Path) -> list[dict]:
    """The rows of one model; `entry` is its row in the manifest."""
    inputs = make_inputs(entry["inputs"], {})
    package = folder / f"{name}.tenon"
    compiled = compile_model(model, package, fixed_shapes(entry["inputs"])) if "tenon" in options.peers else None
    np.savez(folder / "inputs.npz", **inputs)
    rows = []
    for threads in options.threads:
        workers = start(options.peers, compiled, model, package, threads)
        take_turns([worker for worker in workers.values() if not worker.error])
        made = [describe(name, peer, threads, w, compiled, model, package) for peer, w in workers.items()]
        print(report.progress(made, name, threads), file=sys.stderr, flush=True)
        rows += made
    return rows


def start(peers: list[str], compiled: Worker | None, model: Path, package: Path, threads: int) -> dict[str, Worker]:
    """A hot worker for each engine; a model that did not compile stands in for its worker."""
    workers, folder = {}, package.parent
    for peer in peers:
        if peer == "tenon" and compiled.error:
            workers[peer] = compiled
            continue
        file = package if peer == "tenon" else model
        workers[peer] = Worker(peer, file, threads, folder / "inputs.npz", folder / f"{peer}.npz")
        if not workers[peer].error:
            workers[peer].take_turn(0, RUNS)
    return workers


def take_turns(workers: list[Worker]) -> None:
    for _ in range(ROUNDS):
        for worker in workers:
            if not worker.error:
                time.sleep(PAUSE)  # lets the threads of the one before stop spinning
                worker.times += worker.take_turn(SECONDS, RUNS)


def describe(
    name: str, peer: str, threads: int, worker: Worker, compiled: Worker | None, model: Path, package: Path
) -> dict:
    file = package if peer == "tenon" else model
    row = {
        "model": name,
        "peer": peer,
        "threads": threads,
        "p50_ms": statistics.median(worker.times) if worker.times else None,
        "min_ms": min(worker.times, default=None),
        "load_ms": worker.facts.get("load_ms"),
        "compile_ms": compiled.facts.get("compile_ms") if peer == "tenon" else None,
        "peak_mb": worker.finish(),
        "size_mb": file.stat().st_size / 1e6 if file.exists() else None,
        "max_rel_error": None if worker.error else relative_error(package.parent, peer),
    }
    return {**row, "error": worker.error} if worker.error else row


def relative_error(folder: Path, peer: str) -> float | None:
    """The largest difference from ONNX Runtime's outputs, over the largest magnitude of each output."""
    oracle, own = folder / "onnxruntime.npz", folder / f"{peer}.npz"
    if not oracle.exists():
        return None
    expected, found = np.load(oracle), np.load(own)
    worst = 0.0
    for key in expected.files:
        if key not in found.files or found[key].shape != expected[key].shape:
            return float("inf")
        scale = max(float(np.abs(expected[key]).max(initial=0)), 1e-30)
        difference = np.abs(found[key].astype(np.float64) - expected[key]).max(initial=0)
        worst = max(worst, float(difference) / scale)
    return worst


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="MODEL")
    parser.add_argument("--models", type=Path, required=True, help="folder of collected models")
    parser.add_argument("--torch-free", action="store_true", help="leave out what torch exports")
    parser.add_argument("--threads", type=lambda s: [int(t) for t in s.split(",")], default=[1, 2], metavar="N,..")
    parser.add_argument("--peers", type=lambda s: s.split(","), default=list(PEERS), metavar="NAME,..")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--html", type=Path, metavar="FILE")
    options = parser.parse_intermixed_args()
    manifest = json.loads((options.models / "manifest.json").read_text())["models"]
    names = options.names or [n for n, m in manifest.items() if not (options.torch_free and m["origin"] == "torch")]
    for name in names:
        if name not in manifest:
            parser.error(f"{name!r} is not collected in {options.models}; known: {', '.join(manifest)}")
    rows = []
    for name in names:
        model = options.models / manifest[name]["file"]
        with tempfile.TemporaryDirectory(prefix="tenon-bench-") as folder:
            rows += measure(name, model, manifest[name], options, Path(folder))
    print(report.text(rows))
    if options.json:
        write(options.json, json.dumps(rows, indent=1) + "\n")
    if options.html:
        write(options.html, report.html(rows))
    return 1 if any(row.get("error") and row["peer"] == "tenon" for row in rows) else 0


def write(path: Path, content: str) -> None:
    """Whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(content)
    partial.replace(path)


if __name__ == "__main__":
    sys.exit(main())
