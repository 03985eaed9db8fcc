"""One engine with one model in a process of its own:  worker.py ENGINE FILE THREADS PRECISION INPUTS.npz OUTPUTS.npz

Speaks JSON lines: first what loading cost; then, for each line `{"seconds": s, "runs": n}` on standard input, the run
times in milliseconds of at least n runs and at least s seconds. An empty line asks for the peak memory and ends it.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from engines import ENGINES, peak_memory_mb, pin

ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what an engine prints is no answer


def measure(engine, seconds: float, runs: int) -> list[float]:
    times, end = [], time.perf_counter() + seconds
    while len(times) < runs or time.perf_counter() < end:
        start = time.perf_counter()
        engine.run()
        times.append(1e3 * (time.perf_counter() - start))
    return times


def compile_package(model: str, package: str, options: str) -> dict:
    """`options`: JSON, keyword arguments of `tenon.compile`; of `shapes`, null is a dimension that stays dynamic."""
    import tenon

    start = time.perf_counter()
    tenon.compile(model, **json.loads(options)).save(package)
    return {"compile_ms": 1e3 * (time.perf_counter() - start)}


def answer(message: dict) -> None:
    print(json.dumps(message), file=ANSWERS, flush=True)


def main() -> None:
    if sys.argv[1] == "compile":
        answer(compile_package(*sys.argv[2:]))
        return
    name, path, threads, precision, inputs, outputs = sys.argv[1:]
    pin(int(threads))
    engine = ENGINES[name](precision)
    arrays = {key: np.array(value, order="C") for key, value in np.load(inputs).items()}
    start = time.perf_counter()
    engine.load(Path(path), int(threads), arrays)
    load_ms = 1e3 * (time.perf_counter() - start)
    engine.bind(arrays)
    engine.run()
    np.savez(outputs, **engine.outputs())
    answer({"load_ms": load_ms})
    for line in sys.stdin:
        if not line.strip():
            break
        answer({"times": measure(engine, **json.loads(line))})
    last = {"peak_mb": peak_memory_mb()}
    answer({**last, "flop": engine.flop()} if name == "tenon" else last)


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        answer({"error": f"{type(error).__name__}: {error}"})
        sys.exit(1)
