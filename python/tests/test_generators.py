"""Tensors that are made rather than given: windows of signal processing, of constant sizes and of sizes of the run."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import tenon

COEFFICIENTS = {
    "HannWindow": (0.5, 0.5, 0),
    "HammingWindow": (25 / 46, 21 / 46, 0),
    "BlackmanWindow": (0.42, 0.5, 0.08),
}


@pytest.mark.parametrize("op", COEFFICIENTS)
@pytest.mark.parametrize("periodic", [0, 1])
@pytest.mark.parametrize("known", [True, False])
def test_windows(compiler, op, periodic, known):
    size = helper.make_tensor("n", TensorProto.INT64, [], [16])
    graph = helper.make_graph(
        [helper.make_node(op, ["n"], ["y"], periodic=periodic)],
        "g",
        [] if known else [helper.make_tensor_value_info("n", TensorProto.INT64, [])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [16])],
        [size] if known else [],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    y = tenon.compile(model).session(threads=1).run({} if known else {"n": np.array(16)})["y"]
    angle = 2 * np.pi * np.arange(16) / (16 if periodic else 15)
    a0, a1, a2 = COEFFICIENTS[op]
    np.testing.assert_allclose(y, a0 - a1 * np.cos(angle) + a2 * np.cos(2 * angle), atol=1e-6)


def test_swiglu(compiler):
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("SwiGLU", ["a", "b"], ["y"], "gate", alpha=1.5)],
        "g",
        [value("a", TensorProto.FLOAT, ["n", 3]), value("b", TensorProto.FLOAT, ["n", 3])],
        [value("y", TensorProto.FLOAT, ["n", 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 28)], ir_version=8)
    a, b = np.random.default_rng(3).standard_normal((2, 5, 3)).astype(np.float32)
    y = tenon.compile(model).session(threads=1).run({"a": a, "b": b})["y"]
    np.testing.assert_allclose(y, a / (1 + np.exp(-1.5 * a)) * b, rtol=1e-5, atol=1e-6)
    model.graph.input[1].type.tensor_type.shape.dim[1].dim_value = 1
    with pytest.raises(tenon.CompileError, match="TN0105: node 'gate'"):
        tenon.compile(onnx.ModelProto.FromString(model.SerializeToString()))
