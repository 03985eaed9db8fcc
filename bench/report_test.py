"""Tests of the benchmark's figures."""

import math
import xml.etree.ElementTree as ElementTree

import report


def row(model: str, peer: str, p50: float | None, threads: int = 1, **more) -> dict:
    fields = dict.fromkeys(("min_ms", "load_ms", "compile_ms", "peak_mb", "size_mb", "max_rel_error"))
    return {"model": model, "peer": peer, "threads": threads, "p50_ms": p50, **fields, **more}


ROWS = [
    row("a", "tenon", 2.0),
    row("a", "onnxruntime", 1.0),
    row("a", "openvino", 4.0),
    row("b", "tenon", 1.0),
    row("b", "onnxruntime", 4.0),
    row("b", "openvino", None, error="no <If>"),
]


def test_ratios_are_against_each_peer_and_the_best():
    table = report.ratios(ROWS, 1)
    assert table["a"] == {"onnxruntime": 2.0, "openvino": 0.5, "best": 2.0}
    assert table["b"] == {"onnxruntime": 0.25, "best": 0.25}
    assert report.ratios(ROWS, 2) == {}


def test_geometric_mean():
    assert math.isclose(report.geometric_mean([2.0, 0.25]), math.sqrt(0.5))
    assert math.isnan(report.geometric_mean([]))


def test_text_shows_means_and_failures():
    text = report.text(ROWS)
    assert "geometric mean, 1 threads: best 0.71, onnxruntime 0.71, openvino 0.50, worst a 2.00" in text
    assert "failed: b, openvino, 1 threads: no <If>" in text


def test_html_escapes_and_draws_a_bar_per_row():
    page = report.html(ROWS)
    assert "no &lt;If&gt;" in page and "<If>" not in page
    svg = ElementTree.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])
    bars = [float(bar.get("width")) for bar in svg.iter("rect")]
    assert len(bars) == len(ROWS)
    assert math.isclose(max(bars), report.PLOT)
