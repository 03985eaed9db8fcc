"""Depthwise convolutions of integers, and images that are padded: on machines with few lanes and with many."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

STEP = 0.05


class Network:
    """Quantized convolutions of an image of bytes whose channels are innermost."""

    def __init__(self, rows, columns, channels, signed=False):
        self.nodes, self.constants, self.random = [], [], np.random.default_rng(3)
        self.type = np.int8 if signed else np.uint8
        self.shape, self.channels = [1, rows, columns, channels], channels
        self.last = self.add("Transpose", "x", perm=[0, 3, 1, 2])

    def constant(self, value, dtype=np.float32):
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), f"c{len(self.constants)}"))
        return self.constants[-1].name

    def add(self, op, *inputs, **attributes):
        self.nodes.append(
            helper.make_node(op, inputs, [f"v{len(self.nodes)}"], f"{op}_{len(self.nodes)}", **attributes)
        )
        return self.nodes[-1].output[0]

    def dequantized(self, codes, zero=128):
        return self.add("DequantizeLinear", codes, self.constant(STEP), self.constant(self.zero(zero), self.type))

    def zero(self, of_bytes):
        return of_bytes - 128 if self.type is np.int8 else of_bytes

    def conv(self, outputs, kernel, stride=1, groups=1, pads=None):
        shape = (outputs, self.channels // groups, kernel, kernel)
        weights = self.constant(self.random.integers(-127, 128, shape), np.int8)
        step = self.random.uniform(0.5, 1, outputs) * 0.03 / np.prod(shape[1:]) ** 0.5
        zeros = self.constant(np.zeros(outputs), np.int8)
        filters = self.add("DequantizeLinear", weights, self.constant(step), zeros, axis=0)
        bias = self.constant(self.random.integers(-999, 999, outputs), np.int32)
        bias = self.add(
            "DequantizeLinear",
            bias,
            self.constant((step * STEP).astype(np.float32)),
            self.constant(np.zeros(outputs), np.int32),
            axis=0,
        )
        pads = [kernel // 2] * 4 if pads is None else pads
        image = self.dequantized(self.last)
        sums = self.add("Conv", image, filters, bias, pads=pads, strides=[stride] * 2, group=groups)
        self.last = self.add("QuantizeLinear", sums, self.constant(STEP), self.constant(self.zero(120), self.type))
        self.channels = outputs

    def save(self, path):
        self.add("Transpose", self.last, perm=[0, 2, 3, 1])
        self.nodes[-1].output[0] = "y"
        type_ = TensorProto.INT8 if self.type is np.int8 else TensorProto.UINT8
        ends = [helper.make_tensor_value_info("x", type_, self.shape), helper.make_tensor_value_info("y", type_, None)]
        graph = helper.make_graph(self.nodes, "g", ends[:1], ends[1:], self.constants)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)

    def image(self):
        limits = np.iinfo(self.type)
        return self.random.integers(limits.min, limits.max + 1, self.shape).astype(self.type)


def compare(tenon, folder, network, machine):
    """Asserts that the machine's results are the CPU's; returns how the kernels were cut."""
    network.save(folder / "m.onnx")
    np.save(folder / "x.npy", network.image())
    results, package = [], folder / "m.tenon"
    for target in ("native", f"mortise:{machine}"):
        done = tenon("compile", folder / "m.onnx", "-o", package, "--target", target)
        assert done.returncode == 0, done.stderr
        done = tenon("run", package, "--input", f"x={folder / 'x.npy'}", "--output-dir", folder / target[:3])
        assert done.returncode == 0, done.stderr
        results.append(np.load(folder / target[:3] / "y.npy"))
    np.testing.assert_array_equal(*results)
    assert np.unique(results[0]).size > 20
    done = tenon("inspect", package)
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if "(Conv): " in line]


@pytest.mark.parametrize(
    ("rows", "channels", "kernel", "stride", "signed"),
    [(28, 48, 3, 1, False), (29, 24, 3, 2, True), (14, 36, 5, 1, False), (56, 96, 3, 2, False), (12, 7, 3, 1, True)],
)
@pytest.mark.parametrize("machine", ["u55-256", "edge-512k"])
def test_depthwise(tenon, tmp_path, machine, rows, channels, kernel, stride, signed):
    network = Network(rows, rows + 3, 8, signed)
    network.conv(channels, 1)
    network.conv(channels, kernel, stride, channels)
    network.conv(16, 1)
    compare(tenon, tmp_path, network, machine)


@pytest.mark.parametrize(
    ("rows", "channels", "form"),
    [(28, 96, "each channel by itself on the array"), (4, 960, "window on the vector core")],
)
def test_array_takes_large_images(tenon, tmp_path, rows, channels, form):
    """Filters with zeros take eight times as long to load, which few pixels do not make up for."""
    network = Network(rows, rows, 16)
    network.conv(channels, 1)
    network.conv(channels, 3, 1, channels)
    network.conv(24, 1)
    assert form in "\n".join(compare(tenon, tmp_path, network, "u55-256"))


@pytest.mark.parametrize("machine", ["u55-256", "edge-512k"])
def test_images_of_three_channels_are_read_as_they_are(tenon, tmp_path, machine):
    network = Network(33, 40, 3)
    network.conv(16, 3, 2, pads=[1, 0, 1, 2])
    network.conv(8, 1)
    kernels = compare(tenon, tmp_path, network, machine)
    assert len(kernels) == 2  # nothing pads apart
