"""How many cycles a network needs with more and less scratchpad.

    python bench/mortise_scratchpad.py [--hw edge-512k] [--sizes 256 384 512 16384] [--layers] [--cascades off]
        [MODEL.onnx ...]

Without a model: MobileNetV2 in int8 (`peer_networks.py`). Each model is compiled for copies of a machine whose
scratchpad has so many KiB, and runs on them and on the CPU with the same random inputs. Printed are cycles, how many
more than with the largest scratchpad, DRAM traffic, and whether all results equal the CPU's; with `--layers` the nodes
that lose most.
"""

import argparse
import json
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import peer_networks
import peer_onnx
import yaml
from mortise_run import tenon

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


@dataclass
class Run:
    """A network on a machine: KiB of scratchpad, commands of the profile, whether results equal the CPU's."""

    size: int
    rows: list
    equal: bool

    @property
    def cycles(self) -> int:
        return sum(row["cycles"] for row in self.rows)

    @property
    def dram(self) -> int:
        return sum(sum(row["traffic"]["dram"].values()) for row in self.rows)


def measure(model: Path, preset: str, sizes: list[int], folder: Path, cascades: str = "on") -> list[Run]:
    """The largest scratchpad first. `cascades` off: every tensor between kernels goes through memory."""
    cpu = folder / "cpu.tenon"
    tenon("compile", model, "-o", cpu)
    expected = outputs(cpu, folder / "cpu")
    runs = []
    for size in sorted(sizes, reverse=True):
        package, profile = folder / f"{size}.tenon", folder / f"{size}.json"
        target = f"mortise:{machine(preset, size, folder)}"
        tenon("compile", model, "-o", package, "--target", target, "--cascades", cascades)
        tenon("profile", package, "--device", "mortise", "--json", profile)
        rows = [row for row in json.loads(profile.read_text())["rows"] if row.get("cycles")]
        got = outputs(package, folder / str(size))
        runs.append(Run(size, rows, all(np.array_equal(a, b) for a, b in zip(expected, got, strict=True))))
    return runs


def report(model: Path, runs: list[Run], layers: bool) -> None:
    print(f"{model.stem}\n  KiB      cycles   more  DRAM MB  results")
    for run in runs:
        more, results = run.cycles / runs[0].cycles - 1, "equal" if run.equal else "NOT equal"
        print(f"{run.size:5} {run.cycles:11} {more:+6.1%} {run.dram / 1e6:8.2f}  {results}")
        if layers and run is not runs[0]:
            lost = by_node(run.rows)
            lost.subtract(by_node(runs[0].rows))
            for node, cycles in lost.most_common(8):
                print(f"      {cycles:+8} {node}")


def mobilenet_v2(folder: Path) -> Path:
    model = folder / "mobilenet_v2_int8.onnx"
    peer_onnx.make_onnx(peer_networks.mobilenet_v2(), 224, model)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL.onnx")
    parser.add_argument("--hw", default="edge-512k", metavar="PRESET")
    parser.add_argument("--sizes", nargs="+", type=int, default=[256, 384, 512, 16384], metavar="KIB")
    parser.add_argument("--layers", action="store_true", help="the nodes that lose most")
    parser.add_argument("--cascades", choices=["on", "off"], default="on", help="whether tensors may stay in it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for model in options.models or [mobilenet_v2(folder)]:
            report(model, measure(model, options.hw, options.sizes, folder, options.cascades), options.layers)


if __name__ == "__main__":
    main()
