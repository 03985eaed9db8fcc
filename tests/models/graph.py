"""A small ONNX graph builder: operators become method calls that return the name of their result."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 18
ELEMENT = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64}


class Graph:
    """Collects nodes and initializers. `graph.MatMul(a, b)` appends a node and returns its output's name."""

    def __init__(self, name: str):
        self.name = name
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, onnx.TensorProto] = {}
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, dtype: str, shape: list) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, ELEMENT[dtype], shape))
        return name

    def output(self, value: str, name: str, dtype: str, shape: list) -> None:
        self.nodes.append(helper.make_node("Identity", [value], [name], name=f"{name}.output"))
        self.outputs.append(helper.make_tensor_value_info(name, ELEMENT[dtype], shape))

    def weight(self, name: str, value: np.ndarray) -> str:
        """An initializer; a repeated name must mean the same tensor and is stored once."""
        if name not in self.weights:
            self.weights[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def ints(self, *values: int) -> str:
        return self.weight("ints_" + "_".join(map(str, values)).replace("-", "m"), np.array(values, np.int64))

    def scalar(self, value: float) -> str:
        return self.weight(f"scalar_{value:g}", np.array(value, np.float32))

    def node(self, op: str, *operands: str, outputs: int = 1, **attributes) -> str | list[str]:
        label = f"{op}_{len(self.nodes)}"
        results = [label] if outputs == 1 else [f"{label}.{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(operands), results, name=label, **attributes))
        return results[0] if outputs == 1 else results

    def __getattr__(self, op: str):
        if not op[:1].isupper():
            raise AttributeError(op)
        return lambda *operands, **attributes: self.node(op, *operands, **attributes)

    def model(self) -> onnx.ModelProto:
        graph = helper.make_graph(self.nodes, self.name, self.inputs, self.outputs, list(self.weights.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
        onnx.checker.check_model(model, full_check=True)
        return model
