"""Quantized models: bit for bit what the oracle computes, at any number of workers and on every CPU level; layer by
layer what ONNX Runtime computes without its optimizations.

From end to end the two differ by more: a sum of rounded products and an exact sum end beside a tie now and then, and
what follows carries the quantum on. So layers are given ONNX Runtime's own intermediate tensors.
"""

import random

import numpy as np
import onnx
import pytest
from catalog import MODELS, needs_torch
from onnx import TensorProto, helper
from test_models import TARGETS, WITH_TORCH, options

import tenon

onnxruntime = pytest.importorskip("onnxruntime")

SHARE = 1e-3  # of elements that may be a quantum off
LAYERS = 12  # of each model, drawn with a fixed seed
NAMES = [
    pytest.param(name, marks=[pytest.mark.torch] if needs_torch(name) else [])
    for name, model in MODELS.items()
    if model.origin == "quantized" and (WITH_TORCH or not needs_torch(name))
]
every_quantized_model = pytest.mark.parametrize("name", NAMES)


def without_optimizations(model: onnx.ModelProto):
    """ONNX Runtime's session that runs every node as it stands."""
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])


class Layers:
    """What lies between quantized tensors, with the values of these."""

    def __init__(self, model: onnx.ModelProto, inputs: dict[str, np.ndarray]):
        self.model = model
        self.quantized = [n.output[0] for n in model.graph.node if n.op_type == "QuantizeLinear"]
        self.producers = {o: n for n in model.graph.node for o in n.output}
        self.constants = {i.name: i for i in model.graph.initializer}
        whole = onnx.ModelProto()
        whole.CopyFrom(model)
        del whole.graph.output[:]
        whole.graph.output.extend(helper.make_tensor_value_info(q, TensorProto.UINT8, None) for q in self.quantized)
        found = without_optimizations(whole).run(self.quantized, inputs)
        self.values = inputs | dict(zip(self.quantized, found, strict=True))

    def before(self, result: str) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
        """The model that computes one quantized tensor from those before it, and its inputs."""
        nodes, inputs, constants, seen = [], {}, [], set()

        def visit(name: str) -> None:
            if not name or name in seen:
                return
            seen.add(name)
            if name in self.constants:
                constants.append(self.constants[name])
            elif name in self.values and name != result:
                inputs[name] = self.values[name]
            else:
                for source in self.producers[name].input:
                    visit(source)
                if self.producers[name] not in nodes:
                    nodes.append(self.producers[name])

        visit(result)
        declared = [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
            for n, v in inputs.items()
        ]
        output = [helper.make_tensor_value_info(result, TensorProto.UINT8, None)]
        graph = helper.make_graph(nodes, "layer", declared, output, constants)
        version = self.model.ir_version
        return helper.make_model(graph, opset_imports=self.model.opset_import, ir_version=version), inputs


@every_quantized_model
def test_layers_agree_with_onnxruntime(name, collected):
    model = collected(name)
    layers = Layers(onnx.load(model.path), model.inputs(model.sizes()[-1]))
    assert len(layers.quantized) >= LAYERS
    elements = off = 0
    for result in random.Random(5).sample(layers.quantized, LAYERS):
        layer, inputs = layers.before(result)
        session = tenon.compile(layer.SerializeToString(), target=TARGETS[0], **options(TARGETS[0])).session(threads=1)
        distance = np.abs(session.run(inputs)[result].astype(int) - layers.values[result])
        assert distance.max() <= 1, f"{result}: {distance.max()} quanta off"
        elements += distance.size
        off += np.count_nonzero(distance)
    assert off <= SHARE * elements, f"{off} of {elements} elements are a quantum off"


@every_quantized_model
def test_same_bits_at_any_number_of_workers(name, collected, package_of):
    """The same bits at 1, 2 and 7 workers."""
    model = collected(name)
    inputs = model.inputs(model.sizes()[-1])
    for target in TARGETS:
        package = tenon.load(str(package_of(model, target)))
        first = package.session(threads=1).run(inputs)
        for threads in (2, 7):
            again = package.session(threads=threads).run(inputs)
            assert all(again[k].tobytes() == v.tobytes() for k, v in first.items()), f"{target}, {threads} workers"


def test_integer_chains_equal_the_oracle(collected):
    """MobileNetV3 has products, windows, means and hard activations: what integers and single operations determine."""
    model = collected("mobilenetv3_large_100_int8")
    inputs = model.inputs({})
    expected = tenon.compile(str(model.path), target="reference").session(threads=1).run(inputs)
    for target in TARGETS:
        package = tenon.compile(str(model.path), target=target, **options(target))
        found = package.session(threads=1).run(inputs)
        for output, value in expected.items():
            assert np.array_equal(found[output], value), f"{output} on {target}"
