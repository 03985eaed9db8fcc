"""MobileNetV2 (width 1.0, 224 x 224) in int8 as ONNX, made from its table of layers.

    python bench/mobilenet_v2.py OUT.onnx

Nodes stand between QuantizeLinear and DequantizeLinear, as onnxruntime.quantization leaves them: activations are
unsigned bytes with one scale, weights signed bytes with a scale for each channel, biases 32-bit integers. A ReLU6 is the
range of the quantization behind it. Weights are random, of the size that keeps activations in range: cycles do not
depend on them.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

# Of a group of blocks: expansion, outputs, blocks, stride of the first.
BLOCKS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
RELU6 = (6 / 255, 0)  # scale and zero point
LINEAR = (16 / 255, 128)


class Builder:
    def __init__(self, seed: int):
        self.nodes, self.constants, self.scales = [], {}, {}
        self.random = np.random.default_rng(seed)

    def constant(self, name: str, value: np.ndarray) -> str:
        self.constants[name] = numpy_helper.from_array(value, name)
        return name

    def node(self, operation: str, inputs: list, output: str, **attributes) -> str:
        self.nodes.append(helper.make_node(operation, inputs, [output], name=f"{output}/{operation}", **attributes))
        return output

    def quantized(self, value: str, scale: float, zero: int, result: str = "") -> str:
        """The value as bytes and back."""
        numbers = [
            self.constant(f"{value}_scale", np.float32(scale)),
            self.constant(f"{value}_zero_point", np.uint8(zero)),
        ]
        stored = self.node("QuantizeLinear", [value, *numbers], f"{value}_q")
        result = self.node("DequantizeLinear", [stored, *numbers], result or f"{value}_dq")
        self.scales[result] = scale
        return result

    def weights(self, name: str, shape: tuple, source: str) -> list:
        """Weights and biases for each of the `shape[0]` outputs, dequantized."""
        outputs, spread = shape[0], 32
        bound = np.sqrt(2 / np.prod(shape[1:])) / spread
        scale = (bound * self.random.uniform(0.5, 1.5, outputs)).astype(np.float32)
        data = np.clip(np.round(self.random.normal(size=shape) * spread), -127, 127).astype(np.int8)
        bias_scale = (scale * np.float32(self.scales[source])).astype(np.float32)
        bias = np.round(self.random.normal(size=outputs) * 0.2 / bias_scale).astype(np.int32)
        names = []
        for part, values, by in (("weight", data, scale), ("bias", bias, bias_scale)):
            inputs = [
                self.constant(f"{name}.{part}_quantized", values),
                self.constant(f"{name}.{part}_scale", by),
                self.constant(f"{name}.{part}_zero_point", np.zeros(outputs, values.dtype)),
            ]
            names.append(self.node("DequantizeLinear", inputs, f"{name}.{part}", axis=0))
        return names

    def conv(self, name: str, source: str, channels: int, outputs: int, kernel=1, stride=1, groups=1, form=RELU6):
        operands = self.weights(name, (outputs, channels // groups, kernel, kernel), source)
        pads = [kernel // 2] * 4
        self.node(
            "Conv",
            [source, *operands],
            name,
            group=groups,
            kernel_shape=[kernel, kernel],
            pads=pads,
            strides=[stride, stride],
        )
        return self.quantized(name, *form)


def mobilenet_v2(seed: int = 0) -> onnx.ModelProto:
    net = Builder(seed)
    value, channels = net.quantized("x", 4 / 255, 128), 3
    value, channels = net.conv("features.0", value, channels, 32, 3, 2), 32
    index = 1
    for expansion, outputs, blocks, first in BLOCKS:
        for block in range(blocks):
            name, before, wide = f"features.{index}", value, channels * expansion
            if expansion > 1:
                value = net.conv(f"{name}.expand", value, channels, wide)
            value = net.conv(f"{name}.depthwise", value, wide, wide, 3, 1 if block else first, wide)
            value = net.conv(f"{name}.project", value, wide, outputs, form=LINEAR)
            if block:
                value = net.quantized(net.node("Add", [before, value], f"{name}.add"), *LINEAR)
            channels, index = outputs, index + 1
    value = net.conv(f"features.{index}", value, channels, 1280)
    axes = net.constant("mean_axes", np.array([2, 3], np.int64))
    value = net.quantized(net.node("ReduceMean", [value, axes], "mean", keepdims=1), *RELU6)
    shape = net.constant("flat_shape", np.array([1, 1280], np.int64))
    value = net.quantized(net.node("Reshape", [value, shape], "flat"), *RELU6)
    operands = net.weights("classifier", (1000, 1280), value)
    net.quantized(net.node("Gemm", [value, *operands], "logits", transB=1), *LINEAR, result="y")
    graph = helper.make_graph(
        net.nodes,
        "mobilenet_v2",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 224, 224])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 1000])],
        list(net.constants.values()),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT.onnx")
    onnx.save(mobilenet_v2(), parser.parse_args().out)


if __name__ == "__main__":
    main()
