"""Branches of which one cannot run with the inputs' sizes, or whose results differ in rank: one stays, and the other
is refused when the run reaches it."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import tenon

pytestmark = pytest.mark.filterwarnings("ignore::tenon.CompileWarning")
W = np.arange(6, dtype=np.float32).reshape(3, 2)


def value(name: str, shape, dtype=TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)


def branch(op: str, result: str, inputs=("x",)) -> onnx.GraphProto:
    return helper.make_graph([helper.make_node(op, list(inputs), [result])], result, [], [value(result, None)])


def squeeze_if_one(squeeze_in_then: bool = True) -> list[onnx.NodeProto]:
    """p = x[n, 3, t] pooled by 3; s = squeeze(p, 2) if t // 3 is 1, else p, as exporters write it."""
    squeezed, same = branch("Squeeze", "squeezed", ("p", "two")), branch("Identity", "same", ("p",))
    condition = "one" if squeeze_in_then else "many"
    return [
        helper.make_node("MaxPool", ["x"], ["p"], kernel_shape=[3], strides=[3]),
        helper.make_node("Shape", ["p"], ["shape"]),
        helper.make_node("Gather", ["shape", "axis"], ["length"]),
        helper.make_node("Equal", ["length", "1"], ["one"]),
        helper.make_node("Not", ["one"], ["many"]),
        helper.make_node(
            "If",
            [condition],
            ["s"],
            "choose",
            then_branch=squeezed if squeeze_in_then else same,
            else_branch=same if squeeze_in_then else squeezed,
        ),
    ]


def model(nodes: list[onnx.NodeProto], inputs=None, declared=None) -> onnx.ModelProto:
    constants = {"two": np.array([2]), "axis": np.array(2), "1": np.array(1), "w": W}
    graph = helper.make_graph(
        nodes,
        "g",
        inputs or [value("x", ["n", 3, "t"])],
        [value("y", None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
        value_info=[value("s", declared)] if declared else [],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def x(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def pooled(a: np.ndarray) -> np.ndarray:
    n, c, t = a.shape
    return a[:, :, : t // 3 * 3].reshape(n, c, t // 3, 3).max(3)


@pytest.mark.parametrize("squeeze_in_then", [True, False])
def test_the_branch_stays_with_which_the_rest_goes_on(compiler, squeeze_in_then):
    nodes = [*squeeze_if_one(squeeze_in_then), helper.make_node("Gemm", ["s", "w"], ["y"])]
    with pytest.warns(tenon.CompileWarning, match="TN0122: node 'choose'.*its result has rank 3.* goes on with rank 2"):
        session = tenon.compile(model(nodes)).session(threads=1)
    for length in (3, 5):
        a = x(4, 3, length)
        np.testing.assert_allclose(session.run({"x": a})["y"], pooled(a)[:, :, 0] @ W, rtol=1e-5)
    refused = "else" if squeeze_in_then else "then"
    with pytest.raises(tenon.RunError, match=f"node choose: the {refused} branch cannot run: its result has rank 3"):
        session.run({"x": x(4, 3, 6)})


def test_a_size_that_must_be_1(compiler):
    """Where the condition is about an input's own size, the size is fixed and the branch needs no guard."""
    nodes = [n for n in squeeze_if_one() if n.op_type != "MaxPool"]
    for node in nodes:
        for graph in [a.g for a in node.attribute if a.HasField("g")]:
            graph.node[0].input[0] = "x"
        if node.op_type == "Shape":
            node.input[0] = "x"
    package = tenon.compile(model([*nodes, helper.make_node("Gemm", ["s", "w"], ["y"])]))
    assert package.inputs[0].shape == ("n", 3, 1)
    a = x(4, 3, 1)
    np.testing.assert_allclose(package.session(threads=1).run({"x": a})["y"], a[:, :, 0] @ W, rtol=1e-5)


def test_the_other_rank_may_be_wanted(compiler):
    nodes = [*squeeze_if_one(), helper.make_node("Transpose", ["s"], ["y"], perm=[2, 0, 1])]
    session = tenon.compile(model(nodes)).session(threads=1)
    a = x(4, 3, 9)
    np.testing.assert_array_equal(session.run({"x": a})["y"], pooled(a).transpose(2, 0, 1))
    with pytest.raises(tenon.RunError, match="node choose: the then branch cannot run: its result has rank 2"):
        session.run({"x": x(4, 3, 4)})


def test_what_the_model_declares_decides(compiler):
    nodes = [*squeeze_if_one(), helper.make_node("Relu", ["s"], ["y"])]
    for declared, runs, fails in ((["n", 3], (2, 3, 4), (2, 3, 8)), (["n", 3, "k"], (2, 3, 8), (2, 3, 4))):
        package = tenon.compile(model(nodes, declared=declared))
        assert len(package.outputs[0].shape) == len(declared)
        session = package.session(threads=1)
        y = session.run({"x": x(*runs)})["y"]
        np.testing.assert_array_equal(y.ravel(), np.maximum(pooled(x(*runs)), 0).ravel())
        with pytest.raises(tenon.RunError, match="node choose: the "):
            session.run({"x": x(*fails)})


def test_choices_inside_a_branch(compiler):
    """The choice in the then branch is made for that branch alone; which branch runs is data."""
    inner = [*squeeze_if_one(False), helper.make_node("Gemm", ["s", "w"], ["z"])]
    then = helper.make_graph(inner, "then", [], [value("z", None)])
    flat = [
        helper.make_node("ReduceMax", ["x"], ["m"], axes=[2], keepdims=0),
        helper.make_node("Gemm", ["m", "w"], ["o"]),
    ]
    other = helper.make_graph(flat, "other", [], [value("o", None)])
    nodes = [helper.make_node("If", ["c"], ["y"], "outer", then_branch=then, else_branch=other)]
    inputs = [value("c", [], TensorProto.BOOL), value("x", ["n", 3, "t"])]
    session = tenon.compile(model(nodes, inputs)).session(threads=1)
    a, b = x(2, 3, 4), x(2, 3, 7)
    yes, no = np.array(True), np.array(False)
    np.testing.assert_allclose(session.run({"c": yes, "x": a})["y"], pooled(a)[:, :, 0] @ W, rtol=1e-5)
    np.testing.assert_allclose(session.run({"c": no, "x": b})["y"], b.max(2) @ W, rtol=1e-5)
    with pytest.raises(tenon.RunError, match="node choose: the then branch cannot run: its result has rank 3"):
        session.run({"c": yes, "x": b})


def test_no_choice_helps(compiler):
    nodes = [*squeeze_if_one(), helper.make_node("LSTM", ["s", "w", "w"], ["y"], "lstm", hidden_size=2)]
    nodes.append(helper.make_node("Transpose", ["s"], ["z"], "transpose", perm=[0, 1, 2, 3]))
    with pytest.raises(tenon.CompileError) as caught:
        tenon.compile(model(nodes))
    assert caught.value.code == "TN0105" and caught.value.node == "lstm"


def test_a_refused_branch_is_no_defect_of_the_model(compiler, command, tmp_path):
    """With t = 4 the squeezing branch breaks a rule of ONNX; the model compiles, and `tenon check` agrees."""
    cond = value("c", [], TensorProto.BOOL)
    squeezed, summed = branch("Squeeze", "a", ("x", "two")), branch("Identity", "b")
    nodes = [
        helper.make_node("If", ["c"], ["s"], "choose", then_branch=squeezed, else_branch=summed),
        helper.make_node("Relu", ["s"], ["y"]),
    ]
    source = model(nodes, [cond, value("x", [2, 3, 4])])
    session = tenon.compile(source).session(threads=1)
    np.testing.assert_array_equal(session.run({"c": np.array(False), "x": x(2, 3, 4)})["y"], np.maximum(x(2, 3, 4), 0))
    with pytest.raises(tenon.RunError, match="node choose: the then branch cannot run: TN0105: "):
        session.run({"c": np.array(True), "x": x(2, 3, 4)})
    onnx.save(source, tmp_path / "model.onnx")
    done = command("check", tmp_path / "model.onnx")
    assert done.returncode == 0 and "the run will fail if it is reached" in done.stdout, done.stderr
