"""A few random kernels on random machines; `random_kernels.py` runs as many as one likes."""

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("tenon")


@pytest.fixture(scope="module")
def cases():
    spec = importlib.util.spec_from_file_location("random_kernels", Path(__file__).with_name("random_kernels.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_machine_computes_what_the_cpu_does(cases):
    taken = 0
    for number in range(5000, 5030):
        found, device = cases.run_case(number)
        assert not found, f"case {number}: {found}"
        taken += device
    assert taken > 20
