"""`--precision bf16`: close to f32, and equal bits on CPUs with and without instructions for bf16."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import tenon

# Operands keep 8 bits: each product is off by up to 2^-8 of itself, and errors of a sum do not all point one way.
TOLERANCE = 1e-2


@pytest.fixture(scope="module")
def model(compiler) -> onnx.ModelProto:
    """A convolution of 3 channels, one of 20 with a residual, a depthwise one, and a matrix."""
    rng = np.random.default_rng(5)
    weights = {
        name: (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
        for name, shape in {"a": (20, 3, 3, 3), "b": (20, 20, 3, 3), "c": (20, 1, 3, 3), "d": (80, 33)}.items()
    }
    same = {"pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["p"], strides=[2, 2], **same),
        helper.make_node("Relu", ["p"], ["q"]),
        helper.make_node("Conv", ["q", "b"], ["r"], **same),
        helper.make_node("Add", ["r", "q"], ["s"]),
        helper.make_node("Conv", ["s", "c"], ["t"], group=20, **same),
        helper.make_node("AveragePool", ["t"], ["u"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Flatten", ["u"], ["v"]),
        helper.make_node("MatMul", ["v", "d"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 16, 16])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 33])
    constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "graph", [x], [y], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def run(model: onnx.ModelProto, threads: int = 1, **options) -> np.ndarray:
    x = np.random.default_rng(6).standard_normal((3, 3, 16, 16)).astype(np.float32)
    return tenon.compile(model, **options).session(threads=threads).run({"x": x})["y"]


def test_bf16_is_close_to_f32(model):
    exact = run(model)
    rounded = run(model, precision="bf16")
    error = np.abs(rounded - exact).max() / np.abs(exact).max()
    assert 0 < error < TOLERANCE


@pytest.mark.parametrize("target", ["x86-64-v3", "x86-64-v4", "zen4"])
def test_every_level_rounds_at_the_same_points(model, target):
    expected = run(model, precision="bf16")
    emulated = run(model, target=target, emulate_isa=True, precision="bf16")
    assert np.abs(emulated - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("threads", [2, 7])
def test_workers_do_not_change_bits(model, threads):
    np.testing.assert_array_equal(run(model, threads, precision="bf16"), run(model, precision="bf16"))


def test_other_values_are_refused(model):
    with pytest.raises(tenon.CompileError) as error:
        run(model, precision="f16")
    assert error.value.code == "TN0002"
