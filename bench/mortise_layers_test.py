"""Tests of what overlaps: times, layers of a network, and the picture in the documents."""

import re

import mortise_layers
import mortise_run
import onnx
import peer_onnx
import pytest
from mortise_layers import Layer, Work

PICTURE = mortise_run.ROOT / "docs/traces/block.svg"


def test_times_are_joined_and_shared():
    found = [Work("in0", 10, 20, ""), Work("in1", 0, 5, ""), Work("out0", 15, 30, "")]
    assert mortise_layers.spans(found) == [(0, 5), (10, 30)]
    assert mortise_layers.overlap([(0, 10), (20, 30)], [(5, 22), (24, 26), (28, 40)]) == pytest.approx(11 / 20)
    assert mortise_layers.overlap([], [(0, 1)]) == 0


def test_table_says_what_bounds_a_layer():
    found = [Layer("a", 1000, 900_000, 3200, 0.95, 3200), Layer("b", 500, 1000, 16_000, 0.2, 999_999)]
    text = mortise_layers.table(found, 1024, 32, 4096)
    assert "| a | 1000 | 88% | array | 95.0% | 3 | 1.00 |" in text
    assert "| b | 500 | 0% | memory | 20.0% | 16 |  |" in text


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The default block: its model, the commands and what the engines did."""
    if mortise_run.program() is None:
        pytest.skip("the command `tenon` is not built")
    model = tmp_path_factory.mktemp("block") / "block.onnx"
    peer_onnx.make_onnx(mortise_layers.block(), 28, model)
    rows, events = mortise_run.profile(model, "edge-512k", trace=True)
    return onnx.load(model), rows, mortise_layers.works(events)


def test_transfers_and_array_overlap_in_every_layer(run):
    model, rows, found = run
    least = mortise_layers.compulsory(model, rows)
    assert least == {
        "reduce": 28 * 28 * (512 + 128) + 512 * 128,
        "window": 28 * 28 * 256 + 9 * 128 * 128,
        "expand": 28 * 28 * (128 + 2 * 512) + 128 * 512,
    }
    layers = mortise_layers.layers(rows, found, least)
    assert [layer.name for layer in layers] == ["reduce", "window", "expand"]
    for layer in layers:
        assert layer.overlap >= 0.9, layer
        assert layer.dram <= 1.15 * layer.least, layer
        assert layer.macs / 1024 >= 0.85 * layer.cycles, layer


def test_picture_is_what_the_compiler_makes(run):
    """The documents' picture is not drawn anew for every cycle, but says the same."""
    new, old = mortise_layers.draw(run[2], "block on edge-512k"), PICTURE.read_text()
    command = "python bench/mortise_layers.py --picture docs/traces/block.svg"
    figures = [[float(x) for x in re.findall(r"([\d.]+)%", text)] for text in (new, old)]
    assert len(figures[0]) == len(figures[1]) == 6, command
    assert figures[1] == pytest.approx(figures[0], abs=3), command
    for name in mortise_layers.LANES.values():
        assert f">{name}</text>" in new
    text = (mortise_run.ROOT / "docs/mortise.md").read_text()
    assert "(traces/block.svg)" in text
    assert command in text
