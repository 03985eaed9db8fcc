"""MobileNetV2 loses little with less scratchpad."""

import shutil

import mortise_scratchpad
import pytest


@pytest.mark.skipif(shutil.which("tenon") is None, reason="tenon is not built")
def test_mobilenet_v2_needs_little_scratchpad(tmp_path):
    model = mortise_scratchpad.mobilenet_v2(tmp_path)
    most, *less = mortise_scratchpad.measure(model, "edge-512k", [384, 512, 16384], tmp_path)
    assert [run.size for run in (most, *less)] == [16384, 512, 384]
    assert all(run.equal for run in (most, *less))
    for run in less:
        assert run.cycles <= 1.02 * most.cycles, run.size
        assert run.dram >= most.dram, run.size
    cycles = mortise_scratchpad.by_node(most.rows)
    assert sum(cycles.values()) <= most.cycles and len(cycles) > 50
