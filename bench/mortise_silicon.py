"""Mortise beside published silicon: simulates layers like those of the publications on machines that resemble theirs,
and prints a page with measured or published figures, ours, and the error.

    python bench/mortise_silicon.py [SECTION..] > docs/mortise-silicon.md
"""

import csv
import io
import json
import math
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mortise_run import ROOT, tenon

NETWORKS = ROOT / "sim/workloads/networks"
COLUMNS = ["name", "kind", "h", "w", "cin", "cout", "r", "s", "stride", "type"]


ABOUT_TPU = """## TPUv1

Published (measured by counters of the machine) / ours / error. Layers are stand-ins: equal ones, as many as published,
of the published number of weights, batch and operations a byte of weights; LSTM1 has the matrices of 600 x 600 that the
paper names, the depths of CNN0 and CNN1 are chosen for the published share of useful cells. Activations lie in a second
level (24 MiB, 256 bytes a cycle). We have neither the host's transfers nor what the paper calls non-matrix cycles (10
to 32 %), so that ours is nearer to the roofline.

"""

ABOUT_NVDLA = """## NVDLA, ResNet-50

Published (the vendor's estimates, int8, 1 GHz, 16 nm) / ours / error, for one image. The ideal is one MAC a cell and
cycle. Power is the chip's, without DRAM; the energy table is of other processes: the error of power is the table's.

"""

ABOUT_EYERISS = """## Eyeriss, AlexNet

Published (measured, four images, 16 bits) / ours / error. Images lie one above the other; the rows between them are
computed, too. Eyeriss keeps rows stationary, skips zeros and compresses what it stores. Our preset keeps weights
stationary; in the layers of small images the weights come from memory anew for every tile of rows, and memory is what
limits them. Power is without DRAM.

"""

ABOUT_GEMMINI = """## Gemmini, ResNet-50

Published (RTL, four images) / ours / error. The RTL's cycles have the processor that issues loops, its page table
walks, and pooling and residual additions, which the list of layers does not have.

"""

ABOUT_ETHOS = """## Ethos-U, ResNet-50

Estimated by the vendor's compiler (Vela 5.2.0) / ours / error. Its estimate has pooling and additions; it compresses
weights, ours are plain. On u55-256 the 32 KB of scratchpad do not hold the weights of eight outputs of the deep layers:
they come from flash, a byte a cycle, for every tile of rows.

"""

HEAD = """# Mortise beside published silicon

The presets resemble machines; how far, this page tells. `bench/mortise_silicon.py` prints it from runs of the cycle
tier. Nothing is fitted to these figures.

"""


@dataclass(frozen=True)
class Layer:
    """One line of a list of layers, and how often it occurs."""

    kind: str
    sizes: tuple[int, ...]
    type: str = "i8"
    count: int = 1

    @staticmethod
    def gemm(m: int, n: int, k: int, count: int = 1) -> "Layer":
        return Layer("gemm", (m, 1, k, n, 1, 1, 1), "i8", count)

    @staticmethod
    def stacked(images: int, size: int, channels: int, kernel: int, count: int = 1) -> "Layer":
        """A 'same' convolution of several images, one above the other with their padding between."""
        side = size + kernel - 1
        return Layer("conv", (images * side, side, channels, channels, kernel, kernel, 1), "i8", count)


def read_network(name: str) -> list[Layer]:
    counts: dict[Layer, int] = {}
    for row in csv.DictReader(io.StringIO((NETWORKS / f"{name}.csv").read_text())):
        layer = Layer(row["kind"], tuple(int(row[c]) for c in COLUMNS[2:9]), row.get("type") or "i8")
        counts[layer] = counts.get(layer, 0) + 1
    return [Layer(layer.kind, layer.sizes, layer.type, count) for layer, count in counts.items()]


def simulate(layers: list[Layer], machine: str | Path) -> dict[str, float]:
    """Sums over the layers, each simulated once by cycle."""
    total: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        source, binary, report = (Path(folder) / name for name in ("l.csv", "l.bin", "l.json"))
        for layer in layers:
            source.write_text(f"layer,{layer.kind},{','.join(map(str, layer.sizes))},{layer.type}\n")
            tenon("estimate", source, "--hw", machine, "--program", binary)
            tenon("sim", binary, "--hw", machine, "--timing-only", "--no-hazards", "--json", report)
            for name, value in figures(json.loads(report.read_text())).items():
                total[name] = total.get(name, 0) + value * layer.count
    return total


def figures(report: dict) -> dict[str, float]:
    cycles, matrix, traffic = report["cycles"], report["engines"]["matrix"], report["traffic"]
    return {
        "cycles": cycles,
        "macs": report["macs"],
        "active": cycles * report["utilization"]["array_active"],
        "useful": cycles * report["utilization"]["useful_mac"],
        "weights": matrix["stall"].get("weights", 0),
        "dram": traffic["dram"]["read"] + traffic["dram"]["write"],
        "l1": traffic["l1"]["read"] + traffic["l1"]["write"],
        "pj": report["energy_total_pj"] - sum(report["energy_pj"].get("dram", {}).values()),
    }


def variant(preset: str, **changes: str) -> str:
    """The preset's YAML with other values for whole lines, by their key."""
    lines = tenon("sim", "--print-hw", "--hw", preset).splitlines()
    for key, value in changes.items():
        found = [i for i, line in enumerate(lines) if line.startswith(f"{key}:")]
        if found:
            start = found[0]
            end = start + 1
            while end < len(lines) and lines[end].startswith((" ", "-")):
                end += 1
            lines[start:end] = [f"{key}: {value}"]
        else:
            lines.append(f"{key}: {value}")
    return "\n".join(lines) + "\n"


def on_variant(layers: list[Layer], text: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "machine.yaml"
        path.write_text(text)
        return simulate(layers, path)


def compared(published: float, ours: float, digits: int = 1) -> str:
    return f"{published:.{digits}f} / {ours:.{digits}f} / {100 * (ours / published - 1):+.0f} %"


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


# Layers of the first TPU's applications: equal ones, as many as published, with the published weights, batch and reuse.
TPU = {
    "MLP0": ([Layer.gemm(200, 2000, 2000, 5)], 12.3, 13.6, 12.7, 12.5, 53.9 + 15.9),
    "MLP1": ([Layer.gemm(168, 1118, 1118, 4)], 9.7, 11.4, 10.6, 9.4, 44.2 + 13.4),
    "LSTM0": ([Layer.gemm(64, 1472, 1472, 24)], 3.7, 4.35, 8.2, 8.2, 58.1 + 15.8),
    "LSTM1": ([Layer.gemm(96, 600, 600, 94)], 2.8, 6.53, 10.5, 6.3, 62.1 + 17.1),
    "CNN0": ([Layer.stacked(8, 19, 256, 3, 16)], 86.0, 91.8, 78.2, 78.2, 0),
    "CNN1": ([Layer.stacked(32, 20, 144, 3, 72), Layer.gemm(32, 4653, 4653, 4)], 14.1, 91.8, 46.2, 22.5, 35.1),
}


def tpu() -> str:
    level = "{bytes: 25165824, bytes_per_cycle: 256, latency: 16, burst: 256}"
    machine = variant("tpuv1", l2=level)
    rows = []
    for name, (layers, tops, roofline, active, useful, weights) in TPU.items():
        ours = on_variant(layers, machine)
        cycles = ours["cycles"]
        ours_tops = 2 * ours["macs"] / cycles * 700e6 * 1e-12
        row = [name, compared(tops, ours_tops), f"{roofline}"]
        row += [
            f"{published} / {100 * ours[key] / cycles:.1f}"
            for published, key in ((active, "active"), (useful, "useful"), (round(weights, 1), "weights"))
        ]
        rows.append(row)
    return ABOUT_TPU + table(
        ["", "TOPS", "roofline", "array active %", "useful MACs %", "waits for weights (stall and shift) %"], rows
    )


# MACs, rows, columns, buffer KB, GB/s, frames a second, mW.
NVDLA = [
    (2048, 64, 32, 512, 20, 269, 291),
    (1024, 64, 16, 256, 15, 153, 143),
    (512, 32, 16, 256, 10, 93, 80),
    (256, 32, 8, 256, 5, 46, 48),
    (128, 16, 8, 256, 2, 20, 31),
    (64, 8, 8, 128, 1, 7.3, 21),
    (32, 8, 4, 128, 0.5, 3.6, 17),
]


def nvdla() -> str:
    network = read_network("resnet50")
    rows, ours_fps = [], []
    for macs, height, width, kilobytes, bandwidth, fps, milliwatts in NVDLA:
        lines = tenon("sim", "--print-hw", "--hw", "nvdla")
        text = replace_fields(
            lines,
            {
                ("scratchpad", "bytes"): kilobytes * 1024,
                ("matrix", "rows"): height,
                ("matrix", "columns"): width,
                ("dram", "bytes_per_cycle"): bandwidth,
            },
        )
        ours = on_variant(network, text)
        rate = 1e9 / ours["cycles"]
        ours_fps.append(rate)
        power = ours["pj"] * 1e-12 * rate * 1e3
        ideal = 1e9 * macs / ours["macs"]
        rows.append(
            [f"{macs} / {kilobytes} / {bandwidth}", compared(fps, rate), f"{ideal:.1f}", compared(milliwatts, power, 0)]
        )
    published = [row[5] for row in NVDLA]
    mean = sum(abs(math.log(o / p)) for o, p in zip(ours_fps, published, strict=True)) / len(published)
    return (
        ABOUT_NVDLA
        + table(["MACs / KB / GB/s", "frames a second", "ideal", "mW"], rows)
        + f"\nMean factor between ours and published frames a second: {math.exp(mean):.2f}.\n"
    )


def replace_fields(yaml: str, values: dict[tuple[str, str], float]) -> str:
    section, lines = "", []
    for line in yaml.splitlines():
        if line and not line[0].isspace() and line[0] != "-":
            section = line.split(":")[0]
        key = line.strip().split(":")[0]
        indented = line.startswith(" ")
        if indented and (section, key) in values:
            line = f"  {key}: {values[section, key]}"
        lines.append(line)
    return "\n".join(lines) + "\n"


# Layer, published milliseconds for four images (processing), mW.
EYERISS = [
    ("1", [Layer("conv", (4 * 227, 227, 3, 96, 11, 11, 4), "f16")], 16.5, 332),
    ("2", [Layer("conv", (4 * 31, 31, 48, 128, 5, 5, 1), "f16", 2)], 39.2, 288),
    ("3", [Layer("conv", (4 * 15, 15, 256, 384, 3, 3, 1), "f16")], 21.8, 266),
    ("4", [Layer("conv", (4 * 15, 15, 192, 192, 3, 3, 1), "f16", 2)], 16.0, 235),
    ("5", [Layer("conv", (4 * 15, 15, 192, 128, 3, 3, 1), "f16", 2)], 10.0, 236),
]


def eyeriss() -> str:
    rows = []
    total: dict[str, float] = {}
    for name, layers, milliseconds, milliwatts in EYERISS:
        ours = simulate(layers, "eyeriss")
        for key, value in ours.items():
            total[key] = total.get(key, 0) + value
        ours_ms = ours["cycles"] / 200e3
        rows.append([name, compared(milliseconds, ours_ms), compared(milliwatts, ours["pj"] * 1e-9 / ours_ms * 1e3, 0)])
    seconds = total["cycles"] / 200e6
    rows.append(["all, processing", compared(103.5, seconds * 1e3), compared(278, total["pj"] * 1e-9 / seconds, 0)])
    return (
        ABOUT_EYERISS
        + table(["layer", "ms", "mW"], rows)
        + f"\nTraffic: DRAM {compared(15.4, total['dram'] * 1e-6)} MB; buffer "
        + f"{compared(208.5, total['l1'] * 1e-6)} MB.\n"
    )


def gemmini() -> str:
    ours = simulate(read_network("resnet50"), "gemmini")
    cycles = 4 * ours["cycles"] * 1e-6
    useful = 100 * ours["useful"] / ours["cycles"]
    rows = [[compared(153.7, cycles), f"40 (later 51) / {useful:.0f}"]]
    return ABOUT_GEMMINI + table(["million cycles", "useful MACs %"], rows)


def ethos() -> str:
    network = read_network("resnet50")
    rows = []
    for preset, published in (("u55-256", 36.18), ("u65-512", 25.96)):
        ours = simulate(network, preset)
        rows.append([preset, compared(published, ours["cycles"] * 1e-6)])
    return ABOUT_ETHOS + table(["", "million cycles"], rows)


SECTIONS = {"tpu": tpu, "nvdla": nvdla, "eyeriss": eyeriss, "gemmini": gemmini, "ethos": ethos}


def main() -> None:
    chosen = sys.argv[1:] or list(SECTIONS)
    sys.stdout.write(HEAD + "\n".join(SECTIONS[name]() for name in chosen))


if __name__ == "__main__":
    main()
