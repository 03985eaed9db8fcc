"""Bounds, steps, axes, pads and counts that only the run knows, for results whose shape the model declares: the
results, and an error where the run does not give the declared shape."""

import numpy as np
import pytest
from onnx import TensorProto, helper

import tenon

X = np.arange(24, dtype=np.float32).reshape(4, 6)


def session(op: str, inputs: dict[str, np.ndarray], shape, opset: int = 19, **attributes) -> tenon.Session:
    """y = op(inputs) with a declared shape."""
    arguments = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in inputs.items()
        if name
    ]
    first = next(iter(inputs.values()))
    y = helper.make_tensor_value_info("y", helper.np_dtype_to_tensor_dtype(first.dtype), shape)
    graph = helper.make_graph([helper.make_node(op, list(inputs), ["y"], "node", **attributes)], "g", arguments, [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    return tenon.compile(model).session(threads=1)


def i64(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


@pytest.mark.parametrize(
    ("starts", "ends", "axes", "steps", "expected"),
    [
        ((1, 1), (3, 5), (0, 1), (1, 2), X[1:3, 1:5:2]),
        ((4,), (0,), (-1,), (-1,), X[:, 4:0:-1]),
        ((-2,), (1000,), (0,), (1,), X[-2:]),
        ((-1,), (-1000,), (1,), (-2,), X[:, ::-2]),
        ((0, 5), (0, 1), (0, 1), (1, -3), X[0:0, 5:1:-3]),
    ],
)
def test_slices(compiler, starts, ends, axes, steps, expected):
    inputs = {"x": X, "starts": i64(*starts), "ends": i64(*ends), "axes": i64(*axes), "steps": i64(*steps)}
    made = session("Slice", inputs, expected.shape)
    np.testing.assert_array_equal(made.run(inputs)["y"], expected)
    inputs["starts"] = inputs["starts"] * 0 + (2 if steps[0] > 0 else 1)
    inputs["ends"] = inputs["ends"] * 0 + (3 if steps[0] > 0 else 0)
    if len(starts) == 1:
        with pytest.raises(tenon.RunError, match="node node: a size that the model computes is out of range"):
            made.run(inputs)


# ONNX leaves open whether the other modes see what negative pads crop.
PADS = [("constant", (-1, 2, 1, -3))]
PADS += [(mode, pads) for mode in ("constant", "edge", "reflect", "wrap") for pads in ((1, 2, 0, 3), (0, 0, 0, 0))]


@pytest.mark.parametrize(("mode", "pads"), PADS)
def test_pads(compiler, mode, pads):
    (a, b, c, d) = pads
    cropped = X[max(-a, 0) : 4 - max(-c, 0), max(-b, 0) : 6 - max(-d, 0)]
    widths = [(max(a, 0), max(c, 0)), (max(b, 0), max(d, 0))]
    numpy_mode = {"constant": {"mode": "constant", "constant_values": 7}}.get(mode, {"mode": mode})
    expected = np.pad(cropped, widths, **numpy_mode)
    inputs = {"x": X, "pads": i64(*pads)}
    if mode == "constant":
        inputs["value"] = np.array(7, np.float32)
    made = session("Pad", inputs, expected.shape, mode=mode)
    np.testing.assert_array_equal(made.run(inputs)["y"], expected)
    with pytest.raises(tenon.RunError, match="node node: a size that the model computes is out of range"):
        made.run({**inputs, "pads": i64(a, b + 1, c, d)})


def test_axes_of_pads(compiler):
    inputs = {"x": X, "pads": i64(2, 1), "value": np.array(0, np.float32), "axes": i64(-1)}
    made = session("Pad", inputs, (4, 9))
    np.testing.assert_array_equal(made.run(inputs)["y"], np.pad(X, [(0, 0), (2, 1)]))


@pytest.mark.parametrize(
    ("start", "limit", "delta", "dtype"),
    [(1, 5, 2, np.float32), (10, 4, -2, np.int32), (0, 1, 0.1, np.float32), (3, 3, 1, np.int64), (0, 9, 4, np.int64)],
)
def test_ranges(compiler, start, limit, delta, dtype):
    inputs = {n: np.array(v, dtype) for n, v in (("start", start), ("limit", limit), ("delta", delta))}
    expected = np.arange(start, limit, delta).astype(dtype)
    made = session("Range", inputs, expected.shape)
    np.testing.assert_allclose(made.run(inputs)["y"], expected, rtol=1e-6)
    with pytest.raises(tenon.RunError, match="node node: a size that the model computes is out of range"):
        made.run({**inputs, "limit": np.array(limit + 3 * delta, dtype)})


def test_counts(compiler):
    """k of TopK is bounded by the axis, the depth of OneHot by what is declared."""
    inputs = {"x": X, "k": i64(2)}
    nodes = [helper.make_node("TopK", ["x", "k"], ["y", "i"])]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "g",
        [value("x", TensorProto.FLOAT, [4, 6]), value("k", TensorProto.INT64, [1])],
        [value("y", TensorProto.FLOAT, [4, "n"]), value("i", TensorProto.INT64, [4, "n"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    top = tenon.compile(model).session(threads=1)
    for k in (1, 2, 6):
        np.testing.assert_array_equal(top.run({"x": X, "k": i64(k)})["y"], X[:, ::-1][:, :k])
    with pytest.raises(tenon.RunError, match="out of range: expected at least 0 and at most 6"):
        top.run({"x": X, "k": i64(7)})

    inputs = {"indices": i64(0, 2, -1), "depth": np.array(4, np.float32), "values": i64(5, 9)}
    made = session("OneHot", inputs, (3, 4))
    np.testing.assert_array_equal(made.run(inputs)["y"], np.where(np.eye(4, dtype=bool)[[0, 2, 3]], 9, 5))


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_sizes_of_a_resize(compiler, mode):
    ort = pytest.importorskip("onnxruntime")
    x = X.reshape(1, 1, 4, 6)
    inputs = {"x": x, "": i64(), " ": i64(), "sizes": i64(1, 1, 7, 3)}
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], "node", mode=mode)],
        "g",
        [value("x", TensorProto.FLOAT, x.shape), value("sizes", TensorProto.INT64, [4])],
        [value("y", TensorProto.FLOAT, [1, 1, 7, 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    inputs = {"x": x, "sizes": inputs["sizes"]}
    (expected,) = ort.InferenceSession(model.SerializeToString()).run(None, inputs)
    np.testing.assert_allclose(tenon.compile(model).session(threads=1).run(inputs)["y"], expected, rtol=1e-6)


def test_batch_norm_in_training(compiler):
    rng = np.random.default_rng(2)
    x = rng.standard_normal((3, 2, 5)).astype(np.float32)
    scale, bias, mean, variance = (rng.random(2).astype(np.float32) for _ in range(4))
    inputs = {"x": x, "scale": scale, "bias": bias, "mean": mean, "variance": variance}
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, v.shape) for n, v in inputs.items()]
    outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("y", "m", "v")]
    node = helper.make_node(
        "BatchNormalization", list(inputs), ["y", "m", "v"], training_mode=1, momentum=0.8, epsilon=1e-3
    )
    graph = helper.make_graph([node], "g", infos, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    found = tenon.compile(model).session(threads=1).run(inputs)
    m, v = x.mean((0, 2)), x.var((0, 2))
    y = (x - m[:, None]) / np.sqrt(v[:, None] + 1e-3) * scale[:, None] + bias[:, None]
    np.testing.assert_allclose(found["y"], y, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["m"], 0.8 * mean + 0.2 * m, rtol=1e-5)
    np.testing.assert_allclose(found["v"], 0.8 * variance + 0.2 * v, rtol=1e-5)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("sizes", [(2, 9), (7, 3), (4, 6), (5, 5)])
def test_center_crop_pad(compiler, known, sizes):
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("CenterCropPad", ["x", "sizes"], ["y"], axes=[-2, -1])],
        "g",
        [value("x", TensorProto.FLOAT, [2, 4, 6]), *([] if known else [value("sizes", TensorProto.INT64, [2])])],
        [value("y", TensorProto.FLOAT, [2, *sizes])],
        [helper.make_tensor("sizes", TensorProto.INT64, [2], sizes)] if known else [],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    x = np.arange(1, 49, dtype=np.float32).reshape(2, 4, 6)
    expected = x
    for axis, size in zip((1, 2), sizes, strict=True):
        more = size - x.shape[axis]
        if more < 0:
            expected = np.take(expected, range(-more // 2, -more // 2 + size), axis)
        else:
            widths = [(0, 0)] * 3
            widths[axis] = (more // 2, more - more // 2)
            expected = np.pad(expected, widths)
    inputs = {"x": x} if known else {"x": x, "sizes": i64(*sizes)}
    np.testing.assert_array_equal(tenon.compile(model).session(threads=1).run(inputs)["y"], expected)
