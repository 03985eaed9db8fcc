"""One class per engine: load a model for some number of threads, then run it on arrays that the caller owns.

`__init__` imports the engine's library, which no figure counts; `load(path, threads, inputs)` prepares everything that
happens once for a model (`load_ms`); `run()` is what is timed; `outputs()` gives the results of the last run by name.
"""

import os
from pathlib import Path

import numpy as np


class OnnxRuntime:
    """Inputs and outputs are bound to the caller's arrays, so that a run copies nothing."""

    def __init__(self) -> None:
        import onnxruntime

        self.library = onnxruntime

    def load(self, path: Path, threads: int, inputs: dict[str, np.ndarray]) -> None:
        options = self.library.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
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


class OpenVino:
    """Dimensions are fixed to those of the inputs, which is its faster form; one stream, f32."""

    def __init__(self) -> None:
        import openvino

        self.library = openvino

    def load(self, path: Path, threads: int, inputs: dict[str, np.ndarray]) -> None:
        core = self.library.Core()
        model = core.read_model(path)
        model.reshape({name: list(array.shape) for name, array in inputs.items()})
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
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


class Tenon:
    """`path` is a package, compiled beforehand in a process of its own."""

    def __init__(self) -> None:
        import tenon

        self.library = tenon

    def load(self, path: Path, threads: int, inputs: dict[str, np.ndarray]) -> None:
        self.session = self.library.load(str(path)).session(threads=threads)

    def bind(self, inputs: dict[str, np.ndarray]) -> None:
        self.inputs = inputs
        self.results = {name: np.array(value, order="C") for name, value in self.session.run(inputs).items()}

    def run(self) -> None:
        self.session.run_into(self.inputs, self.results)

    def outputs(self) -> dict[str, np.ndarray]:
        return self.results


ENGINES = {"tenon": Tenon, "onnxruntime": OnnxRuntime, "openvino": OpenVino}


def peak_memory_mb() -> float:
    """Peak resident memory of this process, in units of 1e6 bytes."""
    status = Path(f"/proc/{os.getpid()}/status").read_text()
    line = next(row for row in status.splitlines() if row.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6
