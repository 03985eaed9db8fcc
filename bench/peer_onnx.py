"""Makes a network of `peer_networks` an int8 ONNX model in the QDQ format, as quantizers leave it."""

import numpy as np
import onnx
import peer_networks
from onnx import TensorProto, helper, numpy_helper


class Model:
    def __init__(self):
        self.nodes, self.constants = [], []
        self.steps: dict[str, np.float32] = {}  # of values, by name
        self.random = np.random.default_rng(1)

    def constant(self, value: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(value, f"c{len(self.constants)}"))
        return self.constants[-1].name

    def add(self, op: str, name: str, *inputs: str, **attributes) -> str:
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def quantize(self, value: str, bound: float | None, coded: bool = False) -> str:
        """Codes of 8 bits and back: from 0 to `bound`, which is all of a rectifier that is left, or symmetric.

        `coded`: the value is codes already.
        """
        step = np.float32(0.05 if bound is None or np.isinf(bound) else bound / 255)
        scale, zero = self.constant(step), self.constant(np.uint8(128 if bound is None else 0))
        codes = self.add("QuantizeLinear", f"{value}_codes", value, scale, zero) if not coded else value
        self.steps[f"{value}_value"] = step
        return self.add("DequantizeLinear", f"{value}_value", codes, scale, zero)

    def parameters(self, name: str, source: str, shape: tuple[int, ...]) -> tuple[str, str]:
        """Filters with a scale each, and a bias in steps of the products, which are 32-bit integers."""
        # A rectifier leaves half of the power: so values neither vanish nor all reach their limits.
        steps = np.full(shape[0], (np.prod(shape[1:]) / 2) ** -0.5 / 32, np.float32)
        codes = self.constant(peer_networks.draw_weights(self.random, shape))
        scale, zeros = self.constant(steps), self.constant(np.zeros(shape[0], np.int8))
        filters = self.add("DequantizeLinear", f"{name}_filters", codes, scale, zeros, axis=0)
        codes = self.constant(self.random.integers(-100, 101, shape[0]).astype(np.int32))
        scale, zeros = self.constant(steps * self.steps[source]), self.constant(np.zeros(shape[0], np.int32))
        return filters, self.add("DequantizeLinear", f"{name}_bias", codes, scale, zeros, axis=0)

    def layer(self, layer: peer_networks.Layer, sources: list[str]) -> str:
        name = layer.name
        if layer.kind == "add":
            return self.add("Add", name, *sources)
        if layer.kind == "mean":
            return self.add("GlobalAveragePool", name, sources[0])
        window = {"kernel_shape": [layer.kernel] * 2, "strides": [layer.stride] * 2, "pads": [layer.kernel // 2] * 4}
        if layer.kind == "max_pool":
            return self.add("MaxPool", name, sources[0], **window)
        if layer.kind == "dense":
            flat = self.add("Flatten", f"{name}_flat", sources[0])
            parameters = self.parameters(name, sources[0], (layer.outputs, layer.inputs))
            return self.add("Gemm", name, flat, *parameters, transB=1)
        depth, groups = (1, layer.outputs) if layer.kind == "depthwise" else (layer.inputs, 1)
        parameters = self.parameters(name, sources[0], (layer.outputs, depth, layer.kernel, layer.kernel))
        return self.add("Conv", name, sources[0], *parameters, group=groups, **window)


def make_onnx(layers: list[peer_networks.Layer], rows: int, path) -> None:
    """Writes the network of `layers` for an image of `rows` rows and columns, which is 8-bit codes already.

    The image has its channels innermost, as the peer's has, so that nobody's figures hold a transposition.

    The nodes' names are the layers' names.
    """
    model = Model()
    model.add("Transpose", "planes", "image", perm=[0, 3, 1, 2])
    values = {"": model.quantize("planes", None, coded=True)}
    for layer in layers:
        values[layer.name] = model.quantize(
            model.layer(layer, [values[source] for source in layer.sources]), layer.limit
        )
    ends = [
        helper.make_tensor_value_info("image", TensorProto.UINT8, [1, rows, rows, layers[0].inputs]),
        helper.make_tensor_value_info(values[layers[-1].name], TensorProto.FLOAT, None),
    ]
    graph = helper.make_graph(model.nodes, "network", ends[:1], ends[1:], model.constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
