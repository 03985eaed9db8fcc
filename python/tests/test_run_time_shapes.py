"""Shapes and axes that are inputs of the run: they are followed, and checked against what the model declares."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import tenon

X = np.arange(24, dtype=np.float32).reshape(4, 6)


def session(tmp_path, op, operand, count, result, **attributes):
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, X.shape),
        helper.make_tensor_value_info(operand, TensorProto.INT64, [count]),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, result)]
    nodes = [helper.make_node(op, ["x", operand], ["y"], **attributes)]
    model = helper.make_model(
        helper.make_graph(nodes, "g", inputs, outputs), opset_imports=[helper.make_opsetid("", 18)]
    )
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    return tenon.compile(str(path)).session(threads=1)


@pytest.mark.parametrize("shape", [[3, 8], [-1, 8], [3, -1]])
def test_reshape_to_the_declared_shape(tmp_path, shape):
    run = session(tmp_path, "Reshape", "s", 2, [3, 8]).run
    y = run({"x": X, "s": np.array(shape, dtype=np.int64)})["y"]
    np.testing.assert_array_equal(y, X.reshape(3, 8))


@pytest.mark.parametrize("result", [[3, 8], ["a", "b"]])
@pytest.mark.parametrize("shape", [[4, 8], [24, 24], [1, 5], [-2, 8]])
def test_a_shape_with_another_number_of_elements_is_refused(tmp_path, result, shape):
    run = session(tmp_path, "Reshape", "s", 2, result).run
    with pytest.raises(tenon.RunError, match="TN"):
        run({"x": X, "s": np.array(shape, dtype=np.int64)})


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("axis", [0, 1, -1, -2])
def test_axes_are_followed(tmp_path, axis, keepdims):
    result = ["a", "b"] if keepdims else ["a"]
    run = session(tmp_path, "ReduceMean", "axes", 1, result, keepdims=keepdims).run
    y = run({"x": X, "axes": np.array([axis], dtype=np.int64)})["y"]
    np.testing.assert_allclose(y, X.mean(axis=axis, keepdims=bool(keepdims)), rtol=1e-6)


def test_an_axis_that_is_not_there_is_refused(tmp_path):
    run = session(tmp_path, "ReduceMean", "axes", 1, ["a", "b"]).run
    with pytest.raises(tenon.RunError, match="TN"):
        run({"x": X, "axes": np.array([2], dtype=np.int64)})
