"""libtenon-compiler.so, loaded when something has to be compiled (compiler/pipeline/tenon_compiler.h)."""

import ctypes
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from . import _runtime
from ._errors import CompileError

API_VERSION = 3
FILE = "libtenon-compiler.so"


class Model(ctypes.Structure):
    _fields_ = [
        ("function", ctypes.c_char_p),
        ("path", ctypes.c_char_p),
        ("bytes", ctypes.c_char_p),
        ("size", ctypes.c_size_t),
    ]


class Option(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("value", ctypes.c_char_p)]


class Tensor(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("dtype", ctypes.c_int32),
        ("rank", ctypes.c_uint32),
        ("dims", ctypes.POINTER(ctypes.c_int64)),
        ("data", ctypes.c_void_p),
    ]


def candidates() -> list[Path]:
    """Where the library may lie: where the user says, in the installed package, in a build folder, in the system."""
    if chosen := os.environ.get("TENON_COMPILER_LIBRARY"):
        return [Path(chosen)]
    built = Path(_runtime.__file__).absolute().parent
    folders = [built, built.parent.parent / "lib", Path(__file__).absolute().parent]
    return [*(folder / FILE for folder in folders), *(Path(f"/usr{local}/lib") / FILE for local in ("/local", ""))]


@cache
def library() -> ctypes.CDLL:
    """The loaded library, its functions declared. CompileError TN0501 if it is missing, TN0502 if it is another."""
    path = next((p for p in candidates() if p.exists()), None)
    if path is None:
        places = ", ".join(map(str, candidates()))
        raise CompileError(
            "TN0501",
            f"compiling needs {FILE}, which is in none of: {places}; install the compiler or set "
            "TENON_COMPILER_LIBRARY to its path",
        )
    try:
        loaded = ctypes.CDLL(str(path))
        declare(loaded)
        version = loaded.tenon_compiler_api_version()
    except (OSError, AttributeError) as error:
        raise CompileError("TN0502", f"the compiler library cannot be used: {error}") from error
    if version != API_VERSION:
        raise CompileError(
            "TN0502",
            f"'{path}' has interface version {version}, expected {API_VERSION}; install the compiler of the same "
            "release as this package",
        )
    return loaded


def declare(lib: ctypes.CDLL) -> None:
    result, text, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
    models, options, tensors = ctypes.POINTER(Model), ctypes.POINTER(Option), ctypes.POINTER(Tensor)
    signatures = {
        "api_version": (ctypes.c_uint32, []),
        "compile": (result, [models, size, options, size, text, ctypes.c_void_p, ctypes.c_void_p]),
        "check": (result, [models, options, size]),
        "interpret": (result, [models, options, size, tensors, size]),
        "result_outcome": (ctypes.c_int, [result]),
        "result_package": (ctypes.c_void_p, [result, ctypes.POINTER(size)]),
        "result_text": (text, [result]),
        "result_output_count": (size, [result]),
        "result_output": (Tensor, [result, size]),
        "result_diagnostic_count": (size, [result]),
        "result_diagnostic_code": (text, [result, size]),
        "result_diagnostic_message": (text, [result, size]),
        "result_diagnostic_node": (text, [result, size]),
        "free": (None, [result]),
    }
    for name, (returned, arguments) in signatures.items():
        function = getattr(lib, f"tenon_compiler_{name}")
        function.restype, function.argtypes = returned, arguments


class Result:
    """What a call of the library returned; freed with this object."""

    _library, _handle = None, None

    def __init__(self, handle: int | None):
        if not handle:
            raise CompileError("TN0901", "not enough memory for the compiler")
        self._library, self._handle = library(), handle

    def __del__(self):
        if self._handle:
            self._library.tenon_compiler_free(self._handle)

    def __getattr__(self, name: str):
        function = getattr(self._library, f"tenon_compiler_result_{name}")
        return lambda *arguments: function(self._handle, *arguments)

    def diagnostics(self) -> list[tuple[str, str, str]]:
        """(code, message, node), errors first."""
        fields = (self.diagnostic_code, self.diagnostic_message, self.diagnostic_node)
        return [tuple((f(i) or b"").decode(errors="replace") for f in fields) for i in range(self.diagnostic_count())]

    def check(self) -> list[tuple[str, str, str]]:
        """Raises the first error; returns what else there is to say."""
        found = self.diagnostics()
        if self.outcome() != 0:
            code, message, node = found[0] if found else ("TN0599", "the compiler failed without saying why", "")
            raise CompileError(code, message, node, found)
        return found

    def package(self) -> memoryview:
        """The package's bytes, which live as long as this object."""
        size = ctypes.c_size_t()
        address = self._library.tenon_compiler_result_package(self._handle, ctypes.byref(size))
        return memoryview((ctypes.c_char * size.value).from_address(address)).cast("B")


def make_options(options: Iterable[tuple[str, str]]) -> tuple[ctypes.Array, int]:
    pairs = [Option(name.encode(), value.encode()) for name, value in options]
    return (Option * max(len(pairs), 1))(*pairs), len(pairs)


def make_model(function: str, source: os.PathLike | bytes) -> Model:
    """A file, or a model's bytes, which must live until the call returns (the structure refers to them)."""
    if isinstance(source, bytes):
        return Model(function.encode(), None, source, len(source))
    return Model(function.encode(), os.fsencode(source), None, 0)
