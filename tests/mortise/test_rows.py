"""Work on rows: totals over the last axis, and operands that repeat. Mortise computes what the CPU does."""

import json
import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper


def run_both(tenon, folder, model, inputs, *options):
    """The first result of a model on the CPU and on the machine, and what stayed on the CPU and why."""
    path = folder / "m.onnx"
    onnx.save(model, path)
    arguments = []
    for name, value in inputs.items():
        np.save(folder / f"{name}.npy", value)
        arguments += ["--input", f"{name}={folder / name}.npy"]
    results = []
    for target in ("native", "mortise:edge-512k"):
        package, explain, stats = folder / "m.tenon", folder / "why.yaml", folder / "stats.json"
        done = tenon("compile", path, "-o", package, "--target", target, "--explain", explain, *options)
        assert done.returncode == 0, done.stderr
        out = folder / target[:3]
        done = tenon("run", package, *arguments, "--output-dir", out, "--stats", stats)
        assert done.returncode == 0, done.stderr
        results.append(np.load(out / "y.npy"))
    assert json.loads(stats.read_text())["cycles"] > 0
    stays = re.findall(r"Name: +OnCpu.*?Reason: +([^\n]*)", explain.read_text(), re.DOTALL)
    return *results, stays


def graph_of(nodes, inputs, constants=()):
    """A model of nodes `(op, inputs, output, attributes)`, the last of which gives `y`."""
    kinds = {name: helper.np_dtype_to_tensor_dtype(value.dtype) for name, value in inputs.items()}
    graph = helper.make_graph(
        [helper.make_node(op, read, [to], **attributes) for op, read, to, attributes in nodes],
        "g",
        [helper.make_tensor_value_info(name, kinds[name], value.shape) for name, value in inputs.items()],
        [helper.make_tensor_value_info("y", TensorProto.UNDEFINED, None)],
        [numpy_helper.from_array(value, name) for name, value in dict(constants).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return onnx.shape_inference.infer_shapes(model)


def floats(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


ROWS = [(5, 1), (1, 33), (40, 15), (7, 64), (3, 65), (12, 128), (20, 384), (2, 1000), (3, 6625)]


CASES = [(kind, shape, "f32") for kind in ("softmax", "norm", "mean") for shape in ROWS]
CASES += [(kind, shape, "f32") for kind in ("log-softmax", "max", "min") for shape in ((40, 15), (3, 65), (2, 1000))]
CASES += [(kind, (12, 130), "bf16") for kind in ("softmax", "norm", "mean", "max")]


@pytest.mark.parametrize(("kind", "shape", "precision"), CASES, ids=str)
def test_rows(tenon, tmp_path, kind, shape, precision):
    """What combines the elements of rows runs on the machine, whatever the rows' number and length."""
    x, length = floats(*shape) * 3, shape[-1]
    table = {"scale": floats(length, seed=2), "bias": floats(length, seed=3)}
    node = {
        "softmax": ("Softmax", ["x"], "y", {"axis": -1}),
        "log-softmax": ("LogSoftmax", ["x"], "y", {"axis": -1}),
        "norm": ("LayerNormalization", ["x", "scale", "bias"], "y", {"axis": -1, "epsilon": 1e-5}),
        "mean": ("ReduceMean", ["x"], "y", {"axes": [-1], "keepdims": 1}),
        "max": ("ReduceMax", ["x"], "y", {"axes": [-1], "keepdims": 0}),
        "min": ("ReduceMin", ["x"], "y", {"axes": [-1], "keepdims": 1}),
    }[kind]
    # A sum in front, so that something remains where rows are single elements.
    nodes = [("Add", ["x", "one"], "z", {}), (node[0], ["z", *node[1][1:]], *node[2:])]
    model = graph_of(nodes, {"x": x}, {"one": np.ones(1, np.float32), **(table if kind == "norm" else {})})
    cpu, npu, stays = run_both(tenon, tmp_path, model, {"x": x}, "--precision", precision)
    assert not stays
    assert cpu.shape == npu.shape and np.isfinite(cpu).all()
    np.testing.assert_allclose(npu, cpu, atol=(1e-5 if precision == "f32" else 2e-2) * max(1, np.abs(cpu).max()))


BROADCASTS = [
    ((4, 9, 20), [(4, 9, 1)]),
    ((4, 9, 20), [(4, 1, 20), (9, 1)]),
    ((2, 12, 32, 32), [(32, 32), (2, 1, 1, 32), (12, 1, 1)]),
    ((3, 5, 7), [(3, 1, 1), (1, 5, 1), (1, 1, 7)]),
    ((6, 128, 96), [(128, 96)]),
    ((5, 1, 130), [(1, 4, 130), (5, 4, 1)]),
    ((2, 3, 4, 5, 6), [(3, 1, 5, 1), (2, 1, 4, 1, 6)]),
]


@pytest.mark.parametrize(("shape", "others"), BROADCASTS, ids=str)
def test_broadcast_operands(tenon, tmp_path, shape, others):
    """Operands that repeat along any axes."""
    inputs = {"x": floats(*shape)} | {f"o{i}": floats(*other, seed=i + 2) for i, other in enumerate(others)}
    nodes, last = [], "x"
    for i in range(len(others)):
        to = "y" if i + 1 == len(others) else f"t{i}"
        nodes.append((("Mul", "Sub")[i % 2], [last, f"o{i}"], to, {}))
        last = to
    cpu, npu, stays = run_both(tenon, tmp_path, graph_of(nodes, inputs), inputs)
    assert not stays
    np.testing.assert_array_equal(npu, cpu)


def test_masked_softmax(tenon, tmp_path):
    """Scores of heads under one mask of booleans, as attention has them."""
    mask = np.tril(np.ones((40, 40), bool))
    inputs = {"x": floats(2, 6, 40, 40), "mask": mask}
    nodes = [
        ("Where", ["mask", "x", "low"], "masked", {}),
        ("Softmax", ["masked"], "y", {"axis": -1}),
    ]
    model = graph_of(nodes, inputs, {"low": np.float32(-1e9).reshape(1)})
    cpu, npu, stays = run_both(tenon, tmp_path, model, inputs)
    assert not stays
    np.testing.assert_allclose(npu, cpu, atol=1e-6)
    assert (npu[..., ~mask] == 0).all()


def test_softmax_of_bytes(tenon, tmp_path):
    """What is stored as bytes is at most one apart where sums were rounded in another order."""
    x = np.random.default_rng(4).integers(0, 256, (33, 70)).astype(np.uint8)
    constants = {
        "scale": np.float32(0.02),
        "zero": np.uint8(128),
        "small": np.float32(0.004),
        "none": np.uint8(0),
    }
    nodes = [
        ("DequantizeLinear", ["x", "scale", "zero"], "numbers", {}),
        ("Softmax", ["numbers"], "weights", {"axis": -1}),
        ("QuantizeLinear", ["weights", "small", "none"], "y", {}),
    ]
    cpu, npu, stays = run_both(tenon, tmp_path, graph_of(nodes, {"x": x}, constants), {"x": x})
    assert not stays
    assert np.abs(cpu.astype(int) - npu).max() <= 1 and (cpu != npu).mean() <= 0.001
    assert np.unique(npu).size > 3


def test_sums_of_integers_are_exact(tenon, tmp_path):
    x = np.random.default_rng(4).integers(-(2**31), 2**31, (9, 150)).astype(np.int32)
    model = graph_of([("ReduceSum", ["x", "axes"], "y", {})], {"x": x}, {"axes": np.array([-1])})
    cpu, npu, stays = run_both(tenon, tmp_path, model, {"x": x})
    assert not stays
    np.testing.assert_array_equal(npu, cpu)


def test_a_norm_reads_and_writes_memory_once(tenon, tmp_path):
    """The CPU's four kernels of a norm are one on the machine: its cycles are near those of its traffic."""
    x, constants = floats(128, 384), {"scale": floats(384, seed=2), "bias": floats(384, seed=3)}
    model = graph_of([("LayerNormalization", ["x", "scale", "bias"], "y", {})], {"x": x}, constants)
    cpu, npu, stays = run_both(tenon, tmp_path, model, {"x": x})
    assert not stays
    np.testing.assert_allclose(npu, cpu, atol=1e-5)
    bytes_a_cycle = 32
    assert json.loads((tmp_path / "stats.json").read_text())["cycles"] < 2 * (2 * x.nbytes) / bytes_a_cycle
