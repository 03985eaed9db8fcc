"""ONNX's own backend suite, through `tenon.onnx_backend`: every case of `passing.txt` (written by count.py) passes, and
the list is no shorter than it was."""

import count
import pytest

import tenon.onnx_backend  # noqa: F401  (a missing package is an error)

FLOOR = 1582  # only grows
NAMES = count.PASSING.read_text().split() if count.PASSING.exists() else []


@pytest.mark.skipif(not NAMES, reason="no list yet: run tests/onnx_backend/count.py --write")
def test_the_list_does_not_shrink():
    assert len(NAMES) >= FLOOR
    unknown = set(NAMES) - set(count.all_cases())
    assert not unknown, "passing.txt names cases that the pinned onnx package does not have"


@pytest.mark.parametrize("name", NAMES)
def test_case(name):
    outcome = count.run_case(name)
    assert outcome.passed, outcome.reason
