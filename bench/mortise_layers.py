"""What overlaps in a network's convolutions on a machine of the family Mortise, layer by layer, and as a picture.

    python bench/mortise_layers.py [MODEL.onnx] [--hw edge-512k] [--picture FILE.svg]

Without a model: a block of ResNet-50 (28 x 28 x 512, three convolutions, the block's input added) in int8. Of each
product:

- cycles: what the layer adds to the time, from the end of the layer before; of peak: of these, what the array would
  need if all cells had work; bound: whether the array or the memory would need longer, each alone.
- overlap: the share of the time in which a DMA channel moves the layer's data that the array is at work.
- DRAM, and for layers of bytes whose input, weights, result (and addend) fit the scratchpad: beside each of these once.

The picture shows the engines over time, from the first product to the last above, then a few tiles of the second and
of the third one.
"""

import argparse
import collections
import tempfile
from dataclasses import dataclass
from pathlib import Path

import onnx
import peer_networks
import peer_onnx
import yaml
from mortise_run import profile, tenon

PRODUCTS = ("Conv", "Gemm", "MatMul")
LANES = {
    "in0": "DMA in: tiles",
    "in1": "DMA in: weights",
    "matrix": "matrix unit",
    "drain": "drain",
    "vector": "vector core",
    "out0": "DMA out",
}
COLOURS = ("#3b7dd8", "#e07b39", "#55a868", "#8172b2", "#c44e52", "#937860")


@dataclass(frozen=True)
class Work:
    """A command of an engine: cycles from `begin` to `end`, for a node of the model."""

    lane: str
    begin: float
    end: float
    node: str


@dataclass
class Layer:
    """A node of the model: cycles, multiplications and bytes of DRAM; `least` bytes if it fits the scratchpad."""

    name: str
    cycles: int
    macs: int
    dram: int
    overlap: float
    least: int = 0


def block() -> list[peer_networks.Layer]:
    """The second block of ResNet-50's second stage."""
    net = peer_networks.Builder(float("inf"))
    net.channels, net.size = 512, 28
    net.add("reduce", "conv", 128, 1, 1, True)
    net.add("window", "conv", 128, 3, 1, True)
    net.add("expand", "conv", 512)
    net.add("add", "add", 512, rectify=True, sources=("expand", ""))
    return net.layers


def works(events: list[dict]) -> list[Work]:
    """The commands of a trace, without what engines wait for."""
    names = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["ph"] == "M" and "tid" in e}
    return [
        Work(names[e["pid"], e["tid"]], e["ts"], e["ts"] + e["dur"], e["args"].get("node", ""))
        for e in events
        if e["ph"] == "X" and not e["name"].startswith("wait") and e["dur"] > 0
    ]


def spans(found: list[Work]) -> list[tuple[float, float]]:
    """The times in which at least one of them is under way, in order."""
    joined: list[tuple[float, float]] = []
    for work in sorted(found, key=lambda work: work.begin):
        if joined and work.begin <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], work.end)
        else:
            joined.append((work.begin, work.end))
    return joined


def overlap(moving: list[tuple[float, float]], working: list[tuple[float, float]]) -> float:
    """The share of the first times that lies within the second."""
    both, first = 0.0, 0
    for begin, end in moving:
        while first < len(working) and working[first][1] <= begin:
            first += 1
        at = first
        while at < len(working) and working[at][0] < end:
            both += min(end, working[at][1]) - max(begin, working[at][0])
            at += 1
    return both / max(sum(end - begin for begin, end in moving), 1e-9)


def is_transfer(work: Work) -> bool:
    return work.lane.startswith(("in", "out"))


def of_products(found: list[Work]) -> list[Work]:
    """What is done for nodes that the array has a part in."""
    nodes = {work.node for work in found if work.lane == "matrix"}
    return [work for work in found if work.node in nodes]


def layers(rows: list[dict], found: list[Work], least: dict[str, int]) -> list[Layer]:
    """The products, in the order in which they end."""
    working = spans([work for work in found if work.lane == "matrix"])
    moved = collections.defaultdict(list)
    for work in filter(is_transfer, found):
        moved[work.node].append(work)
    result = []
    for row in rows:
        last = 0
        for node in sorted(row["by_node"], key=lambda node: node["end"]):
            name = node["node"].split(" (")[0]
            if node["macs"]:
                share = overlap(spans(moved[node["node"]]), working)
                result.append(
                    Layer(name, node["end"] - last, node["macs"], node["dram_bytes"], share, least.get(name, 0))
                )
            last = node["end"]
    return result


def compulsory(model: onnx.ModelProto, rows: list[dict]) -> dict[str, int]:
    """Bytes of input, weights, result and addend of each convolution of bytes.

    The addend of a sum is read by the later of the two convolutions that lead to it.
    """
    graph = onnx.shape_inference.infer_shapes(model).graph
    sizes = {}
    for value in (*graph.value_info, *graph.input, *graph.output):
        size = 1
        for dim in value.type.tensor_type.shape.dim:
            size *= dim.dim_value
        sizes[value.name] = size
    for tensor in graph.initializer:
        sizes[tensor.name] = onnx.numpy_helper.to_array(tensor).size
    users = collections.defaultdict(list)
    for node in graph.node:
        for name in node.input:
            users[name].append(node)
    begins = {node["node"].split(" (")[0]: node["begin"] for row in rows for node in row["by_node"]}
    result, sums = {}, collections.defaultdict(list)
    for node in graph.node:
        if node.op_type != "Conv" or node.name not in begins:
            continue
        result[node.name] = sum(sizes.get(name, 0) for name in (*node.input[:2], node.output[0]))
        ends = users[node.output[0]]
        while len(ends) == 1 and ends[0].op_type in ("QuantizeLinear", "DequantizeLinear"):
            ends = users[ends[0].output[0]]
        if len(ends) == 1 and ends[0].op_type == "Add":
            sums[ends[0].output[0]].append((begins[node.name], node))
    for found in sums.values():
        later = max(found, key=lambda pair: pair[0])[1]
        result[later.name] += sizes.get(later.output[0], 0)
    return result


def table(found: list[Layer], peak: float, bandwidth: float, scratchpad: int) -> str:
    lines = ["| layer | cycles | of peak | bound | overlap | DRAM, KB | / least |", "|---|---|---|---|---|---|---|"]
    for layer in found:
        bound = "array" if layer.macs / peak >= layer.dram / bandwidth else "memory"
        least = f"{layer.dram / layer.least:.2f}" if 0 < layer.least <= scratchpad else ""
        lines.append(
            f"| {layer.name} | {layer.cycles} | {layer.macs / peak / layer.cycles:.0%} | {bound} | "
            f"{layer.overlap:.1%} | {layer.dram / 1024:.0f} | {least} |"
        )
    return "\n".join(lines)


def summary(found: list[Layer], rows: list[dict], events: list[Work], peak: float, bandwidth: float) -> str:
    """All products together, and the layers that the array bounds."""
    cycles, macs = sum(layer.cycles for layer in found), sum(layer.macs for layer in found)
    part = of_products(events)
    moving, working = spans([*filter(is_transfer, part)]), spans([work for work in part if work.lane == "matrix"])
    bound = [layer for layer in found if layer.macs / peak >= layer.dram / bandwidth]
    time = sum(layer.cycles for layer in bound)
    share = sum(layer.overlap * layer.cycles for layer in bound) / max(time, 1)
    return (
        f"{sum(row['cycles'] for row in rows)} cycles; products: {cycles}, {macs / peak / cycles:.1%} of the "
        f"array's peak; the array at work in {overlap(moving, working):.1%} of their transfers' time; in the "
        f"{len(bound)} of {len(found)} layers that the array bounds, weighed by cycles: {share:.1%}"
    )


class Picture:
    """Lanes of engines over time, as SVG."""

    LEFT, WIDTH, LANE = 120, 860, 24

    def __init__(self, found: list[Work]):
        self.found = [work for work in found if work.lane in LANES]
        first = {}
        for work in sorted(self.found, key=lambda work: work.begin):
            if work.lane == "matrix":
                first.setdefault(work.node, None)
        for work in self.found:
            first.setdefault(work.node, None)
        self.colours = {node: COLOURS[i % len(COLOURS)] for i, node in enumerate(first)}
        self.parts: list[str] = []
        self.y = 8

    def text(self, x: float, y: float, text: str, more: str = "") -> None:
        text = text.replace("&", "&amp;").replace("<", "&lt;")
        self.parts.append(f"<text x='{x:.4g}' y='{y:.4g}'{more}>{text}</text>")

    def rectangle(self, x: float, y: float, width: float, height: float, fill: str, more: str = "") -> None:
        self.parts.append(f"<rect x='{x:.5g}' y='{y:.4g}' width='{width:.4g}' height='{height}' fill='{fill}'{more}/>")

    def legend(self) -> None:
        x = self.LEFT
        for node, colour in self.colours.items():
            self.rectangle(x, self.y, 12, 12, colour)
            self.text(x + 16, self.y + 10, node or "(none)")
            x += 40 + 6.6 * len(node)
        self.y += 22

    def panel(self, title: str, begin: float, end: float, tiles: bool) -> None:
        """Engines between two times; with `tiles`, those that follow each other have two shades."""
        scale = self.WIDTH / (end - begin)
        self.text(self.LEFT, self.y + 12, title, " font-weight='bold'")
        self.y += 20
        top = self.y
        for lane, name in LANES.items():
            self.text(self.LEFT - 8, self.y + 14, name, " text-anchor='end'")
            self.rectangle(self.LEFT, self.y, self.WIDTH, self.LANE - 5, "#f2f2f2")
            self.lane([work for work in self.found if work.lane == lane], begin, end, scale, tiles)
            self.y += self.LANE
        self.axis(top, begin, end, scale)

    def lane(self, found: list[Work], begin: float, end: float, scale: float, tiles: bool) -> None:
        runs: list[list] = []  # what looks like one piece: begin, end, node, shade
        drains = [work.begin for work in self.found if work.lane == "drain"]
        for number, work in enumerate(sorted(found, key=lambda work: work.begin)):
            if work.end <= begin or work.begin >= end:
                continue
            # The array has many commands for a tile, which is drained behind the last of them.
            count = sum(drain < work.end for drain in drains) if tiles and work.lane == "matrix" else number
            shade = count % 2 if tiles else 0
            if runs and runs[-1][2:] == [work.node, shade] and (work.begin - runs[-1][1]) * scale < 0.4:
                runs[-1][1] = max(runs[-1][1], work.end)
            else:
                runs.append([work.begin, work.end, work.node, shade])
        for start, stop, node, shade in runs:
            start, stop = max(start, begin), min(stop, end)
            more = " opacity='0.6'" if shade else ""
            width = max((stop - start) * scale, 0.3)
            self.rectangle(self.LEFT + (start - begin) * scale, self.y, width, self.LANE - 5, self.colours[node], more)

    def axis(self, top: float, begin: float, end: float, scale: float) -> None:
        step = 1.0
        while (end - begin) / step > 12:
            step *= 2.5 if str(step)[0] == "2" else 2
        at = -(-begin // step) * step
        while at <= end:
            x = self.LEFT + (at - begin) * scale
            self.parts.append(f"<path d='M{x:.5g} {top}V{self.y}' stroke='#000' stroke-opacity='0.15'/>")
            self.text(x, self.y + 12, f"{at:.0f}", " text-anchor='middle'")
            at += step
        self.text(self.LEFT - 8, self.y + 12, "cycle", " text-anchor='end'")
        self.y += 30

    def svg(self) -> str:
        width, height = self.LEFT + self.WIDTH + 40, self.y
        return (
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' font-family='sans-serif' "
            f"font-size='12'>\n<rect width='{width}' height='{height}' fill='#fff'/>\n"
            + "\n".join(self.parts)
            + "\n</svg>\n"
        )


def shares(found: list[Work], begin: float, end: float) -> str:
    """How much of a time the array works, and how much of the transfers' time."""
    part = [
        Work(work.lane, max(work.begin, begin), min(work.end, end), work.node)
        for work in found
        if work.end > begin and work.begin < end
    ]
    working, moving = spans([work for work in part if work.lane == "matrix"]), spans([*filter(is_transfer, part)])
    busy = sum(stop - start for start, stop in working) / (end - begin)
    return (
        f"the matrix unit works in {busy:.1%} of the time, and in {overlap(moving, working):.1%} of the transfers' time"
    )


def draw(found: list[Work], title: str) -> str:
    """From the first product to the last, and some tiles in the middle of the second one and the third."""
    found = of_products(found)
    begin, end = min(work.begin for work in found), max(work.end for work in found)
    products = collections.defaultdict(list)
    for work in found:
        if work.lane == "matrix":
            products[work.node].append(work)
    picture = Picture(found)
    picture.legend()
    picture.panel(f"{title}: {shares(found, begin, end)}", begin, end, tiles=False)
    for node, share in zip(list(products)[1:3], (0.2, 0.4), strict=False):
        first, last = products[node][0].begin, products[node][-1].end
        near, span = (first + last) / 2, (last - first) * share
        zoom = near - span / 2, near + span / 2
        picture.panel(f"within {node}: {shares(found, *zoom)}; tiles in two shades", *zoom, tiles=True)
    return picture.svg()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path, metavar="MODEL.onnx")
    parser.add_argument("--hw", default="edge-512k", metavar="PRESET|FILE")
    parser.add_argument("--picture", type=Path, metavar="FILE.svg")
    options = parser.parse_args()
    hardware = yaml.safe_load(tenon("sim", "--print-hw", "--hw", options.hw))
    with tempfile.TemporaryDirectory() as folder:
        model = options.model or Path(folder) / "block.onnx"
        if not options.model:
            peer_onnx.make_onnx(block(), 28, model)
        rows, events = profile(model, options.hw, trace=True)
        least = compulsory(onnx.load(model), rows)
    found = works(events)
    peak = sum(row["macs"] for row in rows) / sum(row["ideal_cycles"] for row in rows)
    bandwidth = hardware["dram"]["bytes_per_cycle"]
    products = layers(rows, found, least)
    print(table(products, peak, bandwidth, hardware["scratchpad"]["bytes"]))
    print("\n" + summary(products, rows, found, peak, bandwidth))
    if options.picture:
        options.picture.write_text(draw(found, f"{model.stem} on {options.hw}"))


if __name__ == "__main__":
    main()
