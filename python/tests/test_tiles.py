"""Convolutions and products of many shapes: every form of register tile against the reference."""

import random

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import tenon

TOLERANCE = 1e-4


def model(nodes: list, shape: list, weights: dict) -> bytes:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(w), name) for name, w in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def random_convolution(seed: int) -> tuple[bytes, tuple, dict]:
    """A model, a shape for its input, and ranges of its symbols."""
    pick = random.Random(seed)
    window, dilation, stride, groups = (pick.choice(c) for c in ([1, 3, 3, 5], [1, 1, 2], [1, 1, 2], [1, 1, 1, 2]))
    multiple = pick.choice([1, 4, 8])
    batch, height = pick.choice([1, 2, 3]), pick.choice([1, 5, 7, 14, 20])
    width = multiple * pick.choice([1, 2, 3, 5, 7])
    pads = [pick.randint(0, 2) for _ in range(4)]
    reach = (window - 1) * dilation + 1
    height, width = max(height, reach), width if width >= reach else width + multiple * reach
    channels, outputs = groups * pick.choice([3, 8, 40]), groups * pick.choice([8, 24, 32, 64, 96])
    rng = np.random.default_rng(seed)
    weights = {
        "w": rng.standard_normal((outputs, channels // groups, window, window), np.float32),
        "b": rng.standard_normal(outputs, np.float32),
        "one": np.array([1]),
    }
    attributes = {"kernel_shape": [window] * 2, "strides": [stride] * 2, "dilations": [dilation] * 2, "pads": pads}
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["c"], group=groups, **attributes)]
    nodes += pick.choice(
        [
            [helper.make_node("Relu", ["c"], ["y"])],
            [helper.make_node("Sigmoid", ["c"], ["s"]), helper.make_node("Add", ["c", "s"], ["y"])],
            [
                helper.make_node("GlobalAveragePool", ["x"], ["p"]),
                helper.make_node("ReduceSum", ["p", "one"], ["q"], keepdims=1),
                helper.make_node("Mul", ["c", "q"], ["y"]),
            ],
        ]
    )
    if pick.random() < 0.5:
        return model(nodes, [batch, channels, height, width], weights), (batch, channels, height, width), {}
    symbols = {"W": (width if width < reach + 2 else multiple * reach, multiple * 256, multiple)}
    symbols["W"] = (min(symbols["W"][0], width), *symbols["W"][1:])
    return model(nodes, ["N", channels, "H", "W"], weights), (batch, channels, height, width), symbols


def agrees(bytes_of_model: bytes, x: np.ndarray, target: str, **options) -> None:
    want = tenon.compile(bytes_of_model, target="reference", **options).session().run({"x": x})["y"]
    package = tenon.compile(bytes_of_model, target=target, emulate_isa=True, **options)
    got = package.session(threads=1).run({"x": x})["y"]
    assert np.abs(got - want).max() <= TOLERANCE * max(1, np.abs(want).max())


@pytest.mark.parametrize("target", ["x86-64-v3", "x86-64-v4"])
@pytest.mark.parametrize("seed", range(40))
def test_convolution(seed, target):
    data, shape, symbols = random_convolution(seed)
    x = np.random.default_rng(seed).standard_normal(shape, np.float32)
    agrees(data, x, target, symbols=symbols)


@pytest.mark.parametrize("target", ["x86-64-v3", "x86-64-v4"])
@pytest.mark.parametrize("shape", [(3, 40, 1, 1), (1, 40, 7, 7), (2, 40, 5, 1), (5, 40, 1, 9)])
def test_rows_along_any_axes(shape, target):
    """A product's rows are numbered as one axis, whichever of the axes that make them have a size of 1."""
    w = np.random.default_rng(0).standard_normal((32, 40, 1, 1), np.float32)
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Relu", ["c"], ["y"])]
    x = np.random.default_rng(1).standard_normal(shape, np.float32)
    for declared in (list(shape), ["N", *shape[1:]], ["N", 40, "H", "W"]):
        agrees(model(nodes, declared, {"w": w}), x, target)


@pytest.mark.parametrize("target", ["x86-64-v3", "x86-64-v4"])
@pytest.mark.parametrize("rows", [1, 3, 13, 49, 98, 129, 196])
@pytest.mark.parametrize(("depth", "columns"), [(1024, 64), (64, 1024), (520, 72)])
def test_product(rows, depth, columns, target):
    w = np.random.default_rng(0).standard_normal((depth, columns), np.float32) / 8
    nodes = [helper.make_node("MatMul", ["x", "w"], ["c"]), helper.make_node("Relu", ["c"], ["y"])]
    x = np.random.default_rng(1).standard_normal((rows, depth), np.float32)
    for declared in ([rows, depth], ["M", depth]):
        agrees(model(nodes, declared, {"w": w}), x, target)


def test_generator_makes_both_forms_of_tiles():
    models = [onnx.load_from_string(random_convolution(seed)[0]) for seed in range(40)]
    widths = [m.graph.input[0].type.tensor_type.shape.dim[3] for m in models]
    assert any(d.dim_param for d in widths) and any(d.dim_value for d in widths)
