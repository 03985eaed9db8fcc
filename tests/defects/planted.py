"""Defects planted in the lowerings, and the tests that catch them:

    python tests/defects/planted.py [--build DIR] [--write] [DEFECT...]

Runs every test program with each defect (or the named ones) and prints which tests fail with it. --write stores the
table of catches.py in docs/planted-defects.md.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from catches import CATCHES, LIT

ROOT = Path(__file__).resolve().parents[2]
DEFINITIONS = ROOT / "compiler/defects/PlantedDefects.def"
PAGE = ROOT / "docs/planted-defects.md"
SWITCH = "TENON_PLANTED_DEFECT"
SECONDS = 120

INTRODUCTION = """\
# Planted defects

Tests are tested: a switch plants one of these defects in a lowering, and the test beside it must fail
(`tests/defects/test_planted_defects.py`, part of `./dev test`). Each is one line of the lowering,
`planted(Defect::Name)`, declared in `compiler/defects/PlantedDefects.def`. The switch is a variable that nothing in
the product sets or exports; test programs and `tenon-opt` link `tests/defects/PlantDefect.cpp`, which sets it from the
environment variable `TENON_PLANTED_DEFECT`. `python tests/defects/planted.py DEFECT` lists every test that a defect
fails.

This page is generated: `python tests/defects/planted.py --write`.
"""


def defects() -> dict[str, str]:
    """Name -> what is wrong with it, from the definitions."""
    return dict(re.findall(r'^TENON_DEFECT\((\w+), "([^"]+)"\)', DEFINITIONS.read_text(), re.MULTILINE))


def page() -> str:
    rows = ["| defect | what is then wrong | caught by |", "|---|---|---|"]
    for name, text in defects().items():
        program, test = CATCHES[name]
        rows.append(f"| {name} | {text} | `{program}`: `{test}` |")
    return INTRODUCTION + "\n" + "\n".join(rows) + "\n"


class Programs:
    """The test programs of a build folder."""

    def __init__(self, build: Path):
        self.build = build

    def find(self, name: str) -> Path | None:
        found = [p for p in self.build.rglob(name) if p.is_file() and os.access(p, os.X_OK)]
        return found[0] if found else None

    def failures(self, program: str, tests: str, defect: str = "") -> list[str]:
        """The failing tests of a program among those of the filter `tests`, or of lit among files. A program that
        crashes or hangs fails as a whole: then the one entry says so."""
        environment = {**os.environ, SWITCH: defect}
        if program == LIT:
            return self._lit_failures(tests, environment)
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.json"
            command = [self.find(program), f"--gtest_filter={tests}", f"--gtest_output=json:{report}"]
            try:
                done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
            except subprocess.TimeoutExpired:
                return [f"{tests} (does not end)"]
            if done.returncode < 0:
                return [f"{tests} (ends by signal {-done.returncode})"]
            suites = json.loads(report.read_text())["testsuites"] if report.exists() else []
        cases = [case | {"suite": suite["name"]} for suite in suites for case in suite["testsuite"]]
        if not cases:
            raise RuntimeError(f"{program} has no test {tests}: {done.stderr}")
        return [f"{case['suite']}.{case['name']}" for case in cases if case.get("failures")]

    def _lit_failures(self, files: str, environment: dict) -> list[str]:
        lit = Path(sys.executable).parent / "lit"
        chosen = "|".join(map(re.escape, files.split(":")))
        command = [lit, "-q", "-D", f"build={self.build}", "--filter", chosen, ROOT / "tests"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
        failed = re.findall(r"^\s*tenon :: (\S+)", done.stdout, re.MULTILINE)
        if done.returncode and not failed:
            raise RuntimeError(f"lit failed: {done.stdout}{done.stderr}")
        return sorted(set(failed))


def everything() -> dict[str, str]:
    """Program -> all of its tests, for each program that catches a defect."""
    named: dict[str, str] = {program: "*" for program, _ in CATCHES.values()}
    named[LIT] = ":".join(sorted(str(p.relative_to(ROOT)) for p in (ROOT / "compiler/graph/test").glob("*.mlir")))
    return named


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("defects", nargs="*", metavar="DEFECT", help="names; all by default")
    parser.add_argument("--build", type=Path, default=ROOT / "build/release")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)} and run nothing")
    options = parser.parse_args()
    if options.write:
        PAGE.write_text(page())
        return 0
    unknown = set(options.defects) - set(defects())
    if unknown:
        parser.error(f"expected names of {DEFINITIONS.relative_to(ROOT)}, found {', '.join(sorted(unknown))}")
    programs = Programs(options.build.resolve())
    missed = []
    for defect in options.defects or defects():
        caught = [f"{p}: {t}" for p, tests in everything().items() for t in programs.failures(p, tests, defect)]
        print(f"{defect:24} {len(caught):3}  {', '.join(caught)}", flush=True)
        if not caught:
            missed.append(defect)
    if missed:
        print(f"not caught: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
