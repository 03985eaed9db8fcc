"""`./dev test`: CTest (GoogleTest), lit and pytest, counted together from their JUnit reports."""

import os
import shutil
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import build
import environments
from project import ROOT, jobs, models_dir, run, say


@dataclass
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, other: "Count") -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self) -> str:
        text = f"{self.passed} passed, {self.failed} failed"
        return f"{text}, {self.skipped} skipped" if self.skipped else text


def count_junit(report: Path) -> Count:
    """Cases of a JUnit file by outcome. A file that is missing or cut short is one failure."""
    try:
        cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return Count(failed=1)
    count = Count()
    for case in cases:
        if case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail":
            count.failed += 1
        elif case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
            count.skipped += 1
        else:
            count.passed += 1
    return count


def run_all(options) -> int:
    folder = build.build(options.preset)
    reports = folder / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir(parents=True)
    suites = {"ctest": run_ctest, "lit": run_lit, "pytest": run_pytest}
    total = Count()
    for name in options.suite or suites:
        count = suites[name](options, folder, reports)
        say(f"test: {name}: {count}")
        total.add(count)
    say(str(total))
    return 1 if total.failed or not total.passed else 0


def run_ctest(options, folder: Path, reports: Path) -> Count:
    """Every GoogleTest binary writes its own report, so that cases are counted and not binaries; a test that wrote none
    (it crashed, or is no GoogleTest) counts once."""
    keyword = ["-R", options.keyword] if options.keyword else []
    cases, summary = reports / "gtest", reports / "ctest.xml"
    command = ["ctest", "--test-dir", folder, "-j", jobs(), "--output-on-failure", "--no-tests=ignore"]
    run(
        *command,
        "--output-junit",
        summary,
        *keyword,
        check=False,
        env={**os.environ, "GTEST_OUTPUT": f"xml:{cases}/", "PATH": build.search_path(folder.name)},
    )
    if not summary.exists():
        return Count(failed=1)
    total = Count()
    written = {report.stem: count_junit(report) for report in sorted(cases.glob("*.xml"))}
    for case in ElementTree.parse(summary).getroot().iter("testcase"):
        count = written.get(case.get("name"), Count())
        if case.get("status") == "fail" and not count.failed:
            count = Count(failed=1)
        elif not (count.passed or count.failed or count.skipped):
            count = Count(passed=1) if case.get("status") == "run" else Count(skipped=1)
        total.add(count)
    return total


def run_lit(options, folder: Path, reports: Path) -> Count:
    if not has_lit_tests():
        return Count()
    report = reports / "lit.xml"
    keyword = ["--filter", options.keyword] if options.keyword else []
    done = run(
        environments.python().parent / "lit",
        "-v",
        "--allow-empty-runs",
        "-j",
        jobs(),
        "-D",
        f"build={folder}",
        "--xunit-xml-output",
        report,
        *keyword,
        ROOT / "tests",
        check=False,
    )
    count = count_junit(report)
    return count if done.returncode == 0 or count.failed else Count(failed=1)


def has_lit_tests() -> bool:
    return any((ROOT / "compiler").rglob("test/**/*.mlir")) or any((ROOT / "tests").rglob("*.mlir"))


def run_pytest(options, folder: Path, reports: Path) -> Count:
    models = models_dir()
    import main

    main.collect(models, [] if options.models else ["--torch-free"], needs_torch=options.models)
    report = reports / "pytest.xml"
    keyword = ["-k", options.keyword] if options.keyword else []
    environment = {
        **os.environ,
        "PATH": build.search_path(folder.name),
        "TENON_MODELS": str(models),
        "TENON_TEST_TORCH_MODELS": "1" if options.models else "",
    }
    command = [environments.python(), "-m", "pytest", f"--junitxml={report}", *keyword]
    done = run(*command, check=False, env=environment)
    count = count_junit(report)
    return count if done.returncode in (0, 5) or count.failed else Count(failed=1)
