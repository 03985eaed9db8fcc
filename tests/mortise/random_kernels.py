"""Random kernels on random machines of the family Mortise, compared with the CPU.

    python tests/mortise/random_kernels.py [--runs N] [--seed S]

A case is a small quantized or bf16 product with what may follow it, attention, elementwise work, or elements that move,
and a description of a machine. It is compiled for the CPU and for the machine, and both run on the same inputs. Bytes
that integers alone lead to must be equal; behind a float function at most one quantum apart on at most one element in a
thousand. A case can be repeated by its number.
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import tenon

MACHINE = """
name: random-{number}
megahertz: 1000
scratchpad: {{bytes: {scratchpad}, banks: {banks}, width: {width}, interleave: {width}}}
accumulators: {{bytes: {accumulators}, banks: {accumulator_banks}}}
matrix:
  rows: {rows}
  columns: {columns}
  positions: {positions}
  dataflow: ws
  timing: overlapped
  weight_tiles: {weight_tiles}
  issue_gap: {issue_gap}
  rates: {{i8: 1, bf16: {bf16}}}
vector: {{lanes: {lanes}, special_cycles: {special}}}
dma:
  in_channels: {channels}
  out_channels: 1
  dimensions: 4
  max_count: 65535
  max_stride: 2147483647
  in_flight: {flight}
  setup: {setup}
queue_depth: {queue}
dram: {{bytes: 1073741824, bytes_per_cycle: {bandwidth}, latency: {latency}, burst: {burst}}}
{second}energy: {{source: none, static_per_cycle: 0, actions: {{}}}}
"""
SECOND = "l2: {{bytes: {bytes}, bytes_per_cycle: 16, latency: 24, burst: 32}}\n"
FLOATS = ("Tanh", "Exp", "Sigmoid", "Sqrt", "Erf")


def random_machine(rng: np.random.Generator, number: int) -> str:
    def pick(*values):
        return values[rng.integers(len(values))]

    columns = pick(8, 16, 32, 64)
    second = SECOND.format(bytes=pick(65536, 1048576)) if pick(0, 0, 1) else ""
    return MACHINE.format(
        number=number, scratchpad=pick(32768, 65536, 131072, 524288), banks=pick(8, 16, 32), width=pick(16, 32, 64),
        accumulators=columns * 4 * pick(64, 256, 512), accumulator_banks=pick(1, 2), rows=pick(8, 16, 32, 64),
        columns=columns, positions=pick(1, 1, 2, 4), weight_tiles=pick(1, 2, 4), issue_gap=pick(1, 2, 4),
        bf16=pick(1, 0.5), lanes=pick(8, 16, 32, 64), special=pick(1, 4), channels=pick(1, 2, 3), flight=pick(4, 8, 16),
        setup=pick(0, 16, 32), queue=pick(4, 8, 16), bandwidth=pick(1, 4, 16, 32), latency=pick(20, 100),
        burst=pick(32, 64, 128), second=second,
    )  # fmt: skip


@dataclass
class Case:
    """A model under construction, and how its results are compared."""

    rng: np.random.Generator
    nodes: list = field(default_factory=list)
    constants: list = field(default_factory=list)
    inputs: dict = field(default_factory=dict)
    exact: bool = True
    options: dict = field(default_factory=dict)

    def pick(self, *values):
        return values[self.rng.integers(len(values))]

    def name(self) -> str:
        return f"v{len(self.nodes) + len(self.constants) + len(self.inputs)}"

    def constant(self, value: np.ndarray) -> str:
        name = self.name()
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def input(self, value: np.ndarray) -> str:
        name = self.name()
        self.inputs[name] = value
        return name

    def node(self, operation: str, *operands: str, **attributes) -> str:
        name = self.name()
        self.nodes.append(helper.make_node(operation, list(operands), [name], **attributes))
        return name

    def scale(self, low: float, high: float, shape=()) -> np.ndarray:
        return self.rng.uniform(low, high, shape).astype(np.float32)

    def bytes_input(self, shape: tuple) -> str:
        """A dequantized input of bytes."""
        x = self.input(self.rng.integers(0, 256, shape).astype(np.uint8))
        zero = self.constant(np.array(self.rng.integers(0, 256), np.uint8))
        return self.node("DequantizeLinear", x, self.constant(self.scale(0.01, 0.1)), zero)

    def quantized(self, x: str, scale: np.ndarray) -> str:
        zero = self.constant(np.array(self.pick(0, 128, self.rng.integers(0, 256)), np.uint8))
        return self.node("QuantizeLinear", x, self.constant(scale), zero)

    def activation(self, x: str) -> str:
        kind = self.pick("none", "none", "Relu", "Clip", "HardSwish", *FLOATS[:1])
        if kind == "none":
            return x
        if kind == "Clip":
            return self.node("Clip", x, self.constant(np.float32(0)), self.constant(np.float32(6)))
        self.exact &= kind not in FLOATS
        return self.node(kind, x)

    def weights(self, shape: tuple, axis: int) -> str:
        w = self.constant(self.rng.integers(-128, 128, shape).astype(np.int8))
        scale = self.constant(self.scale(0.001, 0.01, shape[axis]))
        return self.node("DequantizeLinear", w, scale, self.constant(np.zeros(shape[axis], np.int8)), axis=axis)

    def model(self, output: str) -> onnx.ModelProto:
        inputs = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
            for name, value in self.inputs.items()
        ]
        y = helper.make_tensor_value_info(output, TensorProto.UNDEFINED, None)
        graph = helper.make_graph(self.nodes, "graph", inputs, [y], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
        return onnx.shape_inference.infer_shapes(model)


def convolution(case: Case) -> str:
    """A quantized convolution, an activation, perhaps a sum with another tensor, bytes again."""
    channels, outputs = (int(case.pick(3, 8, 16, 20, 33, 64)) for _ in range(2))
    groups = 1
    if case.pick(0, 0, 0, 1):
        groups, channels, outputs = 2, channels + channels % 2, outputs + outputs % 2
    window = [int(case.pick(1, 1, 3, 3, 5)), int(case.pick(1, 3))]
    size = [int(case.rng.integers(w, 14)) for w in window]
    pads = [int(case.rng.integers(0, w // 2 + 1)) for w in window]
    strides = [int(case.pick(1, 1, 2)) for _ in window]
    batch = int(case.pick(1, 1, 2))
    x = case.bytes_input((batch, channels, *size))
    w = case.weights((outputs, channels // groups, *window), 0)
    bias = case.constant(case.scale(-1, 1, outputs))
    y = case.node("Conv", x, w, bias, kernel_shape=window, pads=pads * 2, strides=strides, group=groups)
    y = case.activation(y)
    if case.pick(0, 0, 1):
        shape = [(n + 2 * p - k) // s + 1 for n, p, k, s in zip(size, pads, window, strides, strict=True)]
        y = case.node("Add", quantize_both_ways(case, y), case.bytes_input((batch, outputs, *shape)))
    return case.quantized(y, case.scale(0.02, 0.2))


def quantize_both_ways(case: Case, x: str) -> str:
    scale, zero = case.constant(case.scale(0.02, 0.2)), case.constant(np.array(100, np.uint8))
    return case.node("DequantizeLinear", case.node("QuantizeLinear", x, scale, zero), scale, zero)


def matrix(case: Case) -> str:
    rows, depth, columns = int(case.pick(1, 7, 49, 130)), int(case.pick(16, 33, 64, 100)), int(case.pick(8, 40, 65))
    x = case.bytes_input((rows, depth))
    y = case.node("MatMul", x, case.weights((depth, columns), 1))
    y = case.node("Add", y, case.constant(case.scale(-1, 1, columns)))
    return case.quantized(case.activation(y), case.scale(0.02, 0.2))


def bf16_matrix(case: Case) -> str:
    case.exact, case.options = False, {"precision": "bf16"}
    rows, depth, columns = int(case.pick(1, 9, 60)), int(case.pick(16, 40, 96)), int(case.pick(8, 48))
    x = case.input(case.rng.standard_normal((rows, depth)).astype(np.float32))
    y = case.node("MatMul", x, case.constant(case.rng.standard_normal((depth, columns)).astype(np.float32)))
    y = case.node("Add", y, case.constant(case.scale(-1, 1, columns)))
    return case.node("Relu", y) if case.pick(0, 1) else y


def attention(case: Case) -> str:
    """Scores, a mask perhaps, softmax, weighted sum; heads lie before or behind the rows."""
    case.exact, case.options = False, {"precision": "bf16"}
    batch, heads, depth, width = (int(case.pick(*sizes)) for sizes in ((1, 2), (1, 3), (8, 15, 32, 40), (8, 24, 33)))
    queries, keys = int(case.pick(1, 17, 40, 70)), int(case.pick(1, 9, 40, 150))
    interleaved = bool(case.pick(0, 1))

    def operand(rows: int, elements: int, to: list) -> str:
        shape = (batch, rows, heads, elements) if interleaved else (batch, heads, rows, elements)
        x = case.input(case.rng.standard_normal(shape).astype(np.float32))
        order = [(0, 2, 1, 3)[axis] for axis in to] if interleaved else to
        return x if order == [0, 1, 2, 3] else case.node("Transpose", x, perm=order)

    scores = case.node("MatMul", operand(queries, depth, [0, 1, 2, 3]), operand(keys, depth, [0, 1, 3, 2]))
    scores = case.node("Mul", scores, case.constant(np.float32(depth**-0.5)))
    if case.pick(0, 1):
        shape = (int(case.pick(1, batch)), 1, int(case.pick(1, queries)), keys)
        scores = case.node("Add", scores, case.input(case.pick(0, -1e4) * (case.rng.random(shape) < 0.3).astype("f4")))
    y = case.node("MatMul", case.node("Softmax", scores, axis=-1), operand(keys, width, [0, 1, 2, 3]))
    return case.node("Transpose", y, perm=[0, 2, 1, 3]) if interleaved else y


def elementwise(case: Case) -> str:
    """A chain of operations on floats or on dequantized bytes."""
    shape = tuple(int(n) for n in case.rng.integers(1, 40, case.pick(1, 2, 3)))
    isByte = bool(case.pick(0, 1))
    x = case.bytes_input(shape) if isByte else case.input(case.rng.standard_normal(shape).astype(np.float32))
    other = case.bytes_input(shape) if case.pick(0, 1) else case.constant(np.float32(1.75))
    for _ in range(int(case.rng.integers(1, 5))):
        operation = case.pick("Add", "Sub", "Mul", "Max", "Min", "Div", "Abs", "Neg", "Relu", *FLOATS[:3])
        if operation in ("Abs", "Neg", "Relu", *FLOATS):
            case.exact &= operation not in FLOATS
            x = case.node(operation, case.node("Min", x, case.constant(np.float32(4))) if operation == "Exp" else x)
        else:
            x = case.node(operation, x, case.constant(np.float32(3.3)) if operation == "Div" else other)
    return case.quantized(x, case.scale(0.02, 0.2)) if isByte else x


def rows(case: Case) -> str:
    """Totals over the last axis (softmax, norms, means), of floats or dequantized bytes."""
    shape = (*(int(n) for n in case.rng.integers(1, 12, case.pick(0, 1, 2))), int(case.pick(*range(1, 140), 300, 700)))
    is_byte = bool(case.pick(0, 1))
    if case.pick(0, 0, 1):
        case.options = {"precision": "bf16"}
    x = case.bytes_input(shape) if is_byte else case.input(case.rng.standard_normal(shape).astype(np.float32))
    if case.pick(0, 1):
        x = case.node("Add", x, broadcast_input(case, shape))
    kind = case.pick("Softmax", "LayerNormalization", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum")
    case.exact = kind in ("ReduceMax", "ReduceMin")
    if kind == "Softmax":
        x = case.node(kind, x, axis=-1)
    elif kind == "LayerNormalization":
        scale, bias = (case.constant(case.scale(-1, 1, shape[-1])) for _ in range(2))
        x = case.node(kind, x, scale, bias, axis=-1, epsilon=1e-3)
    elif kind == "ReduceSum":
        x = case.node(kind, x, case.constant(np.array([-1])), keepdims=case.pick(0, 1))
    else:
        x = case.node(kind, x, axes=[-1], keepdims=case.pick(0, 1))
    return case.quantized(x, case.scale(0.02, 0.2)) if is_byte else x


def broadcast_input(case: Case, shape: tuple) -> str:
    """Floats that repeat along some axes of a shape."""
    extents = tuple(int(case.pick(n, 1)) for n in shape)
    return case.input(case.rng.standard_normal(extents).astype(np.float32))


def broadcast(case: Case) -> str:
    """Elementwise work whose operands repeat along any axes."""
    shape = tuple(int(n) for n in case.rng.integers(1, 20, case.pick(2, 3, 4)))
    x = case.input(case.rng.standard_normal(shape).astype(np.float32))
    for _ in range(int(case.rng.integers(1, 5))):
        x = case.node(case.pick("Add", "Sub", "Mul", "Max"), x, broadcast_input(case, shape))
    if case.pick(0, 0, 1):
        x = case.node("Where", case.node("Less", x, broadcast_input(case, shape)), x, broadcast_input(case, shape))
    return x


def computed_matrices(case: Case) -> str:
    """A product of two inputs, whose right one may be transposed: each matrix of a batch has its own."""
    batch = [int(case.pick(1, 2, 3)) for _ in range(int(case.pick(0, 1, 2)))]
    rows, depth, columns = int(case.pick(1, 7, 49, 130)), int(case.pick(5, 16, 33, 100)), int(case.pick(3, 8, 40, 65))
    turned = bool(case.pick(0, 1))
    right_shape = (*batch, columns, depth) if turned else (*batch, depth, columns)
    if case.pick(0, 0, 1):
        case.exact, case.options = False, {"precision": "bf16"}
        left, right = (
            case.input(case.rng.standard_normal(shape).astype(np.float32))
            for shape in ((*batch, rows, depth), right_shape)
        )
    else:
        left, right = case.bytes_input((*batch, rows, depth)), case.bytes_input(right_shape)
    if turned:
        axes = list(range(len(right_shape)))
        right = case.node("Transpose", right, perm=[*axes[:-2], axes[-1], axes[-2]])
    y = case.node("MatMul", left, right)
    return y if case.options else case.quantized(y, case.scale(0.1, 1))


def moved(case: Case) -> str:
    """Elements that move, with elementwise work between."""
    shape = [int(n) for n in case.rng.integers(1, 30, case.pick(1, 2, 3, 4))]
    kind = case.pick(np.uint8, np.int8, np.float32)
    values = case.rng.integers(-100, 100, shape) if kind != np.uint8 else case.rng.integers(0, 256, shape)
    x = case.input(values.astype(kind))
    for _ in range(int(case.rng.integers(1, 5))):
        operation = case.pick("Transpose", "Slice", "Pad", "Concat", "Reshape", "elementwise")
        axis = int(case.rng.integers(len(shape)))
        if operation == "Transpose":
            order = [int(a) for a in case.rng.permutation(len(shape))]
            x, shape = case.node("Transpose", x, perm=order), [shape[a] for a in order]
        elif operation == "Slice":
            first, step = int(case.rng.integers(shape[axis])), int(case.pick(1, 1, 2, 3))
            bounds = [case.constant(np.array([n], np.int64)) for n in (first, shape[axis], axis, step)]
            x = case.node("Slice", x, *bounds)
            shape[axis] = -(-(shape[axis] - first) // step)
        elif operation == "Pad":
            low, high = ([int(n) for n in case.rng.integers(0, 3, len(shape))] for _ in range(2))
            x = case.node("Pad", x, case.constant(np.array(low + high, np.int64)), case.constant(np.array(7, kind)))
            shape = [a + n + b for a, n, b in zip(low, shape, high, strict=True)]
        elif operation == "Concat":
            x, shape[axis] = case.node("Concat", x, x, axis=axis), 2 * shape[axis]
        elif operation == "Reshape":
            whole = int(np.prod(shape))
            part = next(n for n in (4, 3, 2, 1) if whole % n == 0)
            shape = [part, whole // part]
            x = case.node("Reshape", x, case.constant(np.array(shape, np.int64)))
        elif kind == np.float32:
            x = case.node(case.pick("Abs", "Neg", "Relu"), x)
    return x


KINDS = (
    convolution,
    convolution,
    matrix,
    bf16_matrix,
    elementwise,
    rows,
    rows,
    broadcast,
    computed_matrices,
    moved,
    moved,
    attention,
)


def difference(case: Case, cpu: np.ndarray, npu: np.ndarray) -> str:
    """What is wrong, or nothing."""
    if cpu.dtype != npu.dtype or cpu.shape != npu.shape:
        return f"expected {cpu.dtype}{cpu.shape}, found {npu.dtype}{npu.shape}"
    if cpu.dtype != np.float32:
        apart = np.abs(cpu.astype(int) - npu.astype(int))
        allowed = 0 if case.exact else max(1, apart.size // 1000)
        if apart.max(initial=0) > (0 if case.exact else 1) or np.count_nonzero(apart) > allowed:
            return f"{np.count_nonzero(apart)} of {apart.size} bytes differ, by up to {apart.max()}"
        return ""
    most = np.abs(cpu).max(initial=0)
    apart = np.abs(cpu.astype(np.float64) - npu).max(initial=0)
    limit = (1e-5 if not case.options else 1e-2) * max(most, 1e-3)
    return "" if apart <= limit else f"differs by {apart:.3g} where {limit:.3g} is allowed"


def run_case(number: int) -> tuple[str, bool]:
    """Compares a case on both sides: what is wrong, or nothing, and whether the machine took part."""
    rng = np.random.default_rng(number)
    case = Case(rng)
    output = KINDS[rng.integers(len(KINDS))](case)
    model = case.model(output)
    machine = random_machine(rng, number)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "machine.yaml"
        path.write_text(machine)
        results = []
        for target in ("native", f"mortise:{path}"):
            session = tenon.compile(model, target=target, **case.options).session(threads=1, profile=True)
            results.append(session.run(case.inputs)[output])
    return difference(case, *results), any(row.get("cycles") for row in session.profile)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="number of the first case")
    options = parser.parse_args()
    wrong = taken = 0
    for number in range(options.seed, options.seed + options.runs):
        if sys.stderr.isatty():
            print(f"\rcase {number}", end="", file=sys.stderr)
        try:
            found, device = run_case(number)
            taken += device
        except (tenon.CompileError, tenon.RunError) as error:
            found = f"{type(error).__name__}: {error}"
        if found:
            wrong += 1
            print(f"case {number}: {found}", flush=True)
    print(f"{options.runs} cases, {taken} on the machine, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
