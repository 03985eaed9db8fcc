"""What `tenon inspect --ops` predicts of commands, and what `tenon profile` sets beside it."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper


def save(path, nodes, inputs: dict, outputs: dict, weights: dict | None = None):
    """`inputs`, `outputs`: name -> (element type, shape)."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in (weights or {}).items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def only_dispatch(command, model) -> dict:
    done = command("inspect", model, "--ops", "--json", "--target", "zen4")
    assert done.returncode == 0, done.stderr
    (row,) = [row for row in json.loads(done.stdout)["ops"] if row["kind"] == "Dispatch"]
    return row


FLOAT = TensorProto.FLOAT
pytestmark = pytest.mark.usefixtures("compiler")


def elementwise(path, size: int):
    nodes = [helper.make_node("Add", ["x", "x2"], ["y"])]
    return save(path, nodes, {"x": (FLOAT, [size]), "x2": (FLOAT, [size])}, {"y": (FLOAT, [size])})


@pytest.mark.parametrize(
    ("size", "limit", "least", "most"),
    [(128, "overhead", 30, 100), (50000, "l2", 3000, 20000), (16 << 20, "dram", 5e6, 15e6)],
)
def test_elementwise_work_is_bound_by_the_memory_that_holds_it(command, tmp_path, size, limit, least, most):
    row = only_dispatch(command, elementwise(tmp_path / "m.onnx", size))
    assert row["bytes"] == 12 * size
    assert row["limit"] == limit
    assert least <= row["cost_ns"] <= most


def test_products_are_bound_by_computing_and_by_memory(command, tmp_path):
    for rows, limit in ((512, "compute"), (1, "dram")):
        weight = np.random.default_rng(1).standard_normal((4096, 1024)).astype(np.float32)
        nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
        shapes = {"x": (FLOAT, [rows, 4096])}, {"y": (FLOAT, [rows, 1024])}
        row = only_dispatch(command, save(tmp_path / "m.onnx", nodes, *shapes, {"w": weight}))
        assert row["limit"] == limit
        assert row["flop"] == 2 * rows * 4096 * 1024
        assert row["compute_ns"] <= row["cost_ns"] and row["traffic_ns"] <= row["cost_ns"]
        assert "contraction tile=" in row["schedule"]


def test_gather_reads_what_it_yields(command, tmp_path):
    table = np.zeros((30000, 64), np.float32)
    nodes = [helper.make_node("Gather", ["w", "i"], ["y"])]
    model = save(tmp_path / "m.onnx", nodes, {"i": (TensorProto.INT64, [8])}, {"y": (FLOAT, [8, 64])}, {"w": table})
    assert only_dispatch(command, model)["bytes"] == 8 * 8 + 2 * 8 * 64 * 4


def test_profile_sets_the_prediction_beside_the_time(command, tmp_path):
    model, report = elementwise(tmp_path / "m.onnx", 50000), tmp_path / "profile.json"
    done = command("profile", model, "--threads", "1", "--alone", "--json", report)
    assert done.returncode == 0, done.stderr
    assert "roofline" in done.stdout and "predicted us" in done.stdout
    (row,) = [row for row in json.loads(report.read_text())["rows"] if row["kind"] == "dispatch"]
    assert row["predicted_ns"] > 0 and row["alone_ns"] > 0 and row["limit"]
    assert np.isclose(row["gbs"], row["bytes"] / row["ns"]) and np.isclose(row["gflops"], row["flop"] / row["ns"])
    assert row["roofline"] > 0
