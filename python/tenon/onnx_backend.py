"""ONNX's backend interface (onnx.backend.base.Backend) on Tenon, for ONNX's own test suite and its users.

import tenon.onnx_backend as backend
outputs = backend.prepare(model).run([x])
"""

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx.backend.base import Backend, BackendRep, Device, DeviceType

from ._compile import compile
from ._errors import RunError

__all__ = ["TenonBackend", "TenonRep", "is_compatible", "prepare", "run_model", "run_node", "supports_device"]


class TenonRep(BackendRep):
    """A prepared model: compiled once, run many times."""

    def __init__(self, model: onnx.ModelProto, **options: Any):
        stored = {tensor.name for tensor in model.graph.initializer}
        self.input_names = [i.name for i in model.graph.input if i.name not in stored]
        self.output_names = [o.name for o in model.graph.output]
        self.package = compile(model, **options)
        self.session = self.package.session(threads=1)

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Inputs in the graph's order, by name, or one array for the only input; outputs in the graph's order."""
        outputs = self.session.run(self._by_name(inputs))
        values = [outputs[name] for name in self.output_names]
        fields = [f"output{i}" if not n.isidentifier() else n for i, n in enumerate(self.output_names)]
        return namedtuple("Outputs", fields, rename=True)(*values)

    def _by_name(self, inputs: Any) -> dict[str, Any]:
        if isinstance(inputs, dict):
            return inputs
        if isinstance(inputs, np.ndarray):
            inputs = [inputs]
        if len(inputs) != len(self.input_names):
            expected = f"{len(self.input_names)} ({', '.join(self.input_names)})"
            raise RunError("TN0906", f"{len(inputs)} inputs are given, expected {expected}")
        return dict(zip(self.input_names, inputs, strict=True))


class TenonBackend(Backend):
    """Compiles for this machine's CPU."""

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> TenonRep:
        super().prepare(model, device, **kwargs)
        if not cls.supports_device(device):
            raise RunError("TN0505", f"there is no device '{device}', expected CPU")
        return TenonRep(model, **kwargs)

    @classmethod
    def run_model(cls, model: onnx.ModelProto, inputs: Any, device: str = "CPU", **kwargs: Any) -> tuple[Any, ...]:
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(
        cls,
        node: onnx.NodeProto,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Sequence[tuple[np.dtype, tuple[int, ...]]] | None = None,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        super().run_node(node, inputs, device, outputs_info, **kwargs)
        return cls.run_model(_model_of(node, inputs, outputs_info, kwargs.pop("opset_imports", None)), inputs, device)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        try:
            return Device(device).type == DeviceType.CPU
        except (AttributeError, ValueError):
            return False


def _model_of(node: onnx.NodeProto, inputs: Any, outputs_info, opset_imports) -> onnx.ModelProto:
    """A model of one node, typed by its inputs."""
    helper = onnx.helper
    names = [name for name in node.input if name]
    arrays = [np.asarray(inputs[n]) for n in names] if isinstance(inputs, dict) else [np.asarray(a) for a in inputs]
    typed = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for name, a in zip(names, arrays, strict=True)
    ]
    if outputs_info is not None:
        made = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
            for name, (dtype, shape) in zip(node.output, outputs_info, strict=True)
        ]
    else:
        made = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
    opsets = opset_imports or [helper.make_opsetid(node.domain, onnx.defs.onnx_opset_version())]
    model = helper.make_model(helper.make_graph([node], "node", typed, made), opset_imports=opsets)
    return model if outputs_info is not None else onnx.shape_inference.infer_shapes(model, strict_mode=True)


prepare = TenonBackend.prepare
run_model = TenonBackend.run_model
run_node = TenonBackend.run_node
supports_device = TenonBackend.supports_device
is_compatible = TenonBackend.is_compatible
