"""Target `reference`: the slow, obvious interpreter that compiled code is compared with."""

import ctypes
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from . import _compiler
from ._dtypes import NAMES, TYPES, code_of, is_packed, to_memory, unpack
from ._errors import CompileError, PackageError, RunError
from ._package import TensorInfo
from ._runtime import dtype_name
from ._session import as_array

_BY_NAME = {dtype_name(code): code for code in NAMES}


class ReferencePackage:
    """A model for the interpreter: like a `Package`, but it cannot be saved."""

    def __init__(self, model: Path | bytes, flags: list[tuple[str, str]]):
        self._model, self._flags = model, flags
        self._report = json.loads(self._check().text())

    def _call(self, function, *arguments) -> _compiler.Result:
        options, count = _compiler.make_options(self._flags)
        model = _compiler.make_model("main", self._model)
        return _compiler.Result(function(ctypes.byref(model), options, count, *arguments))

    def _check(self) -> _compiler.Result:
        result = self._call(_compiler.library().tenon_compiler_check)
        result.check()
        return result

    @cached_property
    def inputs(self) -> tuple[TensorInfo, ...]:
        return self._tensors("inputs")

    @cached_property
    def outputs(self) -> tuple[TensorInfo, ...]:
        return self._tensors("outputs")

    def _tensors(self, field: str) -> tuple[TensorInfo, ...]:
        rows = self._report.get(field, [])
        return tuple(TensorInfo(r["name"], TYPES[_BY_NAME[r["dtype"]]], tuple(r["shape"])) for r in rows)

    def save(self, path) -> None:
        raise PackageError("TN0511", "target 'reference' makes no package to save; compile for another target")

    def session(self, threads: int | None = None, function: str = "main", profile: bool = False) -> "ReferenceSession":
        """`threads` has no effect; there is no profile."""
        return ReferenceSession(self)


class ReferenceSession:
    """Evaluates the model from the start at each run."""

    def __init__(self, package: ReferencePackage):
        self.package = package

    def run(self, inputs: Mapping[str, Any], function: str | None = None) -> dict[str, np.ndarray]:
        """As Session.run."""
        expected = {t.name: code_of(t.dtype, 1) for t in self.package.inputs}
        tensors, held = (_compiler.Tensor * max(len(inputs), 1))(), []
        for slot, (name, value) in zip(tensors, inputs.items(), strict=False):
            array = as_array(name, value, expected.get(name, 1))
            code = code_of(array.dtype, expected.get(name, 1))
            if code == 0:
                raise RunError("TN0907", f"input '{name}' has the type {array.dtype}, which has no counterpart")
            memory = to_memory(array, code)
            dims = (ctypes.c_int64 * max(array.ndim, 1))(*array.shape)
            held.append((memory, dims))
            slot.name, slot.dtype, slot.rank, slot.dims = name.encode(), code, array.ndim, dims
            slot.data = memory.__array_interface__["data"][0]
        result = self.package._call(_compiler.library().tenon_compiler_interpret, tensors, len(inputs))
        try:
            result.check()
        except CompileError as error:
            raise RunError(error.code, error.message) from error
        return dict(_array(result.output(i)) for i in range(result.output_count()))

    def run_into(
        self, inputs: Mapping[str, Any], outputs: Mapping[str, np.ndarray], function: str | None = None
    ) -> None:
        """As Session.run_into."""
        for name, value in self.run(inputs).items():
            if name in outputs:
                outputs[name][...] = value


def _array(tensor: _compiler.Tensor) -> tuple[str, np.ndarray]:
    shape = tuple(tensor.dims[i] for i in range(tensor.rank))
    count = int(np.prod(shape, dtype=np.int64))
    size = (count + 1) // 2 if is_packed(tensor.dtype) else count * TYPES[tensor.dtype].itemsize
    raw = np.frombuffer(ctypes.string_at(tensor.data, size), np.uint8) if size else np.empty(0, np.uint8)
    if is_packed(tensor.dtype):
        return tensor.name.decode(), unpack(raw, shape, tensor.dtype)
    return tensor.name.decode(), raw.view(TYPES[tensor.dtype]).reshape(shape).copy()
