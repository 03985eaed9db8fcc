"""Products of bytes on every level, emulated where the CPU lacks it, against NumPy: exact, with extreme values."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import tenon

LEVELS = ["x86-64-v3", "x86-64-v4", "zen4"]


def extreme(rng: np.random.Generator, dtype: type, shape: tuple) -> np.ndarray:
    """Half of the elements are the ends of the type: neighbours of them are what saturates."""
    least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    values = rng.integers(least, most + 1, shape)
    ends = rng.choice([least, most], shape)
    return np.where(rng.random(shape) < 0.5, ends, values).astype(dtype)


def integer_model(op: str, x_shape: list, w: np.ndarray, zero_points: tuple, **attributes) -> onnx.ModelProto:
    constants = {"w": w, "a": np.array(zero_points[0], np.uint8), "b": np.array(zero_points[1], np.int8)}
    node = helper.make_node(op, ["x", "w", "a", "b"], ["y"], **attributes)
    x = helper.make_tensor_value_info("x", TensorProto.UINT8, x_shape)
    y = helper.make_tensor_value_info("y", TensorProto.INT32, None)
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph([node], "graph", [x], [y], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def convolve(x: np.ndarray, w: np.ndarray, pad: int, stride: int, groups: int) -> np.ndarray:
    """int32 images and filters whose zero points are subtracted already."""
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    parts = zip(np.split(windows, groups, 1), np.split(w, groups), strict=True)
    return np.concatenate([np.einsum("nchwij,ocij->nohw", a, b) for a, b in parts], 1).astype(np.int32)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("zero_points", [(0, 0), (255, -128), (7, 127)])
def test_matrices(compiler, level, zero_points):
    rng = np.random.default_rng(3)
    for depth, columns in ((1, 16), (30, 33), (64, 48)):
        w = extreme(rng, np.int8, (depth, columns))
        model = integer_model("MatMulInteger", ["m", depth], w, zero_points)
        session = tenon.compile(model, target=level, emulate_isa=True).session(threads=1)
        for rows in (1, 2, 13, 49):
            x = extreme(rng, np.uint8, (rows, depth))
            expected = (x.astype(np.int32) - zero_points[0]) @ (w.astype(np.int32) - zero_points[1])
            np.testing.assert_array_equal(session.run({"x": x})["y"], expected)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "channels, outputs, groups, stride", [(3, 20, 1, 2), (18, 33, 1, 1), (12, 40, 2, 1), (24, 24, 24, 1)]
)
def test_convolutions(compiler, level, channels, outputs, groups, stride):
    rng = np.random.default_rng(4)
    w = extreme(rng, np.int8, (outputs, channels // groups, 3, 3))
    x = extreme(rng, np.uint8, (2, channels, 9, 11))
    for zero_points in ((0, 0), (200, -3)):
        wide = [v.astype(np.int32) - z for v, z in zip((x, w), zero_points, strict=True)]
        expected = convolve(*wide, pad=1, stride=stride, groups=groups)
        model = integer_model(
            "ConvInteger", [2, channels, 9, 11], w, zero_points, pads=[1] * 4, strides=[stride] * 2, group=groups
        )
        package = tenon.compile(model, target=level, emulate_isa=True)
        for threads in (1, 2, 7):
            np.testing.assert_array_equal(package.session(threads=threads).run({"x": x})["y"], expected)


@pytest.mark.parametrize("level", LEVELS)
def test_bytes_of_a_panel_with_one_column(compiler, level):
    """A quantized result of 16 n + 1 channels: the store of the last one leaves those of the next pixel alone."""
    rng = np.random.default_rng(9)
    x, w = extreme(rng, np.uint8, (2, 9, 17)), rng.integers(-20, 21, (17, 33)).astype(np.int8)
    constants = {"w": w, "s": np.float32(0.02), "t": np.float32(0.01), "u": np.float32(0.05), "z": np.uint8(0)}
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "s", "z"], ["a"]),
        helper.make_node("DequantizeLinear", ["w", "t"], ["b"]),
        helper.make_node("MatMul", ["a", "b"], ["c"]),
        helper.make_node("QuantizeLinear", ["c", "u", "z"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    sums = (x.astype(np.int32) @ w.astype(np.int32)).astype(np.float32)
    expected = np.clip(np.rint(sums * (np.float32(0.02) * np.float32(0.01)) / np.float32(0.05)), 0, 255)
    session = tenon.compile(model, target=level, emulate_isa=True).session(threads=1)
    np.testing.assert_array_equal(session.run({"x": x})["y"], expected.astype(np.uint8))
