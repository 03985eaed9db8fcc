"""The command on packages that need no compiler, and its manners: exit statuses, diagnostics, whole files."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

REPOSITORY = Path(__file__).parents[2]
SUBCOMMANDS = ("compile", "run", "bench", "profile", "inspect", "check")


def diagnostic(done, status: int) -> str:
    """The code of the only diagnostic."""
    assert done.returncode == status, done.stderr
    found = re.findall(r"^error: (TN\d{4}): (.*)$", done.stderr, re.MULTILINE)
    assert len(found) == 1 and found[0][1] and not found[0][1].endswith("."), done.stderr
    assert done.stderr.count("TN") == 1, done.stderr
    return found[0][0]


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_help_has_an_example(command, name):
    done = command(name, "--help")
    assert done.returncode == 0 and f"  tenon {name} " in done.stdout


def test_run_writes_outputs_and_statistics(command, sample, tmp_path):
    x = np.arange(5, dtype=np.float32)
    np.save(tmp_path / "x.npy", x)
    stats = tmp_path / "stats.json"
    flags = ["--input", f"x={tmp_path / 'x.npy'}", "--output-dir", tmp_path / "out", "--stats", stats, "--threads", 1]
    done = command("run", sample("add"), *flags)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    np.testing.assert_array_equal(np.load(tmp_path / "out/y.npy"), (x + np.arange(5, dtype=np.float32)) * 2)
    counted = json.loads(stats.read_text())
    assert (counted["allocations"], counted["locks"]) == (0, 0)
    for field in ("peak_rss", "weights", "arena", "inputs", "outputs", "load_ns", "run_ns"):
        assert counted[field] > 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "stats.json", "x.npy"]


def test_run_takes_made_up_inputs(command, sample):
    assert command("run", sample("add"), "--shape", "x=8").returncode == 0
    assert command("run", sample("add"), "--shape", "x=8", "--input", "x=zeros").returncode == 0
    runs = [command("run", sample("add"), "--shape", "x=8", "--input", f"x=random:{s}").stdout for s in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_running_a_package_maps_no_llvm(command, sample):
    shown = command("run", sample("add"), "--shape", "x=8", env={**os.environ, "LD_DEBUG": "libs"})
    assert shown.returncode == 0 and "libc.so" in shown.stderr
    assert not re.search("llvm|mlir|tenon-compiler", shown.stderr, re.IGNORECASE)
    if ldd := shutil.which("ldd"):
        linked = subprocess.run([ldd, command("--version").args[0]], capture_output=True, text=True).stdout
        assert "libc.so" in linked and not re.search("llvm|mlir", linked, re.IGNORECASE)


def test_usage_errors(command, sample):
    package = sample("add")
    assert diagnostic(command(), 2) == "TN0001"
    assert diagnostic(command("nonsense"), 2) == "TN0001"
    assert diagnostic(command("run"), 2) == "TN0001"
    assert diagnostic(command("run", package, "--nonsense"), 2) == "TN0001"
    assert diagnostic(command("run", package, "--threads", "many"), 2) == "TN0002"
    assert diagnostic(command("run", package, "--shape", "x"), 2) == "TN0002"
    assert diagnostic(command("run", package, "--target", "native"), 2) == "TN0002"
    assert diagnostic(command("compile", package), 2) == "TN0001"


def test_bad_inputs(command, sample, tmp_path):
    package = sample("add")
    assert diagnostic(command("run", tmp_path / "missing.tenon"), 1) == "TN0503"
    assert diagnostic(command("run", tmp_path), 1) == "TN0503"
    assert diagnostic(command("run", package), 1) == "TN0508"
    assert diagnostic(command("run", package, "--shape", "z=8"), 1) == "TN0509"
    assert diagnostic(command("run", package, "--shape", "x=8", "--function", "f"), 1) == "TN0509"
    assert diagnostic(command("run", package, "--shape", "x=9999"), 1) == "TN0909"
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01")
    assert diagnostic(command("run", package, "--input", f"x={tmp_path / 'x.npy'}"), 1) == "TN0506"
    np.save(tmp_path / "wrong.npy", np.ones(3))
    assert diagnostic(command("run", package, "--input", f"x={tmp_path / 'wrong.npy'}"), 1) == "TN0907"
    damaged = tmp_path / "damaged.tenon"
    damaged.write_bytes(package.read_bytes()[:5000])
    assert diagnostic(command("run", damaged, "--shape", "x=8"), 1).startswith("TN08")
    assert diagnostic(command("inspect", damaged), 1).startswith("TN08")
    assert diagnostic(command("profile", package, "--device", "npu"), 1) == "TN0505"
    assert diagnostic(command("bench", package, "--vs", "onnxruntime"), 1) == "TN0511"


def test_bench_knows_its_engines(command, tmp_path):
    engines = re.search(r"^ENGINES = \{(.*?)\}$", (REPOSITORY / "bench/engines.py").read_text(), re.M | re.S)[1]
    names = [name for name in re.findall(r'"(\w+)"', engines) if name not in ("tenon", "oracle")]
    done = command("bench", tmp_path / "model.onnx", "--vs", "onnxruntime,nothing")
    assert diagnostic(done, 2) == "TN0002"
    assert f"cannot run 'nothing' beside Tenon; expected one of {', '.join(names)}" in done.stderr


def test_files_appear_whole_or_not_at_all(command, sample, tmp_path):
    done = command("run", sample("add"), "--shape", "x=8", "--stats", tmp_path / "missing" / "stats.json")
    assert diagnostic(done, 1) == "TN0504"
    (tmp_path / "file").write_text("x")
    done = command("run", sample("add"), "--shape", "x=8", "--output-dir", tmp_path / "file")
    assert diagnostic(done, 1) == "TN0504"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_output_through_a_device(command, sample):
    done = command("run", sample("add"), "--shape", "x=8", "--stats", "/dev/stderr")
    assert json.loads(done.stderr)["allocations"] == 0


def test_a_missing_compiler_is_named(command, tmp_path):
    model = tmp_path / "model.onnx"
    model.write_bytes(b"\x08\x08")
    environment = {**os.environ, "TENON_COMPILER_LIBRARY": str(tmp_path / "libtenon-compiler.so")}
    assert diagnostic(command("run", model, env=environment), 1) == "TN0501"
    (tmp_path / "libtenon-compiler.so").write_bytes(b"no library")
    assert diagnostic(command("check", model, env=environment), 1) == "TN0502"


def test_inspect(command, sample):
    report = json.loads(command("inspect", sample("rich"), "--json", "--ops", "--memory").stdout)
    assert set(report) >= {"functions", "symbols", "memory", "kernels", "nodes_on", "ops"}
    assert [f["name"] for f in report["functions"]] == ["main", "control"]
    assert report["functions"][0]["inputs"] == [{"name": "x", "dtype": "f32", "shape": ["N"]}]
    assert report["symbols"][0]["max"] == 4096
    assert report["nodes_on"]["cpu"] == ["add_1", "mul_2"]
    assert {b["region"] for b in report["memory"]["buffers"]} >= {"weight", "state", "arena", "input", "output"}
    add = next(k for k in report["kernels"] if k["name"] == "add")
    assert add["schedule"] == "tile 8" and add["nodes"] == ["add_1"]
    text = command("inspect", sample("rich"), "--asm", "add")
    assert text.returncode == 0 and "add_1" in text.stdout, text.stderr
    assert diagnostic(command("inspect", sample("rich"), "--asm", "missing"), 1) == "TN0509"


def test_profile(command, sample, tmp_path):
    files = {f"--{kind}": tmp_path / f"profile.{kind}" for kind in ("json", "trace", "html")}
    flags = [word for pair in files.items() for word in pair]
    done = command("profile", sample("add"), "--shape", "x=64", "--threads", 1, *flags)
    assert done.returncode == 0, done.stderr
    rows = json.loads(files["--json"].read_text())["rows"]
    assert [set(r) >= {"command", "kernel", "nodes", "ns", "flop", "bytes", "schedule"} for r in rows] == [True, True]
    events = json.loads(files["--trace"].read_text())["traceEvents"]
    assert len(events) == 2 and all(e["ph"] == "X" and e["dur"] > 0 for e in events)
    assert files["--html"].read_text().startswith("<!doctype html>")


def test_bench(command, sample, tmp_path):
    done = command("bench", sample("add"), "--shape", "x=64", "--threads", "1,2", "--json", tmp_path / "rows.json")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [r["threads"] for r in rows] == [1, 2]
    fields = "model peer threads p50_ms min_ms load_ms compile_ms peak_mb size_mb max_rel_error"
    for row in rows:
        assert " ".join(row) == fields
        assert row["peer"] == "tenon" and 0 < row["min_ms"] <= row["p50_ms"] and row["peak_mb"] > 0
