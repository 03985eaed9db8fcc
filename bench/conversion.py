"""Models in the formats of engines that do not read ONNX:  conversion.py litert MODEL FILE

Converted files are kept in `converted/` beside the manifest, and made again when the model is newer. MNN's converter
reads the ONNX file; LiteRT's reads the torch module that the ONNX file was exported from (`.venv-litert`, see
tools/dev), so that it knows only models that torch exports.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
LITERT_PYTHON = HERE.parent / ".venv-litert/bin/python"
SUFFIX = {"mnn": ".mnn", "litert": ".tflite"}
TIMEOUT_SECONDS = 600


class NotConverted(Exception):
    """The reason is the message."""


def converted(peer: str, name: str, model: Path, entry: dict, folder: Path) -> Path:
    """The file that `peer` loads for a model; `entry`: its row in the manifest, which lies in `folder`."""
    if peer not in SUFFIX:
        return model
    target = folder / "converted" / f"{name}{SUFFIX[peer]}"
    if target.exists() and target.stat().st_mtime >= model.stat().st_mtime:
        return target
    target.parent.mkdir(exist_ok=True)
    partial = target.with_name(f".{os.getpid()}.{target.name}")
    try:
        if peer == "mnn":
            to_mnn(model, partial)
            target.with_suffix(".outputs").write_text("\n".join(output_names(model)) + "\n")
        else:
            to_litert(model, entry, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def to_mnn(model: Path, target: Path) -> None:
    files = ["--modelFile", model.resolve(), "--MNNModel", target.resolve()]
    command = [sys.executable, "-m", "MNN.tools.mnnconvert", "-f", "ONNX", *files, "--bizCode", "tenon"]
    # Its log to the vendor would install packages into whatever Python is at hand; without them it goes on. It leaves
    # a file of its own where it runs.
    with tempfile.TemporaryDirectory(prefix="tenon-mnn-") as folder:
        said = run(command, {"PIP_NO_INDEX": "1"}, folder)
    if "Converted Success" not in said or not target.exists():
        raise NotConverted("mnnconvert: " + reason(said, ("Not Support", "rror", "Failed")))


def output_names(model: Path) -> list[str]:
    import onnx

    return [o.name for o in onnx.load(model, load_external_data=False).graph.output]


def to_litert(model: Path, entry: dict, target: Path) -> None:
    if entry["origin"] != "torch":
        raise NotConverted("litert-torch converts torch modules; this model comes as an ONNX file")
    if not LITERT_PYTHON.exists():
        raise NotConverted("litert-torch is not installed (`./dev bench` does it)")
    said = run([LITERT_PYTHON, HERE / "conversion.py", "litert", model, target])
    if not target.exists():
        raise NotConverted("litert-torch: " + reason(said, ("Error",)))


def run(command: list, settings: dict[str, str] | None = None, folder: str | None = None) -> str:
    """What a converter said. `settings`: of its environment; `folder`: where it runs."""
    try:
        done = subprocess.run(
            [str(word) for word in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=TIMEOUT_SECONDS,
            env={**os.environ, **(settings or {})},
            cwd=folder,
        )
    except subprocess.TimeoutExpired:
        return f"Error: gave up after {TIMEOUT_SECONDS} s"
    return done.stdout


def reason(said: str, marks: tuple[str, ...]) -> str:
    """The last line that tells of a failure, else the last one."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    marked = [line for mark in marks for line in lines if mark in line]
    return (marked or lines or ["it said nothing"])[0 if marked and "Not Support" in marked[0] else -1]


def export_litert(model: Path, target: Path) -> None:
    """In the venv with torch: the same module with the same weights as the ONNX file's."""
    sys.path.insert(0, str(HERE.parent / "tests/models"))
    import export_torch
    import litert_torch
    import numpy as np
    import torch
    from catalog import MODELS
    from inputs import make_inputs

    arrays = make_inputs(MODELS[model.stem].inputs, {})
    examples = tuple(torch.from_numpy(np.ascontiguousarray(a)) for a in arrays.values())
    litert_torch.convert(export_torch.module(model.stem, model.parent), examples).export(str(target))


if __name__ == "__main__":
    export_litert(Path(sys.argv[2]), Path(sys.argv[3]))
