"""ONNX's backend suite through Tenon:  python tests/onnx_backend/count.py [--write] [--jobs N]

Runs every case, prints how many pass by category, and with --write stores the names of those that pass in
`passing.txt`, which test_backend.py requires to pass from then on: the list only grows.
"""

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PASSING = HERE / "passing.txt"
SECONDS = 60


@dataclass(frozen=True)
class Outcome:
    category: str
    name: str
    passed: bool
    reason: str = ""


def cases() -> dict[str, tuple[str, str]]:
    """Test name -> (category, method name), for the CPU, as ONNX's own runner lists them."""
    import warnings

    warnings.filterwarnings("ignore", module="onnx.backend")  # its cases divide by zero on purpose
    import onnx.backend.test

    import tenon.onnx_backend

    runner = onnx.backend.test.BackendTest(tenon.onnx_backend, __name__)
    found = {}
    for category, suite in runner.test_cases.items():
        for method in dir(suite):
            if method.startswith("test_") and method.endswith("_cpu"):
                found[method] = (category, suite)
    return found


def run_case(name: str) -> Outcome:
    """Runs one case as unittest does, in this process."""
    import unittest

    category, suite = all_cases()[name]
    result = unittest.TestResult()
    suite(name).run(result)
    problems = [*result.failures, *result.errors]
    if problems:
        return Outcome(category, name, False, problems[0][1].strip().splitlines()[-1])
    if result.skipped:
        return Outcome(category, name, False, f"skipped: {result.skipped[0][1]}")
    return Outcome(category, name, True)


_cases: dict = {}


def all_cases() -> dict:
    if not _cases:
        _cases.update(cases())
    return _cases


def run_all(names: list[str], jobs: int) -> list[Outcome]:
    """Runs each case in a fork of this process, which has loaded everything: a crash or a hang costs that case only."""
    warm_up()
    outcomes, running, waiting = [], {}, list(reversed(names))
    while waiting or running:
        while waiting and len(running) < jobs:
            name = waiting.pop()
            running[name] = start(name)
        for name, (process, pipe, deadline) in list(running.items()):
            if pipe.poll(0.002) or not process.is_alive() or time.monotonic() > deadline:
                outcomes.append(collect(name, process, pipe))
                del running[name]
    return outcomes


def warm_up() -> None:
    """Loads the compiler library, once for all forks."""
    import tenon._compiler

    all_cases()
    tenon._compiler.library()


def start(name: str) -> tuple:
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=lambda: sender.send(run_case(name)))
    process.start()
    sender.close()
    return process, receiver, time.monotonic() + SECONDS


def collect(name: str, process, pipe) -> Outcome:
    category = all_cases()[name][0]
    try:
        if not pipe.poll(0):
            raise EOFError
        return pipe.recv()
    except EOFError:
        process.join(0.1)
        hung = process.is_alive()
        process.kill()
        process.join()
        return Outcome(
            category, name, False, f"ran for more than {SECONDS} s" if hung else f"ended with {process.exitcode}"
        )
    finally:
        pipe.close()
        process.join()


def table(outcomes: list[Outcome]) -> str:
    total, passed = Counter(o.category for o in outcomes), Counter(o.category for o in outcomes if o.passed)
    lines = [f"{category:28} {passed[category]:5} of {total[category]:5}" for category in sorted(total)]
    reasons = Counter(o.reason[:100] for o in outcomes if not o.passed).most_common(12)
    lines += [f"{'all':28} {passed.total():5} of {total.total():5}", "", "most frequent reasons:"]
    return "\n".join([*lines, *(f"{count:5}  {reason}" for reason, count in reasons)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="store the names of passing cases")
    parser.add_argument("--jobs", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--filter", default="", metavar="WORD", help="only cases whose name contains WORD")
    parser.add_argument("--failures", type=Path, metavar="FILE", help="write name and reason of each failure")
    options = parser.parse_args()
    if options.write and options.filter:
        parser.error("--write needs all cases: leave out --filter")
    outcomes = run_all(sorted(n for n in all_cases() if options.filter in n), options.jobs)
    print(table(outcomes))
    if options.failures:
        rows = [f"{o.name}\t{o.reason}" for o in outcomes if not o.passed]
        options.failures.write_text("\n".join(rows) + "\n")
    if options.write:
        PASSING.write_text("\n".join(sorted(o.name for o in outcomes if o.passed)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
