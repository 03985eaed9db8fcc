"""NonZero and Compress: results as long as the data says, in memory for the longest."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import tenon


def session(nodes, inputs: dict, result: int, threads: int = 1) -> tenon.Session:
    """inputs: name -> (type, shape); the output is y."""
    arguments = [helper.make_tensor_value_info(name, dtype, shape) for name, (dtype, shape) in inputs.items()]
    graph = helper.make_graph(nodes, "g", arguments, [helper.make_tensor_value_info("y", result, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return tenon.compile(model).session(threads=threads)


@pytest.mark.parametrize("dtype", [np.float32, np.bool_, np.int64, np.int8])
@pytest.mark.parametrize("shape", [(7,), (3, 5), (2, 3, 4)])
@pytest.mark.parametrize("dynamic", [False, True])
def test_non_zero(compiler, dtype, shape, dynamic):
    declared = ["n", *shape[1:]] if dynamic else shape
    inputs = {"x": (helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), declared)}
    made = session([helper.make_node("NonZero", ["x"], ["y"])], inputs, TensorProto.INT64)
    for seed, few in ((1, 0.3), (2, 0.8), (3, 0), (4, 1.1)):
        x = (np.random.default_rng(seed).random(shape) < few).astype(dtype) * (3 if dtype != np.bool_ else True)
        y = made.run({"x": x.astype(dtype)})["y"]
        np.testing.assert_array_equal(y, np.stack(np.nonzero(x)))
    if dynamic:
        x = np.ones((50, *shape[1:]), dtype)
        np.testing.assert_array_equal(made.run({"x": x})["y"], np.stack(np.nonzero(x)))


def test_many_elements_at_any_number_of_workers(compiler):
    x = (np.random.default_rng(5).random((300, 400)) < 0.4).astype(np.float32)
    for threads in (1, 2, 7):
        inputs = {"x": (TensorProto.FLOAT, ["n", "m"])}
        made = session([helper.make_node("NonZero", ["x"], ["y"])], inputs, TensorProto.INT64, threads)
        np.testing.assert_array_equal(made.run({"x": x})["y"], np.stack(np.nonzero(x)))


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_compress(compiler, axis):
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    kept = np.random.default_rng(1).random(12 if axis is None else x.shape[axis]) < 0.5
    attributes = {} if axis is None else {"axis": axis}
    inputs = {"x": (TensorProto.FLOAT, ["n", 4]), "c": (TensorProto.BOOL, [len(kept)])}
    made = session([helper.make_node("Compress", ["x", "c"], ["y"], **attributes)], inputs, TensorProto.FLOAT)
    np.testing.assert_array_equal(made.run({"x": x, "c": kept})["y"], np.compress(kept, x, axis))


def test_what_follows_is_as_long(compiler):
    """The sum of the rows whose first element is above 0, times 2."""
    nodes = [
        helper.make_node("Slice", ["x", "zero", "one", "axis"], ["first"]),
        helper.make_node("Greater", ["first", "nothing"], ["above"]),
        helper.make_node("Reshape", ["above", "flat"], ["condition"]),
        helper.make_node("Compress", ["x", "condition"], ["rows"], axis=0),
        helper.make_node("Add", ["rows", "rows"], ["twice"]),
        helper.make_node("ReduceSum", ["twice", "zero"], ["y"], keepdims=0),
    ]
    constants = {"zero": [0], "one": [1], "axis": [1], "flat": [-1]}
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])
    initializers = [onnx.numpy_helper.from_array(np.array(v, np.int64), k) for k, v in constants.items()]
    initializers.append(onnx.numpy_helper.from_array(np.float32(0), "nothing"))
    graph = helper.make_graph(nodes, "g", [x], [y], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    made = tenon.compile(model).session(threads=1)
    for rows in (1, 9, 4):
        x = np.random.default_rng(rows).standard_normal((rows, 4)).astype(np.float32)
        np.testing.assert_allclose(made.run({"x": x})["y"], 2 * x[x[:, 0] > 0].sum(0), rtol=1e-5, atol=1e-6)
