"""The models that Tenon must run, against ONNX Runtime: at several sizes of each dynamic axis, at 1, 2 and 7 workers
with the same bits, for AVX2 and AVX-512, without allocations or locks once they run.

Models that are not collected are skipped; those that torch exports take part in `./dev test --models` only.
"""

import json
import os

import numpy as np
import pytest
from catalog import CAPACITY, HEAD_DIM, KV_HEADS, LAYERS, MODELS, PAST_STATES, needs_torch
from conftest import command, emulation

import tenon

TOLERANCE = 1e-4  # of the largest magnitude of each output
TARGETS = ("x86-64-v3", "x86-64-v4")
WITH_TORCH = bool(os.environ.get("TENON_TEST_TORCH_MODELS"))
NAMES = [
    pytest.param(
        name,
        marks=[]
        if not needs_torch(name)
        else [pytest.mark.torch, pytest.mark.skipif(not WITH_TORCH, reason="torch exports it: ./dev test --models")],
    )
    for name, model in MODELS.items()
    if model.origin != "quantized"
]
every_model = pytest.mark.parametrize("name", NAMES)
every_target = pytest.mark.parametrize("target", TARGETS)


def assert_close(found: dict, expected: dict, where: str) -> None:
    assert set(found) == set(expected), where
    for name, want in expected.items():
        got = found[name]
        assert got.shape == want.shape and got.dtype == want.dtype, f"{where}: {name}"
        if np.issubdtype(want.dtype, np.floating):
            scale = max(float(np.abs(want).max(initial=0)), 1e-30)
            error = float(np.abs(got.astype(np.float64) - want).max(initial=0)) / scale
            assert error <= TOLERANCE, f"{where}: {name} is off by {error:.2e} of its largest magnitude"
        else:
            assert np.array_equal(got, want), f"{where}: {name}"


@every_target
@every_model
def test_agrees_with_onnxruntime(name, target, collected, package_of):
    model = collected(name)
    session = tenon.load(str(package_of(model, target))).session(threads=2)
    for sizes in model.sizes():
        inputs = model.inputs(sizes)
        assert_close(session.run(inputs), model.expected(inputs), f"{name} at {sizes}")


@every_target
@every_model
def test_same_bits_at_any_number_of_workers(name, target, collected, package_of):
    model = collected(name)
    package = tenon.load(str(package_of(model, target)))
    inputs = model.inputs(model.sizes()[-1])
    first = package.session(threads=1).run(inputs)
    for threads in (2, 7):
        for output, value in package.session(threads=threads).run(inputs).items():
            assert value.tobytes() == first[output].tobytes(), f"{output} differs at {threads} workers"


@every_model
def test_steady_state_neither_allocates_nor_locks(name, collected, package_of, tmp_path):
    model = collected(name)
    stats, inputs = tmp_path / "stats.json", []
    for key, value in model.inputs(model.sizes()[0]).items():
        np.save(tmp_path / f"{key}.npy", value)
        inputs += ["--input", f"{key}={tmp_path / f'{key}.npy'}"]
    command(["run", package_of(model, "native"), "--threads", 1, "--stats", stats, *inputs])
    counted = json.loads(stats.read_text())
    assert (counted["allocations"], counted["locks"]) == (0, 0)
    assert counted["run_ns"] > 0 and counted["peak_rss"] > 0


@every_target
def test_silero_carries_its_state(target, collected):
    """A session that owns the state gives the probabilities that a caller gets who passes it along."""
    model = collected("silero_vad")
    package = tenon.compile(
        str(model.path), target=target, state=model.entry["states"], shapes={"input": (1, 576)}, **options(target)
    )
    assert "state" not in [i.name for i in package.inputs]
    session = package.session(threads=1)
    state = np.zeros((2, 1, 128), np.float32)
    r = np.random.default_rng(5)
    for step in range(12):
        chunk = {"input": r.standard_normal((1, 576)).astype(np.float32), "sr": np.array(16000, np.int64)}
        want = model.expected({**chunk, "state": state})
        state = want["stateN"]
        assert_close({"output": session.run(chunk)["output"]}, {"output": want["output"]}, f"chunk {step}")


@pytest.mark.filterwarnings("ignore::tenon.CompileWarning")
def test_silero_as_it_is(collected):
    """Without any option: both sample rates, any length that gives one step. The model squeezes its last axis only if
    that has one element, and goes on as if it had."""
    model = collected("silero_vad")
    package = tenon.compile(str(model.path), **options("x86-64-v3"), target="x86-64-v3")
    assert package.inputs[0].shape == ("input.0", "input.1")
    session = package.session(threads=1)
    r = np.random.default_rng(8)
    for rate, batch, length in ((16000, 1, 512), (8000, 3, 256), (16000, 2, 576), (8000, 1, 288), (16000, 1, 400)):
        inputs = {
            "input": r.standard_normal((batch, length)).astype(np.float32),
            "state": r.standard_normal((2, batch, 128)).astype(np.float32),
            "sr": np.array(rate, np.int64),
        }
        found, expected = session.run(inputs), model.expected(inputs)
        np.testing.assert_allclose(found.pop("output"), expected.pop("output"), atol=1e-5)  # probabilities
        assert_close(found, expected, f"{batch} x {length} at {rate} Hz")
    inputs["input"] = np.zeros((1, 1200), np.float32)
    with pytest.raises(tenon.RunError, match="decoder/If: the else branch cannot run: its result has rank 3"):
        session.run(inputs)


@every_target
def test_decoder_writes_the_same_tokens(target, collected):
    """Prefill and decode in one package, caches as session state: greedy decoding equals ONNX Runtime's."""
    models = {f: collected(f"smollm_{f}") for f in ("prefill", "decode")}
    files = {function: str(model.path) for function, model in models.items()}
    package = tenon.compile(files, target=target, state=PAST_STATES, **options(target))
    session = package.session(threads=2, function="prefill")
    prompt = [3, 77, 1000, 5, 9]
    caches = {name: np.zeros((CAPACITY, KV_HEADS, HEAD_DIM), np.float32) for name in PAST_STATES}
    tokens, want, written = prompt, [], []
    position, function = 0, "prefill"
    for _ in range(24):
        step = {"input_ids": np.array([tokens], np.int64), "position": np.array([position], np.int64)}
        expected = models[function].expected({**step, **caches})
        caches = {past: expected[present] for past, present in PAST_STATES.items()}
        want.append(int(expected["logits"].argmax()))
        written.append(int(session.run(step, function=function)["logits"].argmax()))
        assert written == want
        position += len(tokens)
        tokens, function = [want[-1]], "decode"
    assert len(set(want)) > 12


def test_functions_store_equal_weights_once(collected, tmp_path):
    files = [f"{f}={collected(f'smollm_{f}').path}" for f in ("prefill", "decode")]
    states = ",".join(f"{past}={present}" for past, present in PAST_STATES.items())
    together, alone = tmp_path / "both.tenon", tmp_path / "one.tenon"
    command(["compile", *files, "-o", together, "--state", states])
    command(["compile", files[1].split("=")[1], "-o", alone])
    cache_bytes = 2 * LAYERS * CAPACITY * KV_HEADS * HEAD_DIM * 4
    assert together.stat().st_size < 1.2 * alone.stat().st_size + cache_bytes


def options(target: str) -> dict:
    return {"emulate_isa": True} if emulation(target) else {}
