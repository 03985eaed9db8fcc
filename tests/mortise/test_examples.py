"""The example programs of Mortise against NumPy, and what every report must satisfy."""

import json
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "isa/mortise/examples"
RNG = np.random.default_rng(7)


def int8(*shape):
    return RNG.integers(-128, 128, shape).astype(np.int8)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def quantized(sums, scale):
    return np.clip(np.rint(sums.astype(np.float32) * scale), -128, 127).astype(np.int8)


def gemm():
    a, b = int8(256, 256), int8(256, 256)
    bias = RNG.integers(-5000, 5000, 256).astype(np.int32)
    scale = (RNG.random(256) * 1e-3).astype(np.float32)
    expected = quantized(a.astype(np.int32) @ b.astype(np.int32) + bias, scale)
    return {"a": a, "b": b, "bias": bias, "scale": scale}, {}, {"c": expected}


def depthwise():
    x, w = int8(16, 16, 64), int8(3, 3, 64)
    scale = (RNG.random(64) * 5e-3).astype(np.float32)
    padded = np.pad(x.astype(np.int32), ((1, 1), (1, 1), (0, 0)))
    sums = sum(padded[i : i + 16, j : j + 16] * w[i, j].astype(np.int32) for i in range(3) for j in range(3))
    return {"x": x, "w": w, "scale": scale}, {}, {"y": quantized(sums, scale)}


def softmax():
    x = normal(64, 256) * 3
    e = np.exp(x - x.max(1, keepdims=True))
    return {"x": x}, {}, {"y": e / e.sum(1, keepdims=True)}


def layer_norm(rows=64):
    x, gamma, beta = normal(64, 256), normal(256), normal(256)
    centred = x - x.mean(1, keepdims=True)
    y = centred / np.sqrt(x.var(1, keepdims=True) + 1e-5) * gamma + beta
    y[rows:] = 0
    return {"x": x, "gamma": gamma, "beta": beta}, {"rows": rows}, {"y": y}


def lookup():
    table, q = int8(1000, 256), int8(256)
    source = RNG.integers(0, 1000, 64).astype(np.int32)
    to = RNG.permutation(100)[:64].astype(np.int32)
    s = np.zeros(100, np.int32)
    s[to] = table[source].astype(np.int32) @ q.astype(np.int32)
    return {"table": table, "from": source, "to": to, "q": q}, {}, {"s": s}


CASES = {
    "gemm": (gemm, 0),
    "depthwise": (depthwise, 0),
    "softmax": (softmax, 1e-5),
    "layer-norm": (layer_norm, 1e-4),
    "lookup": (lookup, 0),
    "lookup-dp4": (lookup, 0),
}


@pytest.mark.parametrize("name", CASES)
def test_example(simulate, name):
    make, tolerance = CASES[name]
    inputs, parameters, expected = make()
    result = simulate(EXAMPLES / f"{name}.s", inputs, parameters)
    assert result.status == 0, result.stderr
    for output, value in expected.items():
        np.testing.assert_allclose(result.outputs[output], value, rtol=tolerance, atol=tolerance)
    check_report(result.report)


def check_report(report):
    cycles = report["cycles"]
    for engine in report["engines"].values():
        assert engine["busy"] + engine["idle"] + sum(engine["stall"].values()) == cycles
        assert min(engine["busy"], engine["idle"], *engine["stall"].values(), 0) == 0
    use = report["utilization"]
    assert 0 <= use["useful_mac"] <= use["array_active"] <= 1
    peaks, traffic = report["peaks"], report["traffic"]
    assert cycles >= report["macs"] / peaks["macs_per_cycle"]
    assert cycles >= (traffic["dram"]["read"] + traffic["dram"]["write"]) / peaks["dram_bytes_per_cycle"]
    total = sum(pj for actions in report["energy_pj"].values() for pj in actions.values())
    assert total == pytest.approx(report["energy_total_pj"])
    assert sum(report["power_pj"]) == pytest.approx(total - report["energy_pj"]["static"]["leakage"])
    assert 0 < max(report["occupancy_bytes"]) <= report["scratchpad_bytes"]


def test_energy_is_counts_times_table(simulate, tenon, tmp_path):
    inputs, parameters, _ = gemm()
    report = simulate(EXAMPLES / "gemm.s", inputs, parameters).report
    table = {}
    for line in tenon("sim", "--print-hw").stdout.split("energy:")[1].splitlines():
        name, _, value = line.strip().partition(": ")
        table[name] = value
    for action, count in report["actions"].items():
        component, _, rest = action.partition(".")
        assert report["energy_pj"][component][rest] == pytest.approx(count * float(table.get(action, 0)))


def test_rows_of_layer_norm_are_a_launch_parameter(simulate):
    inputs, parameters, expected = layer_norm(rows=5)
    result = simulate(EXAMPLES / "layer-norm.s", inputs, parameters)
    np.testing.assert_allclose(result.outputs["y"], expected["y"], rtol=1e-4, atol=1e-4)


def test_double_buffering_overlaps(simulate):
    inputs, parameters, _ = gemm()
    report = simulate(EXAMPLES / "gemm.s", inputs, parameters).report
    # 256^3 products on 32 x 32 cells are 16,384 cycles; the first tiles and the last drain come on top.
    assert report["engines"]["matrix"]["busy"] == 16384
    assert report["cycles"] < 16384 * 1.3


def test_four_way_dot_product_saves_cycles(simulate):
    inputs, _, _ = lookup()
    plain = simulate(EXAMPLES / "lookup.s", inputs).report["engines"]["vector"]["busy"]
    dp4 = simulate(EXAMPLES / "lookup-dp4.s", inputs).report["engines"]["vector"]["busy"]
    assert dp4 < plain / 2


def test_timing_does_not_depend_on_data(simulate):
    inputs, parameters, _ = gemm()
    full = simulate(EXAMPLES / "gemm.s", inputs, parameters).report
    timing = simulate(EXAMPLES / "gemm.s", flags=["--timing-only"]).report
    assert timing["engines"] == full["engines"]
    assert timing["energy_pj"] == full["energy_pj"]


def test_trace_and_page(simulate, tmp_path):
    inputs, parameters, _ = gemm()
    trace, page = tmp_path / "t.perfetto", tmp_path / "p.html"
    simulate(EXAMPLES / "gemm.s", inputs, parameters, ["--trace", trace, "--html", page])
    events = json.loads(trace.read_text())["traceEvents"]
    assert {"mm.mul", "dma", "drain"} <= {e["name"] for e in events}
    assert any(e["name"].startswith("wait: ") for e in events)
    text = page.read_text()
    assert text.startswith("<!doctype html>") and "Roofline" in text and "matrix" in text


def test_text_binary_text_is_exact(tenon, tmp_path):
    for source in EXAMPLES.glob("*.s"):
        first, second = tmp_path / "1.bin", tmp_path / "2.bin"
        tenon("asm", source, "-o", first)
        (tmp_path / "again.s").write_text(tenon("disasm", first).stdout)
        assert tenon("asm", tmp_path / "again.s", "-o", second).returncode == 0
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", CASES)
def test_pictures_in_the_documents_are_current(tenon, tmp_path, name):
    binary, picture = tmp_path / f"{name}.bin", tmp_path / "picture.svg"
    tenon("asm", EXAMPLES / f"{name}.s", "-o", binary)
    parameters = ["--param", "rows=64"] if name == "layer-norm" else []
    done = tenon("sim", binary, "--timing-only", *parameters, "--picture", picture)
    assert done.returncode == 0, done.stderr
    current = (EXAMPLES.parents[2] / "docs/traces" / f"{name}.svg").read_text()
    assert picture.read_text() == current, f"tenon sim {name}.bin --timing-only --picture docs/traces/{name}.svg"
