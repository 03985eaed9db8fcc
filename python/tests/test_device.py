"""A package with a kernel for Mortise: the command and the Python package run and profile it."""

import json
import os

import numpy as np
import pytest

import tenon

K, N = np.arange(256)[:, None], np.arange(256)
RIGHT = ((7 * K + 3 * N) % 255 - 127).astype(np.int32)
BIAS = 40 * N - 5000
SCALE = ((1 + N % 100).astype(np.float32) * np.float32(1e-5)).astype(np.float32)


def expected(a):
    sums = a.astype(np.int32) @ RIGHT + BIAS
    return np.clip(np.rint(sums.astype(np.float32) * SCALE), -128, 127).astype(np.int8)


@pytest.fixture
def left():
    return np.random.default_rng(3).integers(-128, 128, (256, 256)).astype(np.int8)


@pytest.fixture
def package(sample):
    return sample("mortise")


@pytest.fixture
def succeed(command):
    def run(*arguments) -> str:
        done = command(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_the_command_runs_it(succeed, package, left, tmp_path):
    np.save(tmp_path / "a.npy", left)
    stats = tmp_path / "stats.json"
    succeed("run", package, "--input", f"a={tmp_path}/a.npy", "--output-dir", tmp_path, "--stats", stats)
    np.testing.assert_array_equal(np.load(tmp_path / "c.npy"), expected(left))
    figures = json.loads(stats.read_text())
    assert 16384 < figures["cycles"] < 2 * 16384
    assert figures["device_ms"] == pytest.approx(figures["cycles"] * 1e-6)
    assert figures["allocations"] == 0


def test_the_command_profiles_it(succeed, package, tmp_path):
    files = {kind: tmp_path / f"p.{kind}" for kind in ("json", "trace", "html")}
    out = succeed(
        "profile", package, "--device", "mortise", *(part for k, f in files.items() for part in (f"--{k}", f))
    )
    assert "gemm_1" in out and "of ideal" in out
    report = json.loads(files["json"].read_text())
    (row,) = report["rows"]
    assert row["device"] == "mortise" and row["nodes"] == ["gemm_1"] and row["schedule"] == "panels of 32"
    assert row["ideal_cycles"] == 16384 < row["cycles"] == report["total"]["cycles"]
    assert row["macs"] == 256**3 and row["stall_engine"] == "matrix" and row["limit"] == "matrix"
    assert sum(row["stall"].values()) < row["cycles"]
    assert row["traffic"]["dram"]["read"] >= 2 * 65536 and row["traffic"]["dram"]["write"] >= 65536
    assert row["energy_pj"]["mac"]["i8"] > 0
    assert row["by_node"][0]["node"] == "gemm_1"
    events = json.loads(files["trace"].read_text())["traceEvents"]
    assert {"M", "X"} <= {event["ph"] for event in events}
    assert max(e["ts"] + e.get("dur", 0) for e in events if e["ph"] == "X") <= row["cycles"]
    assert "<iframe" in files["html"].read_text()


def test_the_command_inspects_it(succeed, package):
    report = json.loads(succeed("inspect", package, "--json"))
    assert report["nodes_on"] == {"cpu": [], "mortise": ["gemm_1"]}
    assert report["devices"][0]["name"] == "mortise" and report["devices"][0]["programs"] == 1
    assert report["kernels"][0]["device"] == "mortise"


def test_a_missing_device_is_named(command, package, sample):
    missing = command("run", package, env={**os.environ, "TENON_MORTISE_LIBRARY": "/nonexistent.so"})
    assert missing.returncode == 1 and "TN0922" in missing.stderr
    unknown = command("profile", sample("add"), "--device", "mortise")
    assert unknown.returncode == 1 and "TN0505" in unknown.stderr


def test_python_runs_and_profiles_it(package, left):
    session = tenon.load(package).session(profile=True)
    np.testing.assert_array_equal(session.run({"a": left})["c"], expected(left))
    (row,) = session.profile
    assert row["device"] == "mortise" and row["limit"] == "matrix" and row["ideal_cycles"] == 16384
    assert row["cycles"] == session.stats["cycles"] == row["report"]["cycles"]
    assert row["traffic"]["dram"]["read"] > 0 and row["energy_pj"]["mac"]["i8"] > 0


def test_packages_of_the_cpu_map_no_device(command, sample, package):
    traced = {**os.environ, "LD_DEBUG": "files"}
    assert "libtenon-mortise" not in command("run", sample("add"), env=traced).stderr
    assert "libtenon-mortise" in command("run", package, env=traced).stderr
