"""One class per engine: load a model for some number of threads, then run it on arrays that the caller owns.

`__init__` imports the engine's library, which no figure counts; `load(path, threads, inputs)` prepares everything that
happens once for a model (`load_ms`); `bind(inputs)` hands over the caller's arrays; `run()` is what is timed;
`outputs()` gives the results of the last run by name. `precision` is `f32` or `bf16`; an engine without bf16 says so.
"""

import os
from pathlib import Path

import numpy as np


class Unsupported(Exception):
    """The engine cannot do what is asked; the message says why."""


def only_f32(engine: str, precision: str) -> None:
    if precision != "f32":
        raise Unsupported(f"{engine} computes in f32 here, not in {precision}")


class OnnxRuntime:
    """Inputs and outputs are bound to the caller's arrays, so that a run copies nothing."""

    optimized = True

    def __init__(self, precision: str = "f32") -> None:
        only_f32("onnxruntime", precision)
        import onnxruntime

        self.library = onnxruntime

    def load(self, path: Path, threads: int, inputs: dict[str, np.ndarray]) -> None:
        options = self.library.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        if not self.optimized:
            options.graph_optimization_level = self.library.GraphOptimizationLevel.ORT_DISABLE_ALL
        self.session = self.library.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def bind(self, inputs: dict[str, np.ndarray]) -> None:
        names = [o.name for o in self.session.get_outputs()]
        first = self.session.run(names, inputs)
        self.results = {name: np.array(value, order="C") for name, value in zip(names, first, strict=True)}
        self.binding = self.session.io_binding()
        for name, array in inputs.items():
            self.binding.bind_ortvalue_input(name, self.library.OrtValue.ortvalue_from_numpy(array))
        for name, array in self.results.items():
            self.binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)

    def run(self) -> None:
        self.session.run_with_iobinding(self.binding)

    def outputs(self) -> dict[str, np.ndarray]:
        return self.results


class Oracle(OnnxRuntime):
    """Node by node as the model says, without rewriting: what the others' results are compared with. Optimized int8
    graphs of any engine may differ from what the quantized model states."""

    optimized = False


class OpenVino:
    """Dimensions are fixed to those of the inputs; one stream."""

    fixed = True

    def __init__(self, precision: str = "f32") -> None:
        import openvino

        self.library, self.precision = openvino, precision

    def load(self, path: Path, threads: int, inputs: dict[str, np.ndarray]) -> None:
        core = self.library.Core()
        if self.precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise Unsupported("openvino finds no bf16 instructions on this CPU")
        model = core.read_model(path)
        if self.fixed:
            model.reshape({name: list(array.shape) for name, array in inputs.items()})
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": self.precision,
        }
        self.model = core.compile_model(model, "CPU", settings)
        self.request = self.model.create_infer_request()

    def bind(self, inputs: dict[str, np.ndarray]) -> None:
        for name, array in inputs.items():
            self.request.set_tensor(name, self.library.Tensor(array, shared_memory=True))

    def run(self) -> None:
        self.request.infer()

    def outputs(self) -> dict[str, np.ndarray]:
        return {name: np.array(self.request.get_tensor(o).data) for o in self.model.outputs for name in o.names}


class OpenVinoDynamic(OpenVino):
    """Dimensions stay as open as the model declares them."""

    fixed = False


class LiteRt:
    """`path` is a .tflite file (bench/conversion.py). The caller reads and writes the interpreter's own arrays, and
    inputs outlast a run, so that a run copies nothing. Kernels are XNNPACK's."""

    def __init__(self, precision: str = "f32") -> None:
        only_f32("litert", precision)
        from ai_edge_litert import interpreter

        self.library = interpreter

    def load(self, path: Path, threads: int, inputs: dict[str, np.ndarray]) -> None:
        self.engine = self.library.Interpreter(str(path), num_threads=threads)
        self.engine.allocate_tensors()

    def bind(self, inputs: dict[str, np.ndarray]) -> None:
        # Exported arguments are numbered: ..args_0, ..args_1.
        details = sorted(self.engine.get_input_details(), key=lambda d: d["name"])
        for detail, array in zip(details, inputs.values(), strict=True):
            self.engine.set_tensor(detail["index"], array.astype(detail["dtype"]))  # the exporter narrows int64
        self.results = {d["name"]: d["index"] for d in self.engine.get_output_details()}

    def run(self) -> None:
        self.engine.invoke()

    def outputs(self) -> dict[str, np.ndarray]:
        return {name: self.engine.get_tensor(index) for name, index in self.results.items()}


class Mnn:
    """`path` is an .mnn file (bench/conversion.py) with the names of its outputs beside it. MNN keeps its own arrays,
    in 32-bit integers where the model has 64; a run copies the inputs in and the outputs out."""

    def __init__(self, precision: str = "f32") -> None:
        import MNN

        self.library, self.precision = MNN, {"f32": "high", "bf16": "low_bf16"}[precision]

    def load(self, path: Path, threads: int, inputs: dict[str, np.ndarray]) -> None:
        self.names = path.with_suffix(".outputs").read_text().splitlines()
        runtime = self.library.nn.create_runtime_manager(
            ({"backend": "CPU", "numThread": threads, "precision": self.precision},)
        )
        self.module = self.library.nn.load_module_from_file(
            str(path), list(inputs), self.names, runtime_manager=runtime, shape_mutable=False
        )
        self.runtime = runtime

    def bind(self, inputs: dict[str, np.ndarray]) -> None:
        expr = self.library.expr
        narrow = {np.dtype(np.int64): np.int32, np.dtype(np.bool_): np.int32}
        self.sources = [np.ascontiguousarray(a, narrow.get(a.dtype, a.dtype)) for a in inputs.values()]
        kinds = {np.dtype(np.float32): expr.float, np.dtype(np.int32): expr.int}
        self.inputs = [expr.placeholder(list(a.shape), expr.NCHW, kinds[a.dtype]) for a in self.sources]

    def run(self) -> None:
        for variable, array in zip(self.inputs, self.sources, strict=True):
            variable.write(array)
        self.results = [self.as_planes(variable).read() for variable in self.module.forward(self.inputs)]

    def as_planes(self, variable):
        """Images come in blocks of channels."""
        expr = self.library.expr
        return expr.convert(variable, expr.NCHW) if variable.data_format == expr.NC4HW4 else variable

    def outputs(self) -> dict[str, np.ndarray]:
        return {name: np.array(value) for name, value in zip(self.names, self.results, strict=True)}


class Tenon:
    """`path` is a package, compiled beforehand in a process of its own."""

    def __init__(self, precision: str = "f32") -> None:
        import tenon

        self.library = tenon

    def load(self, path: Path, threads: int, inputs: dict[str, np.ndarray]) -> None:
        self.path = path
        self.session = self.library.load(str(path)).session(threads=threads)

    def bind(self, inputs: dict[str, np.ndarray]) -> None:
        self.inputs = inputs
        self.results = {name: np.array(value, order="C") for name, value in self.session.run(inputs).items()}

    def run(self) -> None:
        self.session.run_into(self.inputs, self.results)

    def outputs(self) -> dict[str, np.ndarray]:
        return self.results

    def flop(self) -> int:
        """Nominal: of the products, convolutions (however they are computed), windows and attentions of a run."""
        session = self.library.load(str(self.path)).session(threads=1, profile=True)
        session.run(self.inputs)
        return sum((row["flop"] or 0) * row["runs"] for row in session.profile if row["family"] in PRODUCTS)


PRODUCTS = ("contraction", "conv", "winograd", "window", "attention")
ENGINES = {
    "tenon": Tenon,
    "onnxruntime": OnnxRuntime,
    "openvino": OpenVino,
    "openvino_dynamic": OpenVinoDynamic,
    "litert": LiteRt,
    "mnn": Mnn,
    "oracle": Oracle,
}


def peak_memory_mb() -> float:
    """Peak resident memory of this process, in units of 1e6 bytes."""
    status = Path(f"/proc/{os.getpid()}/status").read_text()
    line = next(row for row in status.splitlines() if row.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


def pin(threads: int) -> None:
    """Keeps this process on the last `threads` CPUs that it may use: the first one serves most interrupts."""
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, allowed[-threads:])
