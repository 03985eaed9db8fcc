"""Maxima and minima of integers without a sign: the largest have their highest bit set."""

import numpy as np
import pytest
from onnx import helper

import tenon

TYPES = (np.uint8, np.uint16, np.uint32, np.uint64, np.int8, np.int32)
every_type = pytest.mark.parametrize("dtype", TYPES, ids=lambda t: np.dtype(t).name)


def every_bit_pattern(dtype, shape: tuple[int, ...]) -> np.ndarray:
    bytes_of_all = np.random.default_rng(5).integers(0, 256, int(np.prod(shape)) * np.dtype(dtype).itemsize, np.uint8)
    return bytes_of_all.view(dtype).reshape(shape)


def run(operation: str, inputs: list[np.ndarray], version: int = 17, **attributes) -> np.ndarray:
    element = helper.np_dtype_to_tensor_dtype(inputs[0].dtype)
    names = [f"x{i}" for i in range(len(inputs))]
    graph = helper.make_graph(
        [helper.make_node(operation, names, ["y"], **attributes)],
        "order",
        [helper.make_tensor_value_info(n, element, x.shape) for n, x in zip(names, inputs, strict=True)],
        [helper.make_tensor_value_info("y", element, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=8)
    return tenon.compile(model).session().run(dict(zip(names, inputs, strict=True)))["y"]


@every_type
def test_elementwise(dtype):
    a, b = every_bit_pattern(dtype, (3, 37)), every_bit_pattern(dtype, (3, 37))[:, ::-1].copy()
    np.testing.assert_array_equal(run("Max", [a, b]), np.maximum(a, b))
    np.testing.assert_array_equal(run("Min", [a, b]), np.minimum(a, b))


@every_type
@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)], ids=str)
def test_reductions(dtype, axes):
    x = every_bit_pattern(dtype, (7, 50))
    np.testing.assert_array_equal(run("ReduceMax", [x], axes=list(axes)), x.max(axis=axes, keepdims=True))
    np.testing.assert_array_equal(run("ReduceMin", [x], axes=list(axes)), x.min(axis=axes, keepdims=True))


@pytest.mark.parametrize("dtype", (np.uint8, np.int8), ids=lambda t: np.dtype(t).name)
@pytest.mark.parametrize("channels", (3, 16, 70))
def test_pooling(dtype, channels):
    x = every_bit_pattern(dtype, (1, channels, 9, 11))
    y = run("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    padded = np.full((1, channels, 11, 13), np.iinfo(dtype).min, dtype)
    padded[:, :, 1:-1, 1:-1] = x
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))[:, :, ::2, ::2]
    np.testing.assert_array_equal(y, windows.max(axis=(4, 5)))
