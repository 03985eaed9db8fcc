"""How many cycles a network needs with more and less scratchpad.

    python bench/mortise_scratchpad.py [--hw edge-512k] [--sizes 256 384 512 16384] [--layers] [MODEL.onnx ...]

Without a model: MobileNetV2 in int8 (`mobilenet_v2.py`). Each model is compiled for copies of a machine whose
scratchpad has so many KiB, and runs on them and on the CPU with the same random inputs. Printed are cycles, how many
more than with the largest scratchpad, DRAM traffic, and whether all results equal the CPU's; with `--layers` the nodes
that lose most.
"""

import argparse
import json
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import yaml
from mobilenet_v2 import mobilenet_v2
from mortise_networks import tenon

PRESETS = Path(__file__).parent.parent / "isa" / "mortise" / "presets"


def machine(preset: str, kilobytes: int, folder: Path) -> Path:
    """A description with another scratchpad; its banks stay as many and as wide."""
    description = yaml.safe_load((PRESETS / f"{preset}.yaml").read_text())
    description["scratchpad"]["bytes"] = kilobytes * 1024
    description["name"] = f"{preset}-{kilobytes}k"
    file = folder / f"{description['name']}.yaml"
    file.write_text(yaml.safe_dump(description, sort_keys=False))
    return file


def outputs(package: Path, folder: Path) -> list[np.ndarray]:
    tenon("run", package, "--output-dir", folder)
    return [np.load(file) for file in sorted(folder.glob("*.npy"))]


def by_node(rows: list) -> Counter:
    """Cycles from the end of one node to the end of the next: they add up to the run."""
    cycles: Counter = Counter()
    for row in rows:
        last = 0
        for node in sorted(row["by_node"], key=lambda node: node["end"]):
            cycles[node["node"]] += node["end"] - last
            last = node["end"]
    return cycles


def measure(model: Path, options: argparse.Namespace, folder: Path) -> None:
    cpu = folder / "cpu.tenon"
    tenon("compile", model, "-o", cpu)
    expected = outputs(cpu, folder / "cpu")
    found = []
    for size in sorted(options.sizes, reverse=True):
        package, profile = folder / f"{size}.tenon", folder / f"{size}.json"
        tenon("compile", model, "-o", package, "--target", f"mortise:{machine(options.hw, size, folder)}")
        tenon("profile", package, "--device", "mortise", "--json", profile)
        rows = [row for row in json.loads(profile.read_text())["rows"] if row.get("cycles")]
        got = outputs(package, folder / str(size))
        equal = all(np.array_equal(a, b) for a, b in zip(expected, got, strict=True))
        found.append((size, rows, equal))
    most = sum(row["cycles"] for row in found[0][1])
    print(f"{model.stem}\n  KiB      cycles   more  DRAM MB  results")
    for size, rows, equal in found:
        cycles = sum(row["cycles"] for row in rows)
        dram = sum(sum(row["traffic"]["dram"].values()) for row in rows)
        print(f"{size:5} {cycles:11} {cycles / most - 1:+6.1%} {dram / 1e6:8.2f}  {'equal' if equal else 'NOT equal'}")
        if options.layers:
            lost = by_node(rows)
            lost.subtract(by_node(found[0][1]))
            for node, more in lost.most_common(8):
                print(f"      {more:+8} {node}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL.onnx")
    parser.add_argument("--hw", default="edge-512k", metavar="PRESET")
    parser.add_argument("--sizes", nargs="+", type=int, default=[256, 384, 512, 16384], metavar="KIB")
    parser.add_argument("--layers", action="store_true", help="the nodes that lose most")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = options.models
        if not models:
            models = [folder / "mobilenet_v2_int8.onnx"]
            onnx.save(mobilenet_v2(), models[0])
        for model in models:
            measure(model, options, folder)


if __name__ == "__main__":
    main()
