"""Small quantized networks: what Mortise computes is what the CPU computes."""

import itertools
import json
import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper


class Network:
    """Nodes of a quantized model, one behind the other."""

    def __init__(self, shape):
        self.nodes, self.constants, self.last = [], [], "x"
        self.shape, self.random = shape, np.random.default_rng(5)

    def constant(self, value, dtype=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def add(self, op, *inputs, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=f"{op}_{len(self.nodes)}", **attributes))
        return name

    def quantize(self, scale, zero=128):
        scale, zero = self.constant(scale), self.constant(zero, np.uint8)
        codes = self.add("QuantizeLinear", self.last, scale, zero)
        self.last = self.add("DequantizeLinear", codes, scale, zero)

    def conv(self, inputs, outputs, kernel, stride=1, groups=1):
        weights = self.random.integers(-127, 128, (outputs, inputs // groups, kernel, kernel))
        scale = self.constant(self.random.uniform(0.001, 0.01, outputs))
        zeros = self.constant(np.zeros(outputs), np.int8)
        filters = self.add("DequantizeLinear", self.constant(weights, np.int8), scale, zeros, axis=0)
        bias = self.constant(self.random.normal(size=outputs))
        pad = kernel // 2
        self.last = self.add("Conv", self.last, filters, bias, pads=[pad] * 4, strides=[stride] * 2, group=groups)

    def save(self, path):
        self.nodes[-1].output[0] = "y"
        graph = helper.make_graph(
            self.nodes,
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, self.shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.save(model, path)


def depthwise_block(channels, kernel, stride):
    net = Network([1, 16, 13, 15])
    net.quantize(0.02)
    net.conv(16, channels, 1)
    net.quantize(0.1)
    net.conv(channels, channels, kernel, stride, channels)
    net.quantize(0.2, 100)
    net.last = net.add("GlobalAveragePool", net.last)
    net.quantize(0.05)
    net.conv(channels, 16, 1)
    net.quantize(0.1)
    return net


MORTISE = "mortise:edge-512k"


def run_on(tenon, target, folder, model, inputs, *flags):
    """The result `y` on a target, the kernels that stay on the CPU, and cycles."""
    package, explain, stats = folder / "m.tenon", folder / "why.yaml", folder / "stats.json"
    for name, value in inputs.items():
        np.save(folder / f"{name}.npy", value)
    bound = [word for name in inputs for word in ("--input", f"{name}={folder / name}.npy")]
    done = tenon("compile", model, "-o", package, "--target", target, "--explain", explain, *flags)
    assert done.returncode == 0, done.stderr
    done = tenon("run", package, *bound, "--output-dir", folder / "out", "--stats", stats)
    assert done.returncode == 0, done.stderr
    stays = [remark for remark in explain.read_text().split("--- ") if remark.startswith("!Missed")]
    return np.load(folder / "out/y.npy"), stays, json.loads(stats.read_text()).get("cycles")


def run_both(tenon, folder, model, inputs, *flags):
    """Results on the CPU and on Mortise, the kernels that stay on the CPU, and cycles."""
    cpu, _, _ = run_on(tenon, "native", folder, model, inputs, *flags)
    return cpu, *run_on(tenon, MORTISE, folder, model, inputs, *flags)


@pytest.mark.parametrize(("channels", "kernel", "stride"), [(16, 3, 1), (72, 3, 2), (128, 5, 1)])
def test_depthwise_block(tenon, tmp_path, channels, kernel, stride):
    model = tmp_path / "m.onnx"
    depthwise_block(channels, kernel, stride).save(model)
    x = np.random.default_rng(1).normal(size=(1, 16, 13, 15)).astype(np.float32)
    cpu, npu, stays, cycles = run_both(tenon, tmp_path, model, {"x": x})
    assert not [remark for remark in stays if re.search(r"Family: +(window|reduce)", remark)]
    assert cycles > 0
    # Pooling adds floats, whose order may differ: by one step at most.
    assert np.abs(cpu - npu).max() <= 0.1001
    assert np.unique(cpu).size > 3


def attention_block(length, heads, depth, mask):
    """Queries, keys and values of one input, and what each query gets; `mask` is added to the scores."""
    net = Network([1, length, heads * depth])
    width = heads * depth

    def product(to):
        weights = net.random.normal(size=(width, width)) / np.sqrt(width)
        rows = net.add("MatMul", "x", net.constant(weights))
        rows = net.add("Reshape", rows, net.constant([1, length, heads, depth], np.int64))
        return net.add("Transpose", rows, perm=to)

    scores = net.add("MatMul", product([0, 2, 1, 3]), product([0, 2, 3, 1]))
    scores = net.add("Mul", scores, net.constant(depth**-0.5))
    if mask is not None:
        scores = net.add("Add", scores, net.constant(mask))
    rows = net.add("MatMul", net.add("Softmax", scores, axis=-1), product([0, 2, 1, 3]))
    rows = net.add("Transpose", rows, perm=[0, 2, 1, 3])
    net.add("Reshape", rows, net.constant([1, length, width], np.int64))
    return net


@pytest.mark.parametrize(
    ("length", "heads", "depth", "mask"),
    [(128, 12, 32, "keys"), (40, 8, 15, None), (197, 3, 64, None), (70, 2, 40, "queries")],
)
def test_attention_block(tenon, tmp_path, length, heads, depth, mask):
    model, random = tmp_path / "m.onnx", np.random.default_rng(2)
    added = None
    if mask:
        added = np.where(random.random((1, 1, length if mask == "queries" else 1, length)) < 0.3, -1e9, 0)
    attention_block(length, heads, depth, added).save(model)
    inputs = {"x": random.normal(size=(1, length, heads * depth)).astype(np.float32)}
    exact, _, _ = run_on(tenon, "native", tmp_path, model, inputs)
    rounded, npu, stays, _ = run_both(tenon, tmp_path, model, inputs, "--precision", "bf16")
    assert not [remark for remark in stays if re.search(r"Family: +(attention|contraction)", remark)]
    assert np.abs(npu - exact).max() <= 1.5 * np.abs(rounded - exact).max() + 0.005


def test_attention_in_f32_stays(tenon, tmp_path):
    model, explain = tmp_path / "m.onnx", tmp_path / "why.yaml"
    attention_block(40, 2, 32, None).save(model)
    done = tenon("compile", model, "-o", tmp_path / "m.tenon", "--target", MORTISE, "--explain", explain)
    assert done.returncode == 0, done.stderr
    assert "--precision bf16 rounds them" in re.sub(r"\s+", " ", explain.read_text())


def biased_shortcut(outputs, quantized):
    """Two convolutions and their sum, with numbers for each channel that no drain can take."""
    net = Network([1, 16, 9, 14])
    channel = [1, outputs, 1, 1]
    if quantized:
        net.quantize(0.02)
        net.conv(16, outputs, 3)
        net.last = net.add("Mul", net.last, net.constant(net.random.uniform(0.5, 2, channel)))
        net.last = net.add("Sigmoid", net.last)
        net.last = net.add("Mul", net.last, net.constant(net.random.normal(size=channel)))
        net.quantize(0.02)
        return net
    for kernel in (1, 3):
        weights = net.constant(net.random.normal(size=(outputs, 16, kernel, kernel)) / 12)
        bias = net.constant(net.random.normal(size=outputs))
        net.add("Conv", "x", weights, bias, pads=[kernel // 2] * 4)
    net.last = net.add("Relu", net.add("Add", "v0", "v1"))
    net.last = net.add("Mul", net.last, net.constant(net.random.normal(size=channel)))
    return net


@pytest.mark.parametrize("quantized", [False, True], ids=["bf16", "int8"])
@pytest.mark.parametrize("outputs", [8, 16, 40, 48, 64, 200])
def test_numbers_for_each_channel_behind_products(tenon, tmp_path, outputs, quantized):
    model = tmp_path / "m.onnx"
    biased_shortcut(outputs, quantized).save(model)
    x = np.random.default_rng(1).normal(size=(1, 16, 9, 14)).astype(np.float32)
    flags = [] if quantized else ["--precision", "bf16"]
    expected, found, stays, _ = run_both(tenon, tmp_path, model, {"x": x}, *flags)
    assert not [
        remark for remark in stays if re.search(r"Name: +OnCpu\n.*Family: +(conv|contraction)", remark, re.DOTALL)
    ]
    assert np.abs(expected - found).max() <= (0.0201 if quantized else 0.01 * np.abs(expected).max())
    assert np.unique(expected).size > 3


def save(path, nodes, inputs, constants=()):
    """A model of those nodes; the last one gives `y`."""
    nodes[-1].output[0] = "y"
    graph = helper.make_graph(
        nodes,
        "g",
        [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
            for n, v in inputs.items()
        ],
        [helper.make_tensor_value_info("y", TensorProto.UNDEFINED, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(onnx.shape_inference.infer_shapes(model), path)


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("shape", [(2, 3, 33, 20, 17), (1, 12, 64, 32, 64), (1, 1, 1, 7, 3)])
def test_product_of_two_activations(tenon, tmp_path, kind, turned, shape):
    *batch, rows, depth, columns = shape
    random, bounds = np.random.default_rng(2), np.iinfo(kind)
    right = (*batch, columns, depth) if turned else (*batch, depth, columns)
    inputs = {
        name: random.integers(bounds.min, bounds.max + 1, extents).astype(kind)
        for name, extents in (("a", (*batch, rows, depth)), ("b", right))
    }
    zero = bounds.min + 130
    constants = [("s", np.float32(0.02)), ("z", kind(zero)), ("t", np.float32(0.1)), ("u", kind(bounds.min + 120))]
    nodes = [
        helper.make_node("DequantizeLinear", ["a", "s", "z"], ["da"]),
        helper.make_node("DequantizeLinear", ["b", "s", "z"], ["db"]),
        helper.make_node("Transpose", ["db"], ["dt"], perm=[0, 1, 3, 2]),
        helper.make_node("MatMul", ["da", "dt" if turned else "db"], ["p"]),
        helper.make_node("QuantizeLinear", ["p", "t", "u"], ["q"]),
    ]
    if not turned:
        del nodes[2]
    save(tmp_path / "m.onnx", nodes, inputs, constants)
    cpu, npu, stays, cycles = run_both(tenon, tmp_path, tmp_path / "m.onnx", inputs)
    assert not [remark for remark in stays if re.search(r"Family: +(contraction|map)", remark)]
    assert cycles > 0
    np.testing.assert_array_equal(cpu, npu)
    assert np.unique(cpu).size > 2


def test_keys_are_multiplied_as_they_lie(tenon, tmp_path):
    """q k^T of interleaved heads: nothing transposes keys element by element, nor writes panels."""
    random, shape = np.random.default_rng(3), (1, 128, 12, 32)
    inputs = {name: random.integers(0, 256, shape).astype(np.uint8) for name in ("a", "b")}
    constants = [("s", np.float32(0.02)), ("z", np.uint8(130)), ("t", np.float32(0.1)), ("u", np.uint8(120))]
    nodes = [
        helper.make_node("DequantizeLinear", ["a", "s", "z"], ["da"]),
        helper.make_node("DequantizeLinear", ["b", "s", "z"], ["db"]),
        helper.make_node("Transpose", ["da"], ["q"], perm=[0, 2, 1, 3]),
        helper.make_node("Transpose", ["db"], ["k"], perm=[0, 2, 3, 1]),
        helper.make_node("MatMul", ["q", "k"], ["p"]),
        helper.make_node("QuantizeLinear", ["p", "t", "u"], ["y"]),
    ]
    save(tmp_path / "m.onnx", nodes, inputs, constants)
    cpu, npu, stays, cycles = run_both(tenon, tmp_path, tmp_path / "m.onnx", inputs)
    assert not [remark for remark in stays if re.search(r"Family: +(contraction|map)", remark)]
    # The transposition alone took 50 thousand.
    assert 0 < cycles < 50000
    np.testing.assert_array_equal(cpu, npu)
    assert np.unique(cpu).size > 2


MOVES = {
    **{
        f"transpose{''.join(map(str, p))}": ("Transpose", {"perm": p})
        for p in itertools.permutations(range(3))
        if p[0] or p[1] > 1
    },
    "slice": ("Slice", [[1, 0, 2], [12, 9, 30], [0, 1, 2], [2, 1, 3]]),
    "backwards": ("Slice", [[11], [0], [1], [-2]]),
    "pad": ("Pad", [[1, 0, 3, 0, 2, 1], 9]),
    **{f"concat{axis}": ("Concat", {"axis": axis}) for axis in range(3)},
}


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.float32])
@pytest.mark.parametrize("move", MOVES)
def test_movement(tenon, tmp_path, kind, move):
    operation, how = MOVES[move]
    inputs = {"x": np.random.default_rng(3).integers(0, 100, (14, 12, 40)).astype(kind)}
    attributes, operands, constants = how if isinstance(how, dict) else {}, ["x"], []
    if operation == "Concat":
        operands = ["x", "x"]
    elif operation == "Pad":
        constants = [("c0", np.array(how[0], np.int64)), ("c1", np.array(how[1], kind))]
    elif operation == "Slice":
        constants = [(f"c{i}", np.array(value, np.int64)) for i, value in enumerate(how)]
    nodes = [helper.make_node(operation, operands + [name for name, _ in constants], ["m"], **attributes)]
    save(tmp_path / "m.onnx", nodes, inputs, constants)
    flags = ("--precision", "bf16") if kind == np.float32 else ()
    cpu, npu, stays, cycles = run_both(tenon, tmp_path, tmp_path / "m.onnx", inputs, *flags)
    assert not stays
    assert cycles > 0
    np.testing.assert_array_equal(cpu, npu)


def chain_behind_a_byte(depthwise, pieces):
    """A hard swish in pieces, each quantized: all of it depends on the byte that the convolution gives."""
    net = Network([1, 16, 24, 24])
    net.quantize(0.02)
    net.conv(16, 48, 1)
    net.quantize(0.05, 120)
    if depthwise:
        net.conv(48, 48, 3, groups=48)
        net.quantize(0.06, 130)
    inner = net.last
    for op, number, scale, zero in pieces:
        other = [net.constant(0.0), net.constant(6.0)] if op == "Clip" else [net.constant(number)]
        net.last = net.add(op, net.last, *other)
        net.quantize(scale, zero)
    if pieces:
        net.last = net.add("Mul", net.last, inner)
        net.quantize(0.04, 9)
    return net


@pytest.mark.parametrize("depthwise", [False, True], ids=["product", "window"])
def test_chains_behind_a_byte_are_looked_up(tenon, tmp_path, depthwise):
    model, cycles = tmp_path / "m.onnx", {}
    x = np.random.default_rng(1).normal(size=(1, 16, 24, 24)).astype(np.float32)
    hard_swish = (("Add", 3.0, 0.07, 77), ("Clip", None, 6 / 255, 0), ("Div", 6.0, 1 / 255, 0))
    for pieces in ((), hard_swish):
        chain_behind_a_byte(depthwise, pieces).save(model)
        cpu, npu, _, cycles[pieces] = run_both(tenon, tmp_path, model, {"x": x})
        np.testing.assert_array_equal(cpu, npu)
        assert np.unique(cpu).size > 20
    # 432 vectors: the divisions of a chain would take some fifty cycles for each.
    assert cycles[hard_swish] - cycles[()] < 432 * 20
