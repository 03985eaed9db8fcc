"""tenon.compile: models to packages."""

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import _compiler
from ._errors import CompileError, CompileWarning
from ._package import Package, load
from ._reference import ReferencePackage

Shapes = Mapping[str, str | Sequence[int | str | None]]
Symbols = Mapping[str, int | str | Sequence]
State = str | Mapping[str, str] | Iterable[str]


def compile(
    model: Any,
    target: str | Sequence[str] = "native",
    shapes: Shapes | None = None,
    symbols: Symbols | None = None,
    state: State | None = None,
    jobs: int | None = None,
    **options: Any,
) -> Package | ReferencePackage:
    """Compiles a model.

    model: a path, the bytes of an .onnx file, an onnx.ModelProto, or {name: model} for a package with several
        functions, which store equal weights once and share states of equal name.
    target: one or several of `native`, `x86-64-v3`, `x86-64-v4`, ...; `reference` gives the slow interpreter.
    shapes: sizes of inputs to fix, {"x": (1, 3, None, None)}; None keeps a dimension dynamic.
    symbols: ranges of dynamic dimensions, {"batch": (min, max)}, or (min, max, multiple, [likely, ...]).
    state: inputs and outputs to make session state, {"past": "present"}.
    jobs: threads of the compiler (None: one per CPU).
    options: the flags of `tenon compile`, with underscores: emulate_isa=True, ...

    CompileError if the model is bad or unsupported; its `code`, `message` and `node` say why.
    """
    flags = [("target", target if isinstance(target, str) else ",".join(target))]
    flags += [("shape", f"{name}={_shape(value)}") for name, value in (shapes or {}).items()]
    flags += [("symbol", f"{name}={_range(value)}") for name, value in (symbols or {}).items()]
    if state:
        flags.append(("state", _state(state)))
    if jobs is not None:
        flags.append(("jobs", str(jobs)))
    flags += _options(options)
    models = _models(model)
    if flags[0][1] == "reference":
        if len(models) != 1:
            raise CompileError("TN0002", "target 'reference' takes one model")
        return ReferencePackage(next(iter(models.values())), flags)
    return _compile(models, flags)


def _compile(models: dict[str, Path | bytes], flags: list[tuple[str, str]]) -> Package:
    library = _compiler.library()
    inputs = (_compiler.Model * len(models))(*(_compiler.make_model(n, m) for n, m in models.items()))
    options, count = _compiler.make_options(flags)
    result = _compiler.Result(library.tenon_compiler_compile(inputs, len(models), options, count, None, None, None))
    for code, message, node in result.check():
        warnings.warn(f"{code}: {message}" + (f" (node '{node}')" if node else ""), CompileWarning, stacklevel=3)
    return load(result.package())


def _models(model: Any) -> dict[str, Path | bytes]:
    if isinstance(model, Mapping):
        if not model:
            raise CompileError("TN0002", "no model is given")
        return {name: _source(value) for name, value in model.items()}
    return {"main": _source(model)}


def _source(model: Any) -> Path | bytes:
    if isinstance(model, bytes | bytearray | memoryview):
        return bytes(model)
    if isinstance(model, str | os.PathLike):
        return Path(model)
    if hasattr(model, "SerializeToString"):
        return model.SerializeToString()
    raise CompileError(
        "TN0002",
        f"the model is a {type(model).__name__}, expected a path, bytes, an onnx.ModelProto or a dict of these",
    )


def _shape(value: str | Sequence[int | str | None]) -> str:
    return value if isinstance(value, str) else "x".join("?" if d in (None, -1) else str(d) for d in value)


def _range(value: int | str | Sequence) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value}:{value}"
    parts = ["" if part is None else part for part in value]
    if len(parts) > 3:
        parts[3] = ",".join(map(str, parts[3]))
    return ":".join(map(str, parts))


def _state(value: State) -> str:
    if isinstance(value, str):
        return value
    return ",".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, Mapping) else ",".join(value)


SWITCHES = {"emulate_isa", "assembly", "strip"}


def _options(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    flags = []
    for name, value in options.items():
        flag = name.replace("_", "-")
        if value is None or (value is False and name in SWITCHES):
            continue
        if isinstance(value, bool):
            flags.append((flag, "" if name in SWITCHES else ("off", "on")[value]))
        else:
            flags.append((flag, str(value)))
    return flags
