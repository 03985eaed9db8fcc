"""Damaged and hostile files, wrong inputs and outputs that cannot be written: one diagnostic with a code, a stable
exit status, and never a file that is half there."""

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import tenon


@pytest.fixture
def path(compiler, tmp_path):
    """y = x * w, with 64 kB of weights."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 128]) for name in "xy")
    w = onnx.numpy_helper.from_array(np.ones((128, 128), np.float32), "w")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"], "product")], "graph", [x], [y], [w])
    file = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), file)
    return file


def code(done) -> str:
    """The code of a run that failed for its input: status 1, one error, no crash."""
    assert done.returncode == 1, (done.returncode, done.stderr)
    (found,) = re.findall(r"^error: (TN\d{4}): .+", done.stderr, re.MULTILINE)
    return found


def test_truncated_and_corrupted_models(path, command, tmp_path):
    whole = path.read_bytes()
    bad = tmp_path / "bad.onnx"
    for size in (0, 1, 17, len(whole) // 2, len(whole) - 1):
        bad.write_bytes(whole[:size])
        assert code(command("compile", bad, "-o", tmp_path / "out.tenon")).startswith("TN01")
        with pytest.raises(tenon.CompileError):
            tenon.compile(bad)
    random = np.random.default_rng(1)
    for _ in range(30):
        damaged = bytearray(whole)
        for at in random.integers(0, 200, 3):
            damaged[at] = random.integers(256)
        try:
            tenon.compile(bytes(damaged))
        except tenon.CompileError as error:
            assert error.code.startswith("TN0")
    assert not (tmp_path / "out.tenon").exists()


def test_damaged_packages(path, command, tmp_path):
    tenon.compile(path).save(tmp_path / "good.tenon")
    whole = (tmp_path / "good.tenon").read_bytes()
    bad = tmp_path / "bad.tenon"
    for size in (8, 100, 4096, len(whole) // 2):
        bad.write_bytes(whole[:size])
        assert re.match("TN0[189]", code(command("run", bad, "--shape", "x=2x128")))
        with pytest.raises(tenon.PackageError):
            tenon.load(bad)


@pytest.mark.parametrize(
    ("location", "expected"), [("missing.bin", "TN0118"), ("../out.bin", "TN0117"), ("/etc/passwd", "TN0117")]
)
def test_external_data(path, command, location, expected):
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    path.write_bytes(model.SerializeToString())
    done = command("compile", path, "-o", path.with_suffix(".tenon"))
    assert code(done) == expected and location in done.stderr
    assert not path.with_suffix(".tenon").exists()


def test_wrong_inputs(path):
    session = tenon.compile(path).session(threads=1)
    good = np.ones((2, 128), np.float32)
    for inputs, expected in (
        ({}, "TN0906"),
        ({"x": good, "z": good}, "TN0904"),
        ({"x": good.astype(np.float64)}, "TN0907"),
        ({"x": good[0]}, "TN0908"),
        ({"x": good[:, :5]}, "TN0909"),
    ):
        with pytest.raises(tenon.RunError) as caught:
            session.run(inputs)
        assert caught.value.code == expected and str(caught.value).startswith(f"{expected}: ")
    assert session.run({"x": good})["y"].shape == (2, 128)


def test_outputs_that_cannot_be_written(path, command, tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    for target in (tmp_path / "missing/out.tenon", kept, "/dev/full", "/proc/out.tenon"):
        done = command("compile", path, "-o", target)
        assert code(done) in ("TN0840", "TN0504"), target
    assert not list(kept.iterdir()) and Path("/dev/full").is_char_device()
    assert {p.name for p in tmp_path.iterdir()} == {"model.onnx", "kept"}
