"""What `cmake --install` puts somewhere else works there: the command finds the compiler, which finds LLVM."""

import os
import shutil
import subprocess
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper


def test_an_installed_command_compiles(compiler, command, tmp_path):
    build = Path(command("--version").args[0]).parents[2]
    if not (build / "cmake_install.cmake").exists() or not shutil.which("cmake"):
        pytest.skip("the command is not from a build folder")
    prefix = tmp_path / "prefix"
    done = subprocess.run(["cmake", "--install", build, "--prefix", prefix], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "model.onnx"
    )
    clean = {k: v for k, v in os.environ.items() if k not in ("LD_LIBRARY_PATH", "TENON_COMPILER_LIBRARY")}
    for words in (["compile", "model.onnx", "-o", "model.tenon"], ["run", "model.tenon", "--shape", "x=3"]):
        done = subprocess.run([prefix / "bin/tenon", *words], cwd=tmp_path, env=clean, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
