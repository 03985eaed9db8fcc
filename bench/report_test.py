"""Tests of the benchmark's figures."""

import math
import xml.etree.ElementTree as ElementTree

import history
import page
import report

COSTS = ("load_ms", "compile_ms", "compile_warm_ms", "peak_mb", "size_mb")


def row(model: str, peer: str, p50: float | None, threads: int = 1, **more) -> dict:
    fields = {**dict.fromkeys(("min_ms", "max_rel_error")), **dict.fromkeys(COSTS, 3.0)}
    return {"model": model, "precision": "f32", "peer": peer, "threads": threads, "p50_ms": p50, **fields, **more}


ROWS = [
    row("a", "tenon", 2.0),
    row("a", "onnxruntime", 1.0),
    row("a", "openvino", 4.0),
    row("b", "tenon", 1.0),
    row("b", "onnxruntime", 4.0),
    row("b", "openvino", None, error="no <If>"),
]


def entry(commit: str, p50: float, ratio: float | None, **more) -> dict:
    fixed = {"date": "2026-01-01T00:00:00+00:00", "cpu": report.processor(), "model": "a", "precision": "f32"}
    return {**fixed, "threads": 1, "commit": commit, "p50_ms": p50, "ratio": ratio, **more}


def test_ratios_are_against_each_peer_and_the_best():
    table = report.ratios(ROWS, 1)
    assert table["a"] == {"onnxruntime": 2.0, "openvino": 0.5, "best": 2.0}
    assert table["b"] == {"onnxruntime": 0.25, "best": 0.25}
    assert report.ratios(ROWS, 2) == {}


def test_models_that_met_distant_cpus_are_named():
    near = [row("a", "tenon", 1.0, 2, round_trip_ns=50.0), row("b", "tenon", 1.0, 2, round_trip_ns=None)]
    assert report.distances(near) == ["two CPUs answer each other in 50 ns"]
    assert report.distances(ROWS) == []
    far = [*near, row("c", "tenon", 1.0, 2, round_trip_ns=398.4)]
    assert report.distances(far)[0].endswith("take longer: c 398")
    assert "c 398" in report.text(far)


def test_geometric_mean():
    assert math.isclose(report.geometric_mean([2.0, 0.25]), math.sqrt(0.5))
    assert math.isnan(report.geometric_mean([]))


def test_text_shows_means_and_failures():
    text = report.text(ROWS)
    assert "geometric mean, 1 threads: best 0.71, onnxruntime 0.71, openvino 0.50, worst a 2.00" in text
    assert "failed: b, openvino, 1 threads: no <If>" in text


def charts(text: str) -> list[ElementTree.Element]:
    starts = [i for i in range(len(text)) if text.startswith("<svg", i)]
    return [ElementTree.fromstring(text[i : text.index("</svg>", i) + 6]) for i in starts]


def test_page_escapes_and_draws_every_model():
    text = page.html(ROWS, [entry("c1", 2.0, 1.1), entry("c2", 2.0, 2.0)])
    assert "no &lt;If&gt;" in text and "<If>" not in text and "<script" not in text
    speed, *_, spark = charts(text)
    assert [bar.find("title").text for bar in speed.iter("rect")] == [
        "a: 0.500 times as fast as the fastest peer",
        "b: 4.000 times as fast as the fastest peer",
    ]
    assert len(list(speed.iter("circle"))) == 3
    assert [dot.find("title").text for dot in spark.iter("circle")] == ["2026-01-01 c1: 1.100", "2026-01-01 c2: 2.000"]


def test_bar_of_a_slower_model_ends_at_one():
    text = page.html(ROWS, [])
    slower, faster = charts(text)[0].iter("rect")
    end = float(slower.get("x")) + float(slower.get("width"))
    assert math.isclose(end, float(faster.get("x")), abs_tol=0.2)


def test_generations_of_one_name_are_told_apart(tmp_path):
    info = tmp_path / "cpuinfo"
    core = "processor\t: {0}\ncpu family\t: 26\nmodel\t\t: 2\nmodel name\t: Some CPU\n\n"
    info.write_text(core.format(0) + core.format(1))
    assert report.processor(info) == "Some CPU (family 26, model 2)"
    info.write_text("model name\t: Other CPU\n")
    assert report.processor(info) == "Other CPU"
    assert report.processor(tmp_path / "none")


def test_history_keeps_what_was_measured(tmp_path):
    path = tmp_path / "sub/history.jsonl"
    history.append(path, ROWS)
    history.append(path, ROWS)
    lines = history.read(path)
    assert [(e["model"], e["best_peer"], e["ratio"]) for e in lines] == [
        ("a", "onnxruntime", 2.0),
        ("b", "onnxruntime", 0.25),
    ] * 2
    assert {"date", "commit", "cpu", "threads", "p50_ms", "compile_warm_ms"} <= set(lines[0])
    assert history.read(tmp_path / "none") == []


def test_regressions_are_losses_of_time_and_ratio():
    slower = [entry("c1", 1.0, 0.8), entry("c2", 1.02, 0.8), entry("c3", 1.5, 1.2)]
    (found,) = history.regressions(slower, 10)
    assert "a, f32, 1 threads" in found and "c3" in found and "before: c2" in found
    assert history.regressions(slower, 60) == []
    machine = [entry("c1", 1.0, 0.8), entry("c2", 2.0, 0.8)]  # the peers were slower too
    assert history.regressions(machine, 10) == []
    assert history.regressions([entry("c1", 1.0, None), entry("c2", 2.0, None)], 10)
    other = [entry("c1", 1.0, 0.8), entry("c2", 9.0, 9.0, cpu="another")]
    assert history.regressions(other, 10) == []
