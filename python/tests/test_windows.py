"""Windows that are longer than the image: what ONNX Runtime does with them, or an error; never NaN."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import tenon

AVERAGE = {"op": "AveragePool"}
ALL = {"op": "AveragePool", "count_include_pad": 1}


def window_nodes(op: str, **attributes) -> list[onnx.NodeProto]:
    inputs = ["x", "w"] if op == "Conv" else ["x"]
    return [
        helper.make_node(op, inputs, ["z"], "window", kernel_shape=[4], **attributes),
        helper.make_node("GlobalAveragePool", ["z"], ["y"]),
    ]


def wrapped(nodes: list[onnx.NodeProto], **inputs) -> onnx.ModelProto:
    """A model with float inputs of the given shapes (None: a condition) and the output y[1, 1, 1]."""
    list_of_inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT if shape else TensorProto.BOOL, shape or [])
        for name, shape in inputs.items()
    ]
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 1])
    w = helper.make_tensor("w", TensorProto.FLOAT, [1, 1, 4], [1, 1, 1, 1])
    graph = helper.make_graph(nodes, "g", list_of_inputs, [y], [w])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def model(op: str, **attributes) -> onnx.ModelProto:
    """y = the mean over the positions of a window of 4 over x[1, 1, h]."""
    return wrapped(window_nodes(op, **attributes), x=[1, 1, "h"])


# y for x = [2, 3, ...] of each length, None where there is no position; the numbers of ONNX Runtime.
@pytest.mark.parametrize(
    ("attributes", "stride", "expected"),
    [
        ({"op": "MaxPool"}, 4, {1: 2, 2: 3, 3: 4, 4: 5}),
        ({"op": "MaxPool"}, 3, {1: None, 2: 3, 3: 4, 4: 5}),
        ({"op": "MaxPool"}, 1, {1: None, 3: None, 4: 5}),
        ({"op": "MaxPool", "ceil_mode": 1}, 4, {1: 2, 2: 3, 4: 5}),
        (AVERAGE, 4, {1: 2, 2: 2.5, 3: 3, 4: 3.5}),
        (AVERAGE, 2, {1: None, 2: None, 3: 3, 4: 3.5}),
        (ALL, 4, {1: 0.5, 2: 1.25, 3: 2.25, 4: 3.5}),
        ({"op": "AveragePool", "pads": [1, 1], "count_include_pad": 1}, 4, {1: 0.5, 2: 1.25, 3: 2.25}),
        ({"op": "LpPool", "p": 1}, 4, {1: 2, 2: 5, 3: 9, 4: 14}),
        ({"op": "Conv"}, 2, {1: None, 3: None, 4: 14}),
    ],
)
def test_a_window_longer_than_the_image(compiler, attributes, stride, expected):
    source = model(**attributes, strides=[stride])
    session = tenon.compile(source).session(threads=1)
    least = min(length for length, y in expected.items() if y is not None)
    for length, y in expected.items():
        x = np.arange(2, length + 2, dtype=np.float32).reshape(1, 1, length)
        if y is not None:
            fixed = tenon.compile(source, shapes={"x": (1, 1, length)}).session(threads=1)
            for any_session in (session, fixed):
                np.testing.assert_allclose(any_session.run({"x": x})["y"], [[[y]]], rtol=1e-6)
            continue
        with pytest.raises(tenon.RunError, match=f"size h is {length}, expected at least ") as caught:
            session.run({"x": x})
        assert int(str(caught.value).rsplit(" ", 1)[1]) > length
        with pytest.raises(tenon.CompileError, match="the window is larger than the image") as refused:
            tenon.compile(source, shapes={"x": (1, 1, length)})
        assert (refused.value.code, refused.value.node) == ("TN0105", "window")
    assert tenon.compile(source).symbols[0].min <= least


def test_a_range_that_is_too_small_for_the_window(compiler):
    with pytest.raises(tenon.CompileError, match="the window is larger than the image"):
        tenon.compile(model("Conv"), symbols={"h": (1, 3)})
    assert tenon.compile(model("Conv"), symbols={"h": (1, 9, 3)}).symbols[0].min == 6


@pytest.mark.parametrize(("op", "stride", "least"), [("MaxPool", 1, 4), ("MaxPool", 3, 2), ("Conv", 1, 4)])
def test_a_size_of_several_symbols(compiler, op, stride, least):
    nodes = [helper.make_node("Concat", ["a", "b"], ["x"], axis=2), *window_nodes(op, strides=[stride])]
    session = tenon.compile(wrapped(nodes, a=[1, 1, "h"], b=[1, 1, "k"])).session(threads=1)

    def run(*lengths: int) -> np.ndarray:
        return session.run({n: np.ones((1, 1, length), np.float32) for n, length in zip("ab", lengths, strict=True)})[
            "y"
        ]

    assert run(1, least - 1) == run(least, 1) == (4 if op == "Conv" else 1)
    if least > 2:
        with pytest.raises(tenon.RunError, match="node window: the window is larger than the image"):
            run(1, least - 2)


def test_windows_in_branches_are_asked_for_when_the_branch_runs(compiler):
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 1])
    then = helper.make_graph(window_nodes("Conv"), "then", [], [y])
    other = helper.make_graph([helper.make_node("GlobalAveragePool", ["x"], ["y"])], "other", [], [y])
    nodes = [helper.make_node("If", ["c"], ["y"], "if", then_branch=then, else_branch=other)]
    session = tenon.compile(wrapped(nodes, c=None, x=[1, 1, "h"])).session(threads=1)
    for length in (3, 4):
        x = np.ones((1, 1, length), np.float32)
        assert session.run({"c": np.array(False), "x": x})["y"] == 1
        if length == 4:
            assert session.run({"c": np.array(True), "x": x})["y"] == 4
            continue
        with pytest.raises(tenon.RunError, match="node window: the window is larger than the image"):
            session.run({"c": np.array(True), "x": x})


def test_a_size_that_data_decides(compiler):
    nodes = [helper.make_node("Slice", ["a", "zero", "end", "axis"], ["x"]), *window_nodes("MaxPool")]
    source = wrapped(nodes, a=[1, 1, 6])
    source.graph.input.append(helper.make_tensor_value_info("end", TensorProto.INT64, [1]))
    for name, value in (("zero", 0), ("axis", 2)):
        source.graph.initializer.append(helper.make_tensor(name, TensorProto.INT64, [1], [value]))
    session = tenon.compile(source).session(threads=1)
    a = np.arange(6, dtype=np.float32).reshape(1, 1, 6)
    assert session.run({"a": a, "end": np.array([5])})["y"] == 3.5
    with pytest.raises(tenon.RunError, match="node window: the window is larger than the image"):
        session.run({"a": a, "end": np.array([3])})
