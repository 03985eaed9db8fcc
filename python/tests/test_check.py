"""`tenon check`: which nodes can be compiled, why not, and what they cost."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import tenon


def model(nodes, inputs: dict, constants: dict | None = None, dtype=TensorProto.FLOAT) -> onnx.ModelProto:
    """A model whose output is y."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, dtype, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture
def check(compiler, command, tmp_path):
    """check(model, flags...) -> (the report, the exit status)."""

    def run(source: onnx.ModelProto, *flags) -> tuple[dict, int]:
        onnx.save(source, tmp_path / "model.onnx")
        done = command("check", tmp_path / "model.onnx", "--json", *flags)
        return json.loads(done.stdout), done.returncode

    return run


def costs(report: dict) -> dict:
    return {row["node"]: (row["flop"], row["bytes"]) for row in report["rows"]}


@pytest.fixture
def network() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], "conv", pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["r"], "relu"),
        helper.make_node("MaxPool", ["r"], ["p"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "v"], ["y"], "gemm"),
    ]
    weights = {"w": np.ones((16, 3, 3, 3), np.float32), "v": np.ones((64, 10), np.float32)}
    return model(nodes, {"x": ["batch", 3, 8, 8]}, weights)


def test_costs_of_fixed_sizes(check, network):
    report, status = check(network, "--shape", "x=2x3x8x8")
    assert status == 0 and report["supported"]
    assert costs(report) == {
        # [2, 16, 4, 4] results of 27 products each; image, filter and result are moved
        "conv": (2 * 27 * 512, 4 * (2 * 3 * 64 + 16 * 27 + 512)),
        "relu": (512, 4 * 2 * 512),
        "pool": (4 * 128, 4 * (512 + 128)),
        "flatten": (0, 0),
        "gemm": (2 * 64 * 20, 4 * (128 + 640 + 20)),
    }
    assert report["flop"] == sum(flop for flop, _ in costs(report).values())
    assert report["bytes"] == sum(moved for _, moved in costs(report).values())
    assert report["inputs"] == [{"dtype": "f32", "name": "x", "shape": [2, 3, 8, 8]}]


def test_costs_of_symbolic_sizes(check, network, command, tmp_path):
    report, status = check(network)
    assert status == 0
    assert costs(report)["relu"] == ("256*batch", "2048*batch")
    assert costs(report)["gemm"] == ("1280*batch", "296*batch + 2560")
    assert report["inputs"][0]["shape"] == ["batch", 3, 8, 8]
    text = command("check", tmp_path / "model.onnx").stdout
    assert "256*batch" in text and "all nodes: " in text


def test_a_loop_counts_each_iteration(check):
    def lstm(length: int) -> onnx.ModelProto:
        weights = {"w": np.ones((1, 16, 8), np.float32), "r": np.ones((1, 16, 4), np.float32)}
        node = helper.make_node("LSTM", ["x", "w", "r"], ["", "y"], "lstm", hidden_size=4)
        return model([node], {"x": [length, 1, 8]}, weights)

    (one, _), (five, _) = (costs(check(lstm(n))[0])["lstm"] for n in (1, 5))
    assert five - one >= 4 * 2 * 16 * (8 + 4)  # gates: 16 products of 8 inputs and of 4 hidden values a step
    assert five < 6 * one


def test_every_unsupported_node_is_listed(check, command, tmp_path):
    nodes = [
        helper.make_node("NoSuchOp", ["x"], ["a"], "first"),
        helper.make_node("Relu", ["a"], ["b"], "after"),
        helper.make_node("LpPool", ["x"], ["c"], "form", kernel_shape=[2, 2], ceil_mode=1),
        helper.make_node("Relu", ["x"], ["d"], "good"),
        helper.make_node("Concat", ["b", "c", "d"], ["y"], "join", axis=0),
    ]
    report, status = check(model(nodes, {"x": [1, 1, 4, 4]}))
    assert status == 1 and not report["supported"]
    reasons = {row["node"]: row["reason"][:6] for row in report["rows"] if not row["supported"]}
    assert reasons == {"first": "TN0101", "form": "TN0102"}
    assert all(row["flop"] is None and row["bytes"] is None for row in report["rows"])
    done = command("compile", tmp_path / "model.onnx", "-o", tmp_path / "model.tenon")
    assert done.returncode == 1
    assert [line[:13] for line in done.stderr.splitlines()] == ["error: TN0101", "error: TN0102"]


def test_the_interpreter_takes_sizes_without_a_bound(check):
    nodes = [helper.make_node("Range", ["zero", "x", "one"], ["y"], "count")]
    source = model(nodes, {"x": []}, {"zero": np.int64(0), "one": np.int64(1)}, TensorProto.INT64)
    source.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    assert check(source)[1] == 1
    report, status = check(source, "--target", "reference")
    assert status == 0 and report["supported"]
    assert tenon.compile(source, target="reference").session().run({"x": np.array(3)})["y"].tolist() == [0, 1, 2]


def test_sizes_without_a_bound(check):
    nodes = [
        helper.make_node("Range", ["zero", "x", "one"], ["n"], "count"),
        helper.make_node("Cast", ["n"], ["y"], to=1),
    ]
    report, status = check(model(nodes, {"x": []}, {"zero": np.int64(0), "one": np.int64(1)}, TensorProto.INT64))
    assert status == 1
    (row,) = (row for row in report["rows"] if not row["supported"])
    assert row["reason"].startswith("TN0602: the size of this tensor depends on data and has no upper bound: ")


def test_an_unknown_target(compiler, command, tmp_path, network):
    onnx.save(network, tmp_path / "model.onnx")
    done = command("check", tmp_path / "model.onnx", "--target", "z80")
    assert done.returncode == 2 and done.stderr.startswith("error: TN0301: "), done.stderr


def test_a_machine_says_what_it_takes(check, command, tmp_path):
    """A node with a kernel is on the machine, or on the CPU with a reason; without a machine nothing is said."""
    source = model([helper.make_node("Tanh", ["x"], ["t"]), helper.make_node("NonZero", ["t"], ["y"])], {"x": [4]})
    source.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    report, status = check(source, "--target", "mortise:edge-512k")
    assert status == 0
    for row in report["rows"]:
        assert row["device"] in ("mortise", "cpu")
        assert bool(row["stays"]) == (row["device"] == "cpu")
    assert report["rows"][1]["device"] == "cpu"
    assert "device" not in check(source)[0]["rows"][0]
    unknown = command("check", tmp_path / "model.onnx", "--target", "mortise:edge")
    assert unknown.returncode == 2 and "TN1101" in unknown.stderr


def test_what_stays_on_the_cpu_runs_there(compiler, tmp_path):
    source = model([helper.make_node("NonZero", ["x"], ["y"])], {"x": [4]})
    source.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    explained = tmp_path / "why.yaml"
    package = tenon.compile(source, target="mortise:edge-512k", explain=str(explained))
    assert package.info["target"].startswith("mortise:edge-512k,")
    result = package.session().run({"x": np.array([0, 1, 0, 2], np.float32)})["y"]
    np.testing.assert_array_equal(result, [[1, 3]])
    assert "OnCpu" in explained.read_text()
