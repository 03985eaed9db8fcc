"""Chains of kernels whose tensors stay in the scratchpad: same results, less traffic."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper


class Network:
    """Nodes of a quantized model, one behind the other; `last` are bytes as floats."""

    def __init__(self, shape):
        self.nodes, self.constants = [], []
        self.shape, self.random = shape, np.random.default_rng(7)
        self.last = self.quantized("x")

    def constant(self, value, dtype=np.float32):
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), f"c{len(self.constants)}"))
        return self.constants[-1].name

    def add(self, op, *inputs, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=f"{op}_{len(self.nodes)}", **attributes))
        return name

    def quantized(self, value, scale=0.05, zero=120):
        scale, zero = self.constant(scale), self.constant(zero, np.uint8)
        return self.add("DequantizeLinear", self.add("QuantizeLinear", value, scale, zero), scale, zero)

    def weights(self, shape, axis):
        codes = self.constant(self.random.integers(-127, 128, shape), np.int8)
        count = shape[axis]
        scale = self.constant(self.random.uniform(0.5, 1, count) * 0.02 * (count / np.prod(shape)) ** 0.5)
        return self.add("DequantizeLinear", codes, scale, self.constant(np.zeros(count), np.int8), axis=axis)

    def conv(self, value, inputs, outputs, kernel=1, groups=1, stride=1):
        filters = self.weights((outputs, inputs // groups, kernel, kernel), 0)
        bias = self.constant(self.random.normal(size=outputs) * 0.1)
        pads = [kernel // 2] * 4
        return self.add("Conv", value, filters, bias, pads=pads, strides=[stride] * 2, group=groups)

    def product(self, value, inputs, outputs):
        sums = self.add("MatMul", value, self.weights((inputs, outputs), 1))
        return self.add("Add", sums, self.constant(self.random.normal(size=outputs) * 0.1))

    def save(self, path, last):
        self.add("Identity", last)
        self.nodes[-1].output[0] = "y"
        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, self.shape if name == "x" else None) for name in "xy"
        ]
        graph = helper.make_graph(self.nodes, "g", ends[:1], ends[1:], self.constants)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def pointwise(net):
    hidden = net.quantized(net.add("Relu", net.conv(net.last, 64, 128)))
    return net.quantized(net.conv(hidden, 128, 64))


def products_around_gelu(net):
    wide = net.quantized(net.product(net.last, 192, 768))
    half = net.add("Mul", wide, net.constant(0.5))
    erf = net.add("Erf", net.add("Div", wide, net.constant(np.sqrt(2))))
    wide = net.quantized(net.add("Mul", half, net.add("Add", erf, net.constant(1))))
    return net.quantized(net.product(wide, 768, 192))


def residual_chain(net):
    value = net.last
    for _ in range(3):
        inner = net.quantized(net.add("Relu", net.conv(value, 48, 96)))
        value = net.quantized(net.add("Add", value, net.quantized(net.conv(inner, 96, 48))))
    return value


def inverted_bottleneck(net):
    wide = net.quantized(net.add("Relu", net.conv(net.last, 32, 144)))
    deep = net.quantized(net.add("Relu", net.conv(wide, 144, 144, 3, 144)))
    pool = net.quantized(net.add("GlobalAveragePool", deep))
    gate = net.quantized(net.add("HardSigmoid", net.conv(pool, 144, 144)), 1 / 255, 0)
    deep = net.quantized(net.add("Mul", deep, gate))
    return net.quantized(net.conv(deep, 144, 32))


def windows(net):
    value = net.quantized(net.add("Relu", net.conv(net.last, 24, 40, 3)))
    value = net.quantized(net.conv(value, 40, 48, 3, 1, 2))
    return net.quantized(net.conv(value, 48, 24, 5))


def normalized_rows(net):
    value = net.quantized(net.product(net.last, 192, 192))
    value = net.quantized(net.add("Softmax", value, axis=-1), 1 / 255, 0)
    value = net.product(value, 192, 192)
    scale, bias = (net.constant(net.random.normal(size=192)) for _ in range(2))
    return net.quantized(net.add("LayerNormalization", value, scale, bias, axis=-1))


CHAINS = [
    (pointwise, [1, 64, 28, 28]),
    (products_around_gelu, [1, 100, 192]),
    (residual_chain, [1, 48, 21, 19]),
    (inverted_bottleneck, [1, 32, 24, 22]),
    (windows, [2, 24, 17, 19]),
    (normalized_rows, [1, 96, 192]),
]

STAYING = inverted_bottleneck, normalized_rows


class Ran:
    """A model on a machine: its result, cycles, DRAM traffic and what was said of its kernels."""

    def __init__(self, tenon, folder, model, x, *flags):
        np.save(folder / "x.npy", x)
        package, profile, out = folder / "m.tenon", folder / "p.json", folder / "out"
        for command in (
            ("compile", model, "-o", package, *flags),
            ("run", package, "--input", f"x={folder / 'x.npy'}", "--output-dir", out),
        ):
            done = tenon(*command)
            assert done.returncode == 0, done.stderr
        self.result, self.traffic, self.stays = np.load(out / "y.npy"), 0, 0
        if "native" not in flags:
            done = tenon("profile", package, "--device", "mortise", "--json", profile)
            assert done.returncode == 0, done.stderr
            rows = [row for row in json.loads(profile.read_text())["rows"] if row.get("cycles")]
            self.traffic = sum(sum(row["traffic"]["dram"].values()) for row in rows)
            self.stays = sum(row["schedule"].count("stays in the scratchpad") for row in rows)


def run_all(tenon, folder, build, shape, machine):
    net = Network(shape)
    net.save(folder / "m.onnx", build(net))
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32) * 3
    targets = ["native"], [f"mortise:{machine}", "--cascades", "off"], [f"mortise:{machine}"]
    return [Ran(tenon, folder, folder / "m.onnx", x, "--target", *target) for target in targets]


@pytest.mark.parametrize("machine", ["edge-512k", "u65-512"])
@pytest.mark.parametrize(("build", "shape"), CHAINS, ids=lambda value: getattr(value, "__name__", ""))
def test_chain(tenon, tmp_path, build, shape, machine):
    cpu, off, on = run_all(tenon, tmp_path, build, shape, machine)
    assert np.array_equal(on.result, off.result)
    # Means and roots of floats may differ in their last bits: by one step at most.
    assert np.abs(on.result - cpu.result).max() <= 0.0501
    assert np.unique(cpu.result).size > 5
    assert off.stays == 0
    if machine == "edge-512k" and build in STAYING:
        assert on.stays > 0
        assert on.traffic < off.traffic


def test_what_does_not_fit_goes_through_memory(tenon, tmp_path):
    _, off, on = run_all(tenon, tmp_path, pointwise, [1, 64, 160, 160], "edge-512k")
    assert np.array_equal(on.result, off.result)
    assert on.stays == 0
    assert on.traffic == off.traffic
