"""Damaged and hostile files, wrong inputs and outputs that cannot be written: one diagnostic with a code, a stable
exit status, and never a file that is half there."""

import os
import re
import resource
import subprocess
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
    ("location", "expected"),
    [
        ("missing.bin", "TN0118"),
        ("pipe", "TN0118"),
        ("..", "TN0117"),
        ("../out.bin", "TN0117"),
        ("/etc/passwd", "TN0117"),
        ("link.bin", "TN0117"),
        ("folder/out.bin", "TN0117"),
    ],
)
def test_external_data(path, command, location, expected):
    outside, folder = path.parent / "outside", path.parent / "models"
    for made in (outside, folder):
        made.mkdir()
    (outside / "out.bin").write_bytes(bytes(128 * 128 * 4))
    (folder / "link.bin").symlink_to(outside / "out.bin")
    (folder / "folder").symlink_to(outside)
    os.mkfifo(folder / "pipe")
    model = onnx.load(path)
    path = folder / "model.onnx"
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


FULL = 24 << 10  # bytes; less than the package, the dumps of big.onnx and its outputs


@pytest.fixture
def big(path) -> Path:
    """120 times x = x * w, and an output of 64 kB, so that every kind of output is larger than FULL."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 128]) for name in "xy")
    w = onnx.numpy_helper.from_array(np.ones((128, 128), np.float32), "w")
    names = ["x", *(f"v{i}" for i in range(119)), "y"]
    nodes = [helper.make_node("MatMul", [a, "w"], [b], b) for a, b in zip(names, names[1:], strict=False)]
    file = path.with_name("big.onnx")
    graph = helper.make_graph(nodes, "graph", [x], [y], [w])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), file)
    return file


def outputs(folder: Path) -> dict[str, list]:
    """What writes large files, all below `folder`."""
    model = ["compile", "MODEL", "--cache", "off"]
    return {
        "package": [*model, "-o", folder / "out.tenon"],
        "phase": [*model, "--compile-to", "kernel", "-o", folder / "out.mlir"],
        "dumps": [*model, "-o", "PACKAGE", "--dump-ir", folder],
        "remarks": [*model, "-o", "PACKAGE", "--explain", folder / "why.yaml"],
        "tensors": ["run", "GOOD", "--shape", "x=128x128", "--output-dir", folder],
    }


KINDS = list(outputs(Path()))


@pytest.mark.parametrize("kind", KINDS)
def test_files_beyond_the_limit_of_the_process(big, command, tmp_path, kind):
    """As on a full disk, but only for large files: what is there stays, nothing half-written is left."""
    folder = tmp_path / "out"
    folder.mkdir()
    tenon.compile(big).save(tmp_path / "good.tenon")
    words = words_of(outputs(folder)[kind], big, tmp_path)
    kept = next((Path(w) for w in words if Path(w).parent == folder and Path(w).suffix), None)
    if kept:
        kept.write_text("from before")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (FULL, FULL))

    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    if kind in ("dumps", "remarks"):  # the package is as large; only the texts are meant here
        words = [w if w != str(tmp_path / "package.tenon") else "/dev/null" for w in words]
    before = {p.name for p in tmp_path.iterdir()}
    done = command(*words, preexec_fn=limit, env=environment)
    assert code(done) in ("TN0004", "TN0504", "TN0840"), done.stderr
    assert "File too large" in done.stderr and done.stderr.count("error: ") == 1
    assert {p.name for p in tmp_path.iterdir()} == before
    assert all(p.stat().st_size < FULL and not p.name.endswith(".tmp") for p in folder.iterdir())
    if kept:
        assert [p.name for p in folder.iterdir()] == [kept.name] and kept.read_text() == "from before"


def words_of(words: list, model: Path, folder: Path) -> list[str]:
    names = {"MODEL": model, "PACKAGE": folder / "package.tenon", "GOOD": folder / "good.tenon"}
    return [str(names.get(word, word)) for word in words]


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk(big, command, tmp_path, kind):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size={FULL} tmpfs {disk}"
    if subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True).returncode != 0:
        pytest.skip("mounting a small disk needs more rights")
    tenon.compile(big).save(tmp_path / "good.tenon")
    words = [command("--version").args[0], *words_of(outputs(disk)[kind], big, tmp_path)]
    script = f'{mount} && echo before > {disk}/kept && "$@"; status=$?; ls -A {disk}; cat {disk}/kept; exit $status'
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", *words], capture_output=True, text=True)
    assert code(done) in ("TN0004", "TN0504", "TN0840"), done.stderr
    assert "No space left on device" in done.stderr
    assert "tmp" not in done.stdout and done.stdout.endswith("kept\nbefore\n"), done.stdout
    written = set(done.stdout.split()[:-2])
    assert written <= {f"{i}-{phase}.mlir" for i, phase in enumerate(("import", "graph", "place", "kernel"))}
    assert not written or kind == "dumps"  # each dump is whole or not there


def test_a_package_that_python_cannot_save(big, tmp_path):
    package = tenon.compile(big)
    (tmp_path / "out.tenon").write_text("from before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = {p.name for p in tmp_path.iterdir()}
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (FULL, limits[1]))
        with pytest.raises(tenon.PackageError, match="TN0504: cannot write .*File too large"):
            package.save(tmp_path / "out.tenon")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {p.name for p in tmp_path.iterdir()} == before
    assert (tmp_path / "out.tenon").read_text() == "from before"
