"""MobileNetV2 loses little with less scratchpad, and gains from tensors that stay in it."""

import shutil

import mortise_scratchpad
import pytest


@pytest.mark.skipif(shutil.which("tenon") is None, reason="tenon is not built")
def test_mobilenet_v2_needs_little_scratchpad(tmp_path):
    model = mortise_scratchpad.mobilenet_v2(tmp_path)
    sizes = [384, 512, 16384]
    most, *less = mortise_scratchpad.measure(model, "edge-512k", sizes, tmp_path, cascades="off")
    assert [run.size for run in (most, *less)] == [16384, 512, 384]
    assert all(run.equal for run in (most, *less))
    for run in less:
        assert run.cycles <= 1.02 * most.cycles, run.size
        assert run.dram >= most.dram, run.size
    cycles = mortise_scratchpad.by_node(most.rows)
    assert sum(cycles.values()) <= most.cycles and len(cycles) > 50
    # Tensors that stay need room: they make small scratchpads faster than any without, nearly as fast as one that all
    # tensors fit.
    largest, *smaller = mortise_scratchpad.measure(model, "edge-512k", sizes, tmp_path)
    assert all(run.equal and run.cycles <= 0.96 * most.cycles for run in (largest, *smaller))
    for run in smaller:
        assert largest.cycles <= run.cycles <= 1.02 * largest.cycles, run.size
        assert run.dram >= largest.dram, run.size
