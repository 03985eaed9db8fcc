"""Whole networks on a machine of the family Mortise: what runs there, in how many cycles, and whether it is right.

    python bench/mortise_networks.py --models DIR [--hw edge-512k] [NAME[:bf16][=INPUT=SIZES,...] ...]

Each model is compiled for the machine and for the CPU and runs on both with the same random inputs. Printed are cycles,
the share of the array's peak, the share of the transfers' time in which the array works, traffic and energy; then the
model's nodes that stay on the CPU, with reasons.
"""

import argparse
import collections
import json
import tempfile
from pathlib import Path

import numpy as np
from mortise_layers import is_transfer, overlap, spans, works
from mortise_run import tenon

MODELS = (
    "resnet50_int8",
    "mobilenetv3_large_100_int8",
    "ppocr4_rec_int8=x=1x3x48x320",
    "minilm_int8=input_ids=1x128,attention_mask=1x128",
    "resnet50:bf16",
    "mobilenetv3_large_100:bf16",
    "ppocr4_rec:bf16=x=1x3x48x320",
    "minilm:bf16=input_ids=1x128,attention_mask=1x128",
)


class Network:
    def __init__(self, text: str, folder: Path, models: Path, hardware: str):
        name, _, shapes = text.partition("=")
        self.name, _, precision = name.partition(":")
        self.flags = ["--precision", precision] if precision else []
        self.flags += [part for shape in shapes.split(",") if shape for part in ("--shape", shape)]
        self.file, self.folder, self.hardware = models / f"{self.name}.onnx", folder, hardware

    def compile(self, target: str) -> Path:
        package = self.folder / f"{target.partition(':')[0]}.tenon"
        tenon("compile", self.file, "-o", package, "--target", target, *self.flags)
        return package

    def compare(self, machine: Path, cpu: Path) -> str:
        folders = []
        for package in (machine, cpu):
            folders.append(self.folder / f"{package.stem}-outputs")
            tenon("run", package, "--output-dir", folders[-1])
        worst, equal, count = 0.0, 0, 0
        for file in sorted(folders[1].glob("*.npy")):
            a, b = (np.load(folder / file.name).astype(np.float64) for folder in folders)
            worst = max(worst, np.abs(a - b).max() / max(np.abs(b).max(), 1e-9))
            equal, count = equal + int((a == b).sum()), count + a.size
        return "equal" if equal == count else f"{count - equal} of {count} differ, by {worst:.1e} of the largest"

    def report(self) -> None:
        machine, cpu = self.compile(f"mortise:{self.hardware}"), self.compile("native")
        profile, trace = self.folder / "profile.json", self.folder / "trace.perfetto"
        tenon("profile", machine, "--device", "mortise", "--json", profile, "--trace", trace)
        rows = [row for row in json.loads(profile.read_text())["rows"] if row.get("cycles")]
        cycles, ideal = (sum(row[key] for row in rows) for key in ("cycles", "ideal_cycles"))
        dram = sum(sum(row["traffic"]["dram"].values()) for row in rows)
        energy = sum(row["energy_total_pj"] for row in rows)
        found = works(json.loads(trace.read_text())["traceEvents"])
        together = overlap(
            spans([*filter(is_transfer, found)]), spans([work for work in found if work.lane == "matrix"])
        )
        print(
            f"{self.name}: {cycles} cycles, {ideal / cycles:.1%} of the array's peak, array at work in {together:.1%} "
            f"of the transfers' time, DRAM {dram / 1e6:.1f} MB, "
            f"{energy / 1e6:.0f} uJ; results: {self.compare(machine, cpu)}"
        )
        self.print_reasons()

    def print_reasons(self) -> None:
        found = json.loads(tenon("check", self.file, "--target", f"mortise:{self.hardware}", "--json", *self.flags))
        nodes = found["rows"] if isinstance(found, dict) else found
        reasons = collections.Counter()
        for node in nodes:
            if node.get("device") == "cpu":
                reasons[node["op"], "; ".join(node.get("stays") or [])] += 1
        for (operation, why), count in reasons.most_common():
            print(f"  {count:4} {operation}: {why}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=MODELS, metavar="NAME")
    parser.add_argument("--models", type=Path, required=True, metavar="DIR", help="what ./dev models collects")
    parser.add_argument("--hw", default="edge-512k", metavar="PRESET|FILE")
    options = parser.parse_args()
    for text in options.networks:
        with tempfile.TemporaryDirectory() as folder:
            Network(text, Path(folder), options.models, options.hw).report()


if __name__ == "__main__":
    main()
