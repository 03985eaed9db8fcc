"""Tenon compiles machine-learning models ahead of time and runs them.

    import tenon

    package = tenon.compile("model.onnx", target="native")
    package.save("model.tenon")
    session = tenon.load("model.tenon").session(threads=2)
    outputs = session.run({"x": x})

Running a package needs neither the compiler library nor LLVM: `compile` loads them on demand.
"""

from ._compile import compile
from ._errors import CompileError, CompileWarning, PackageError, RunError, TenonError
from ._package import Function, Package, Symbol, TensorInfo, load
from ._reference import ReferencePackage, ReferenceSession
from ._runtime import version as _version
from ._session import Session

__version__: str = _version()
__all__ = [
    "CompileError",
    "CompileWarning",
    "Function",
    "Package",
    "PackageError",
    "ReferencePackage",
    "ReferenceSession",
    "RunError",
    "Session",
    "Symbol",
    "TenonError",
    "TensorInfo",
    "compile",
    "load",
]
