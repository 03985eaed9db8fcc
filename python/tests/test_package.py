"""tenon.load, Package and Session on packages that need no compiler."""

import pickle
import threading

import numpy as np
import pytest

import tenon


@pytest.fixture
def add(sample):
    """y[N] = (x[N] + w[N]) * 2 with N in 1..4096 and w = 0, 1, 2, ..."""
    return tenon.load(sample("add"))


def expected(x: np.ndarray) -> np.ndarray:
    return (x + np.arange(x.size, dtype=np.float32)) * 2


def test_signature(add):
    assert add.functions == ("main",)
    assert add.inputs == (tenon.TensorInfo("x", np.dtype("float32"), ("N",)),)
    assert add.outputs[0].name == "y" and add.outputs[0].dtype == "float32"
    symbol = add.symbols[0]
    assert (symbol.name, symbol.min, symbol.max) == ("N", 1, 4096)
    assert add.info["weights"] > 0 and add.info["bytes"] > 0


@pytest.mark.parametrize("threads", [None, 1, 2, 7])
def test_runs_at_every_size(add, threads):
    session = add.session(threads=threads)
    for size in (1, 7, 4096, 64):
        x = np.random.default_rng(size).standard_normal(size).astype(np.float32)
        outputs = session.run({"x": x})
        assert list(outputs) == ["y"]
        np.testing.assert_array_equal(outputs["y"], expected(x))


def test_outputs_are_the_callers(add):
    session = add.session(threads=1)
    first = session.run({"x": np.zeros(4, np.float32)})["y"]
    session.run({"x": np.ones(4, np.float32)})
    np.testing.assert_array_equal(first, expected(np.zeros(4, np.float32)))


def test_inputs_of_other_forms(add):
    session = add.session(threads=1)
    strided = np.arange(10, dtype=np.float32)[::2]
    np.testing.assert_array_equal(session.run({"x": strided})["y"], expected(strided))
    np.testing.assert_array_equal(session.run({"x": [1, 2, 3]})["y"], expected(np.array([1, 2, 3], np.float32)))
    swapped = np.arange(3).astype(">f4")
    np.testing.assert_array_equal(session.run({"x": swapped})["y"], expected(np.arange(3, dtype=np.float32)))
    readonly = np.ones(3, np.float32)
    readonly.flags.writeable = False
    np.testing.assert_array_equal(session.run({"x": readonly})["y"], expected(readonly))


def test_dlpack_input(add):
    class Foreign:
        def __init__(self, array):
            self.array = array

        def __dlpack__(self, **options):
            return self.array.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()

    x = np.arange(5, dtype=np.float32)
    np.testing.assert_array_equal(add.session(threads=1).run({"x": Foreign(x)})["y"], expected(x))


def test_run_into_writes_the_callers_array(add):
    session = add.session(threads=1)
    x, y = np.arange(6, dtype=np.float32), np.empty(6, np.float32)
    for _ in range(3):
        x += 1
        session.run_into({"x": x}, {"y": y})
        np.testing.assert_array_equal(y, expected(x))
    before = y.copy()
    session.run({"x": np.zeros(6, np.float32)})
    np.testing.assert_array_equal(y, before)


def test_steady_state_neither_allocates_nor_locks(add):
    session = add.session(threads=1)
    x, y = np.ones(100, np.float32), np.empty(100, np.float32)
    session.run_into({"x": x}, {"y": y})
    before = session.stats
    for _ in range(10):
        session.run_into({"x": x}, {"y": y})
    after = session.stats
    assert after["allocations"] == before["allocations"] and after["locks"] == before["locks"]
    assert after["runs"] == before["runs"] + 10


WRONG_INPUTS = [
    ({}, "TN0906"),
    ({"z": np.ones(2, np.float32)}, "TN0906"),
    ({"x": np.ones(2, np.float32), "z": np.ones(2, np.float32)}, "TN0904"),
    ({"x": np.ones(2, np.float64)}, "TN0907"),
    ({"x": np.array(["a"])}, "TN0907"),
    ({"x": "text"}, "TN0907"),
    ({"x": object()}, "TN0907"),
    ({"x": np.ones((2, 2), np.float32)}, "TN0908"),
    ({"x": np.ones(5000, np.float32)}, "TN0909"),
    ({"x": np.ones(0, np.float32)}, "TN0909"),
]


@pytest.mark.parametrize(("inputs", "code"), WRONG_INPUTS)
def test_wrong_inputs(add, inputs, code):
    session = add.session(threads=1)
    with pytest.raises(tenon.RunError) as caught:
        session.run(inputs)
    assert caught.value.code == code and caught.value.message
    x = np.ones(2, np.float32)
    np.testing.assert_array_equal(session.run({"x": x})["y"], expected(x))


def test_wrong_outputs(add):
    session, inputs = add.session(threads=1), {"x": np.ones(4, np.float32)}
    readonly = np.empty(4, np.float32)
    readonly.flags.writeable = False
    for outputs, code in [
        ({"z": np.empty(4, np.float32)}, "TN0904"),
        ({"y": np.empty(4, np.float64)}, "TN0907"),
        ({"y": [0] * 4}, "TN0907"),
        ({"y": np.empty(8, np.float32)[::2]}, "TN0918"),
        ({"y": readonly}, "TN0918"),
        ({"y": np.empty(3, np.float32)}, "TN0910"),
        ({"y": np.empty(5, np.float32)}, "TN0909"),
        ({"y": inputs["x"]}, "TN0919"),
    ]:
        with pytest.raises(tenon.RunError) as caught:
            session.run_into(inputs, outputs)
        assert caught.value.code == code, outputs


def test_wrong_sessions(add):
    for options in ({"threads": 0}, {"threads": -1}, {"threads": 5000}, {"function": "missing"}):
        with pytest.raises(tenon.RunError):
            add.session(**options)
    with pytest.raises(tenon.RunError):
        _ = add.session(threads=1).profile


def test_profile(add):
    session = add.session(threads=1, profile=True)
    session.run({"x": np.ones(64, np.float32)})
    rows = session.profile
    assert len(rows) == 2
    for row in rows:
        assert set(row) >= {"command", "kernel", "nodes", "ns", "flop", "bytes", "schedule"}
        assert row["runs"] == 1 and row["total_ns"] >= row["ns"]


def test_states(sample):
    package = tenon.load(sample("states"))
    assert set(package.states) == {"cache", "length"}
    session = package.session(threads=1)
    saved = session.export_state()
    changed = {**saved, "length": (3).to_bytes(8, "little")}
    session.import_state(changed)
    fork = session.fork()
    assert fork.export_state() == changed
    session.reset()
    assert session.export_state() == saved and fork.export_state() == changed
    fork.truncate(2)
    assert fork.export_state()["length"] == (2).to_bytes(8, "little")
    for states in ({"missing": b""}, {"length": b"1"}):
        with pytest.raises(tenon.RunError):
            session.import_state(states)


def test_save_and_load(add, sample, tmp_path):
    x = np.ones(3, np.float32)
    add.save(tmp_path / "copy.tenon")
    content = sample("add").read_bytes()
    assert (tmp_path / "copy.tenon").read_bytes() == content
    memory = tenon.load(content)
    memory.save(tmp_path / "again.tenon")
    assert (tmp_path / "again.tenon").read_bytes() == content
    np.testing.assert_array_equal(memory.session(threads=1).run({"x": x})["y"], expected(x))
    with pytest.raises(tenon.PackageError) as caught:
        add.save(tmp_path / "missing" / "copy.tenon")
    assert caught.value.code == "TN0504"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.tenon", "copy.tenon"]


def test_damaged_packages(sample, tmp_path):
    content = sample("add").read_bytes()
    for damaged in (b"", b"TENONPKG", content[:100], content[: len(content) // 2], b"x" * 4096):
        with pytest.raises(tenon.PackageError) as caught:
            tenon.load(damaged)
        assert caught.value.code.startswith("TN0")
        file = tmp_path / "damaged.tenon"
        file.write_bytes(damaged)
        with pytest.raises(tenon.PackageError):
            tenon.load(file)
    with pytest.raises(tenon.PackageError):
        tenon.load(tmp_path / "missing.tenon")


def test_sessions_outlive_their_package(sample):
    session = tenon.load(sample("add").read_bytes()).session(threads=2)
    x = np.ones(3, np.float32)
    np.testing.assert_array_equal(session.run({"x": x})["y"], expected(x))


def test_threads_take_turns(add):
    session, failures = add.session(threads=2), []

    def work(seed: int) -> None:
        x = np.full(100 + seed, seed, np.float32)
        for _ in range(50):
            if not np.array_equal(session.run({"x": x})["y"], expected(x)):
                failures.append(seed)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures


def test_errors_can_be_pickled():
    for error in (tenon.RunError("TN0904", "text"), tenon.CompileError("TN0101", "text", "node")):
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is type(error) and str(copy) == str(error) and copy.code == error.code
    assert copy.node == "node"
