"""The commands and the Python of README.md work as they stand."""

import re
import shlex
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

TOUR = (Path(__file__).parents[2] / "README.md").read_text().split("## A quick tour")[1].split("\n## ")[0]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TOUR, re.DOTALL | re.MULTILINE)


@pytest.fixture
def folder(compiler, tmp_path, monkeypatch) -> Path:
    """A folder with model.onnx, y = relu(x) for x[batch, 256], and x.npy."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 256]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "model.onnx"
    )
    np.save(tmp_path / "x.npy", np.ones((3, 256), np.float32))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_commands(command, folder):
    lines = [line.split("#")[0].split() for line in blocks("")[0].splitlines()]
    assert {words[1] for words in lines} == {"check", "compile", "run", "inspect", "bench"}
    for words in lines:
        assert words[0] == "tenon"
        if "onnxruntime" in words:
            pytest.importorskip("onnxruntime")
        done = command(*words[1:])
        assert done.returncode == 0, shlex.join(words) + "\n" + done.stderr
    assert np.array_equal(np.load(folder / "out/y.npy"), np.ones((3, 256), np.float32))


def test_python(folder):
    names = {"x": np.load("x.npy")}
    exec(blocks("python")[0], names)
    assert np.array_equal(names["result"], names["x"])
