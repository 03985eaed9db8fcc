"""docs/errors.md lists the codes that the sources give, and no others."""

import re
from collections.abc import Iterator
from pathlib import Path

from project import ROOT

FOLDERS = ("compiler", "isa", "sim", "package", "runtime", "reference", "tools", "python")
SUFFIXES = {".cpp", ".h", ".hpp", ".py"}
WRITTEN = re.compile(r"\bTN(\d{4})\b")
PACKAGE = re.compile(r"^  \w+ = (\d{3}),", re.MULTILINE)  # package/error.h
IMPORTER = re.compile(  # compiler/import gives numbers: fail(113, ..), error = {116, ..}, code = 121
    r'(?:fail|[eE]rror|refuse|warn)\((?:[^"();]|\w+\(\))*?\b(1\d\d),|= \{(1\d\d),|\bcode = (1\d\d);'
)


def sources() -> Iterator[Path]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            test = re.search(r"(?i)test", path.name) or {"tests", "test", "testing"} & set(path.parts)
            if path.suffix in SUFFIXES and not test:
                yield path


def given_codes() -> dict[str, str]:
    """Code -> a file that gives it."""
    codes = {}
    for path in sources():
        text = path.read_text()
        found = WRITTEN.findall(text)
        if path == ROOT / "package/error.h":
            found += PACKAGE.findall(text)
        if path.parent == ROOT / "compiler/import/onnx":
            found += [n for groups in IMPORTER.findall(text) for n in groups if n]
        for number in found:
            codes.setdefault(f"TN{int(number):04}", str(path.relative_to(ROOT)))
    return codes


def test_every_code_is_documented():
    text = (ROOT / "docs/errors.md").read_text()
    listed = re.findall(r"^\| (TN\d{4}) \|", text, re.MULTILINE)
    assert listed == sorted(set(listed))
    given = given_codes()
    assert {c: f for c, f in given.items() if c not in listed} == {}
    assert [c for c in listed if c not in given] == []
