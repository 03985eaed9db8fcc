"""Tests of the kernel suite: that figures come out and add up, not how fast anything is."""

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from kernels import kernels
from onnx import TensorProto, helper, numpy_helper

PEAKS = {
    "f32_gflops": 100.0,
    "int8_gops": 400.0,
    "bandwidth": [
        {"bytes": 1000, "read_gbs": 100.0, "copy_gbs": 100.0},
        {"bytes": 4000, "read_gbs": 10.0, "copy_gbs": 20.0},
    ],
}


def row(family: str, ns: float, flop: int, size: int, **more) -> dict:
    fixed = {"model": "m", "kernel": "k", "nodes": ["n"], "schedule": "", "arithmetic": "f32"}
    return {**fixed, "family": family, "ns": ns, "flop": flop, "bytes": size, **more}


def test_bandwidth_lies_between_the_measured_sizes():
    assert kernels.bandwidth(PEAKS, 10, "read") == 100.0
    assert math.isclose(kernels.bandwidth(PEAKS, 2000, "read"), 55.0)
    assert kernels.bandwidth(PEAKS, 1e9, "copy") == 20.0


def test_a_kernel_is_bound_by_what_takes_longer():
    product = kernels.judge(row("contraction", 125.0, 10000, 1000), PEAKS)
    assert product["bound"] == "compute" and math.isclose(product["share"], 0.8)
    skinny = kernels.judge(row("contraction", 1000.0, 10000, 4000), PEAKS)
    assert skinny["bound"] == "memory" and math.isclose(skinny["share"], 0.4)
    assert math.isclose(kernels.judge(row("conv", 50.0, 10000, 100, arithmetic="int8"), PEAKS)["share"], 0.5)
    assert kernels.judge(row("map", 400.0, 1000, 4000), PEAKS)["bound"] == "memory"
    assert kernels.judge(row("reduce", 400.0, 30000, 4000), PEAKS)["bound"] == "compute"


def test_peaks_are_the_best_of_all_runs():
    slow = {"f32_gflops": 90.0, "int8_gops": 500.0, "bandwidth": [{"bytes": 1000, "read_gbs": 120.0, "copy_gbs": 1.0}]}
    fast = {**PEAKS, "bandwidth": PEAKS["bandwidth"][:1]}
    best = kernels.best_of([slow, fast])
    assert (best["f32_gflops"], best["int8_gops"]) == (100.0, 500.0)
    assert best["bandwidth"] == [{"bytes": 1000, "read_gbs": 120.0, "copy_gbs": 100.0}]


def test_families_are_weighted_by_time():
    rows = [row("contraction", 100.0, 10000, 10), row("contraction", 300.0, 10000, 10), row("map", 100.0, 0, 1000)]
    first, second = kernels.summarize([kernels.judge(r, PEAKS) for r in rows])
    assert (first["family"], second["family"]) == ("contraction", "map")
    assert math.isclose(first["compute_share"], 0.5) and first["memory_share"] is None
    assert math.isclose(first["time"], 0.8)


@pytest.mark.skipif(not shutil.which("tenon"), reason="the command is not on PATH")
def test_figures_come_out(tmp_path):
    weight = numpy_helper.from_array(np.ones((64, 64), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["p"]), helper.make_node("Softmax", ["p"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [32, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [32, 64])],
        [weight],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "m.onnx")
    entry = {
        "file": "m.onnx",
        "inputs": [{"name": "x", "shape": [32, 64], "dims": [32, 64], "dtype": "float32", "fill": "randn"}],
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"models": {"m": entry}}))
    script = Path(kernels.__file__)
    command = [sys.executable, script, "--models", tmp_path, "--json", tmp_path / "k.json"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "k.json").read_text())
    assert {"contraction", "reduce"} <= {family["family"] for family in result["families"]}
    for kernel in result["kernels"]:
        assert kernel["ns"] > 0 and kernel["share"] > 0 and kernel["bytes"] > 0
    assert result["peaks"]["f32_gflops"] > 0 and len(result["peaks"]["bandwidth"]) > 10
    assert "of peak" in done.stdout and "most time above the bound" in done.stdout
