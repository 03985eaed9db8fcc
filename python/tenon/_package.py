"""Packages: what `tenon.compile` makes and `tenon.load` reads."""

import mmap
import os
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from . import _runtime
from ._dtypes import TYPES
from ._errors import PackageError, RunError


@dataclass(frozen=True)
class TensorInfo:
    """An input or output. A dimension is a size, a symbol's name, or "?" where it follows from others or from the data.
    `dtype` is a numpy.dtype (of ml_dtypes for bf16, f8 and 4-bit integers, where that is installed)."""

    name: str
    dtype: np.dtype
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class Symbol:
    """A dynamic dimension: the package runs every size from `min` to `max` (None: no bound)."""

    name: str
    min: int
    max: int | None
    multiple_of: int


@dataclass(frozen=True)
class Function:
    """One function of a package. `arena` and `scratch` are bytes that suffice for all sizes (None: no bound)."""

    name: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    symbols: tuple[Symbol, ...]
    arena: int | None
    scratch: int | None


class Package:
    """A compiled model. Made by `tenon.compile` and `tenon.load`; immutable, and safe to share between threads."""

    def __init__(self, native: "_runtime.Package", path: Path | None = None):
        self._native = native
        self._path = path
        self._names: list[str] = native.functions()

    @property
    def functions(self) -> tuple[str, ...]:
        """Names of the functions."""
        return tuple(self._names)

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """Inputs of `main`, or of the first function."""
        return self.function().inputs

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """Outputs of `main`, or of the first function."""
        return self.function().outputs

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        """Dynamic dimensions of `main`, or of the first function."""
        return self.function().symbols

    @cached_property
    def states(self) -> tuple[str, ...]:
        """Names of the states that a session carries from run to run."""
        return tuple(self._native.states())

    @cached_property
    def info(self) -> dict:
        """`producer`, `target`, `isa` (of the code that this CPU runs), `weights` and `bytes`."""
        return self._native.info()

    def function(self, name: str | None = None) -> Function:
        """A function by name. Without: `main`, or the first. RunError if there is none."""
        index = self._index(name)
        return self._function_at[index]

    @cached_property
    def _function_at(self) -> list[Function]:
        return [self._describe(index) for index in range(len(self._names))]

    def _index(self, name: str | None) -> int:
        if name is None or (name == "main" and len(self._names) == 1):
            return self._names.index("main") if "main" in self._names else 0
        if name not in self._names:
            raise RunError("TN0904", f"there is no function '{name}'; the functions are {', '.join(self._names)}")
        return self._names.index(name)

    def _describe(self, index: int) -> Function:
        def tensors(rows) -> tuple[TensorInfo, ...]:
            return tuple(TensorInfo(n, TYPES[t], tuple("?" if d is None else d for d in dims)) for n, t, dims in rows)

        arena, scratch = self._native.certificate(index)
        return Function(
            self._names[index],
            tensors(self._native.inputs(index)),
            tensors(self._native.outputs(index)),
            tuple(Symbol(*row) for row in self._native.symbols(index)),
            arena,
            scratch,
        )

    def session(self, threads: int | None = None, function: str = "main", profile: bool = False):
        """A `tenon.Session`: state and working memory for runs of this package.

        `threads`: workers, the caller included (None: one per CPU that the process may use). `function`: which one
        `run` runs unless told otherwise. `profile`: measure every command, see `Session.profile`."""
        from ._session import Session

        return Session(self, threads=threads, function=function, profile=profile)

    def save(self, path: str | os.PathLike) -> None:
        """Writes the package to a file, whole or not at all."""
        target = Path(path)
        partial = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            view = self._native.view()
            if view is None:
                shutil.copyfile(self._path, partial)
            else:
                partial.write_bytes(view)
            partial.replace(target)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise PackageError("TN0504", f"cannot write '{target}': {error.strerror or error}") from error

    def __repr__(self) -> str:
        return f"<tenon.Package {', '.join(self._names)}: {self.info['bytes']} bytes>"


def load(source: str | os.PathLike | bytes | bytearray | memoryview | mmap.mmap) -> Package:
    """Loads a package from a file, which is mapped and must stay as it is, or from bytes, which are copied.

    PackageError if it is damaged, of another version, or without code for this CPU."""
    try:
        if isinstance(source, bytes | bytearray | memoryview | mmap.mmap):
            return Package(_runtime.Package.from_buffer(source))
        path = Path(source).absolute()
        return Package(_runtime.Package.from_file(os.fsdecode(path)), path)
    except _runtime.Error as error:
        raise PackageError(*error.args) from None
