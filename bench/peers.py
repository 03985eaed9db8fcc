"""Tenon beside its peers, in one run:  peers.py --models DIR [--json FILE] [--html FILE] [MODEL ...]

Every engine lives in a process of its own, pinned to as many CPUs as it has threads, and stays hot; the processes take
turns, so that a change of the machine's speed hits all alike. Reported are medians, and ratios of medians: the ratio is
what carries over to other machines. What an engine cannot do is a row with the reason.
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

import history
import numpy as np
import page
import peaks
import report
from conversion import NotConverted, converted
from engines import ENGINES

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests/models"))

from inputs import fixed_shapes, make_inputs  # noqa: E402

PEERS = tuple(name for name in ENGINES if name != "oracle")
ROUNDS, SECONDS, RUNS, PAUSE = 7, 0.15, 3, 0.05
REGRESSION_PERCENT = 10.0
WRONG = 0.5  # of the largest output: what differs more is not this model, and its time counts for nothing


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

    def finish(self) -> dict:
        """`peak_mb`, and of Tenon `flop`: the work of a run."""
        if not self.error and self.process.poll() is None:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        last = {} if self.error else self.receive()
        self.process.wait()
        return last


class Failed:
    """Stands in for the worker of an engine that could not start."""

    times: tuple = ()

    def __init__(self, error: str):
        self.error, self.facts = error, {}

    def finish(self) -> dict:
        return {}


def compile_model(model: Path, package: Path, shapes: dict, chosen: argparse.Namespace) -> tuple[Worker, float | None]:
    """Compiles twice, each time in a new process: with an empty object cache, and with what the first left there.
    Returns the first worker, and the milliseconds of the second."""
    options = {"shapes": shapes, "cache": str(package.parent / "cache")}
    if chosen.precision != "f32":
        options["precision"] = chosen.precision
    if chosen.winograd:
        options["winograd"] = chosen.winograd
    cold = Worker("compile", model, package, json.dumps(options))
    cold.process.wait()
    if cold.error:
        return cold, None
    warm = Worker("compile", model, package, json.dumps(options))
    warm.process.wait()
    return cold, warm.facts.get("compile_ms")


def measure(name: str, model: Path, entry: dict, options: argparse.Namespace, folder: Path) -> list[dict]:
    """The rows of one model; `entry` is its row in the manifest."""
    inputs = make_inputs(entry["inputs"], {})
    np.savez(folder / "inputs.npz", **inputs)
    files, compiled, warm_ms = {}, None, None
    for peer in options.peers:
        try:
            files[peer] = converted(peer, name, model, entry, options.models)
        except NotConverted as error:
            files[peer] = str(error)
    if "tenon" in files:
        files["tenon"] = folder / f"{name}.tenon"
        shapes = fixed_shapes(entry["inputs"])
        compiled, warm_ms = compile_model(model, files["tenon"], shapes, options)
    if "openvino_dynamic" in files and not entry["symbols"]:
        del files["openvino_dynamic"]  # the same as `openvino`
    oracle = start("oracle", model, 1, "f32", folder)
    oracle.finish()
    rows = []
    for threads in options.threads:
        workers = {
            peer: compiled
            if peer == "tenon" and compiled.error
            else start(peer, file, threads, options.precision, folder)
            for peer, file in files.items()
        }
        distances = [peaks.round_trip(folder)] if threads > 1 else []
        take_turns([worker for worker in workers.values() if not worker.error])
        distances += [peaks.round_trip(folder)] if threads > 1 else []
        distance = max((d for d in distances if d is not None), default=None)
        made = []
        for peer, worker in workers.items():
            row = {"model": name, "precision": options.precision, "peer": peer, "threads": threads}
            row[report.DISTANCE] = distance
            row |= describe(peer, worker, files[peer], folder)
            if peer == "tenon":
                row |= {"compile_ms": compiled.facts.get("compile_ms"), "compile_warm_ms": warm_ms}
            made.append(row)
        print(report.progress(made, name, threads), file=sys.stderr, flush=True)
        rows += made
    return rows


def start(peer: str, file: Path | str, threads: int, precision: str, folder: Path) -> Worker | Failed:
    """A hot worker; `file` as text is the reason why there is none."""
    if isinstance(file, str):
        return Failed(file)
    worker = Worker(peer, file, threads, precision, folder / "inputs.npz", folder / f"{peer}.npz")
    if not worker.error:
        worker.take_turn(0, RUNS if peer != "oracle" else 1)
    return worker


def take_turns(workers: list[Worker]) -> None:
    for _ in range(ROUNDS):
        for worker in workers:
            if not worker.error:
                time.sleep(PAUSE)  # lets the threads of the one before stop spinning
                worker.times += worker.take_turn(SECONDS, RUNS)


def describe(peer: str, worker: Worker | Failed, file: Path | str, folder: Path) -> dict:
    last = worker.finish()
    row = {
        "p50_ms": statistics.median(worker.times) if worker.times else None,
        "min_ms": min(worker.times, default=None),
        "load_ms": worker.facts.get("load_ms"),
        "compile_ms": None,
        "compile_warm_ms": None,
        "peak_mb": last.get("peak_mb"),
        "flop": last.get("flop"),
        "size_mb": file.stat().st_size / 1e6 if isinstance(file, Path) and file.exists() else None,
        "max_rel_error": None if worker.error else relative_error(folder, peer),
    }
    if not worker.error and (row["max_rel_error"] or 0) > WRONG:
        worker.error = (
            f"its outputs differ by {row['max_rel_error']:.2g} of the largest one; it took {row['p50_ms']:.3g} ms"
        )
        row |= {"p50_ms": None, "min_ms": None}
    return {**row, "error": worker.error} if worker.error else row


def relative_error(folder: Path, peer: str) -> float | None:
    """The largest difference from the oracle's outputs, over the largest magnitude of each output. Outputs go together
    by name, or by order where a converter renamed them."""
    oracle, own = folder / "oracle.npz", folder / f"{peer}.npz"
    if not oracle.exists():
        return None
    expected, found = np.load(oracle), np.load(own)
    same_names = set(expected.files) <= set(found.files)
    if not same_names and len(expected.files) != len(found.files):
        return float("inf")
    worst = 0.0
    for key, other in zip(expected.files, expected.files if same_names else found.files, strict=True):
        a, b = expected[key], found[other]
        if a.shape != b.shape:
            return float("inf")
        scale = max(float(np.abs(a).max(initial=0)), 1e-30)
        worst = max(worst, float(np.abs(b.astype(np.float64) - a).max(initial=0)) / scale)
    return worst


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="MODEL")
    parser.add_argument("--models", type=Path, required=True, help="folder of collected models")
    parser.add_argument("--torch-free", action="store_true", help="leave out what torch exports")
    parser.add_argument("--threads", type=lambda s: [int(t) for t in s.split(",")], default=[1, 2], metavar="N,..")
    parser.add_argument("--peers", type=lambda s: s.split(","), default=list(PEERS), metavar="NAME,..")
    parser.add_argument("--winograd", choices=("on", "off"), help="as for tenon compile")
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32", help="what engines may compute f32 in")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--html", type=Path, metavar="FILE")
    parser.add_argument("--history", type=Path, metavar="FILE", help="append to, and compare with, these JSON lines")
    parser.add_argument("--regressions", action="store_true", help="run nothing: show what the history's last run lost")
    parser.add_argument(
        "--fail-over",
        type=float,
        metavar="PERCENT",
        help=f"exit with 1 if something is slower by more than this (shown: over {REGRESSION_PERCENT:g})",
    )
    options = parser.parse_intermixed_args()
    for peer in options.peers:
        if peer not in PEERS:
            parser.error(f"unknown engine {peer!r}; known: {', '.join(PEERS)}")
    if options.regressions and not options.history:
        parser.error("--regressions reads the file that --history names")
    if not options.regressions:
        choose_models(parser, options)
    return options


def choose_models(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    options.manifest = json.loads((options.models / "manifest.json").read_text())["models"]
    torch = {name for name, entry in options.manifest.items() if entry["origin"] in ("torch", "quantized")}
    options.names = options.names or [n for n in options.manifest if not (options.torch_free and n in torch)]
    for name in options.names:
        if name not in options.manifest:
            parser.error(f"{name!r} is not collected in {options.models}; known: {', '.join(options.manifest)}")


def main() -> int:
    options = parse()
    if options.regressions:
        return tell_regressions(options)
    rows, peak = [], 0.0
    for name in options.names:
        model = options.models / options.manifest[name]["file"]
        with tempfile.TemporaryDirectory(prefix="tenon-bench-") as folder:
            rows += measure(name, model, options.manifest[name], options, Path(folder))
            peak = max(peak, f32_peak(Path(folder)))
    for row in rows:
        reached = (row.get("flop") or 0) / row["p50_ms"] / 1e6 if row["p50_ms"] else 0.0
        row["peak_share"] = reached / (peak * row["threads"]) if reached and peak else None
    print(report.text(rows))
    if options.json:
        write(options.json, json.dumps(rows, indent=1) + "\n")
    status = 1 if any(row.get("error") and row["peer"] == "tenon" for row in rows) else 0
    if options.history and not options.winograd:
        history.append(options.history, rows)
        status = max(status, tell_regressions(options))
    if options.html:
        write(options.html, page.html(rows, history.read(options.history) if options.history else []))
    return status


def f32_peak(folder: Path) -> float:
    """GFLOP/s of one core in registers alone; 0 where nothing can measure it. The best over a run counts."""
    program = peaks.build(folder)
    return peaks.measure(program, "f32")["f32_gflops"] if program else 0.0


def tell_regressions(options: argparse.Namespace) -> int:
    limit = REGRESSION_PERCENT if options.fail_over is None else options.fail_over
    found = history.regressions(history.read(options.history), limit)
    print("\n".join(found) or f"history: nothing is slower by more than {limit:g} %")
    return 1 if found and options.fail_over is not None else 0


def write(path: Path, content: str) -> None:
    """Whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(content)
    partial.replace(path)


if __name__ == "__main__":
    sys.exit(main())
