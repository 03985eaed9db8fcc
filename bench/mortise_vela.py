"""Networks on two machines of the family Mortise, layer by layer beside what Vela estimates for Arm's Ethos-U.

    python bench/mortise_vela.py [--machine u55-256] [--summary] [NETWORK[=FILE.onnx] ...]

NETWORK is `resnet50` or `mobilenet_v2`, made with random 8-bit weights from its list of layers, or a FILE of the same
layers. Vela's figures are in bench/data/vela.csv (bench/vela_estimates.py writes it). Per layer:

- ideal: multiplications over the array's cells; array, NPU: cycles in which the matrix unit works, ours and Vela's,
  neither of which waits for memory. These are compared, with a tolerance for convolutions.
- cycles: what the layer adds to the time of ours, the transfers' and the vector core's part included; op: Vela's, the
  largest of the NPU's and the memories' cycles. A layer without cycles is computed within its neighbour.
"""

import argparse
import collections
import csv
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import onnx
import peer_networks
import peer_onnx
from mortise_run import ROOT, profile

VELA = ROOT / "bench/data/vela.csv"
TOLERANCES = {"u55-256": 0.10, "u65-512": 0.20}
TOTAL = 1.10
# What limits a layer, by the engine that works longest.
ENGINES = {"matrix": "matrix", "vector": "vector", "drain": "drain", "out0": "stores", "weights": "weights"}


@dataclass
class Row:
    """A layer: cycles of ours and Vela's; `name` is empty where only one of the two has it."""

    name: str
    kind: str = ""
    ideal: int = 0
    array: int = 0
    cycles: int = 0
    limit: str = ""
    npu: int = 0
    op: int = 0
    memory: str = ""  # what Vela's cycles wait for
    macs: int = 0
    notes: list[str] = field(default_factory=list)

    def outside(self, tolerance: float) -> bool:
        """Whether the matrix unit's cycles of a convolution differ from Vela's by more than the tolerance."""
        return self.kind == "conv" and not 1 - tolerance <= self.array / self.npu <= 1 + tolerance


def read_vela(network: str, machine: str) -> tuple[list[dict], dict]:
    """Vela's layers and its total."""
    lines = [line for line in VELA.read_text().splitlines() if not line.startswith("#")]
    rows = [row for row in csv.DictReader(lines) if (row["network"], row["machine"]) == (network, machine)]
    return [row for row in rows if row["layer"] != "total"], next(row for row in rows if row["layer"] == "total")


def measured(commands: list[dict]) -> dict[str, Row]:
    """Of each node: the time that it adds, from the end of the last node that ended before it."""
    rows: dict[str, Row] = {}
    for command in commands:
        last = 0
        for node in sorted(command["by_node"], key=lambda node: node["end"]):
            name = node["node"].split(" (")[0]
            row = rows.setdefault(name, Row(name))
            row.cycles += node["end"] - last
            last = node["end"]
            row.array += node["busy"].get("matrix", 0)
            longest = max(node["busy"], key=node["busy"].get, default="")
            row.limit = ENGINES.get(longest, "loads")
        rows[name].cycles += command["cycles"] - last  # the last node's results on their way out
    return rows


def node_names(model: Path, layers: list[dict]) -> dict[str, str]:
    """The node of each layer: the k-th node of a kind and shape is the k-th layer of these."""
    graph = onnx.shape_inference.infer_shapes(onnx.load(model)).graph
    shapes = {t.name: list(t.dims) for t in graph.initializer}
    for value in (*graph.value_info, *graph.input, *graph.output):
        shapes.setdefault(value.name, [d.dim_value for d in value.type.tensor_type.shape.dim])
    nodes = collections.defaultdict(list)
    for node in graph.node:
        if key := node_key(node, shapes):
            nodes[key].append(node.name)
    return {layer["layer"]: found.pop(0) for layer in layers if (found := nodes[layer_key(layer)])}


def node_key(node: onnx.NodeProto, shapes: dict[str, list[int]]) -> tuple | None:
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    if node.op_type == "Conv":
        outputs, depth, kernel, _ = shapes[node.input[1]]
        depthwise = attributes.get("group", 1) > 1
        return (
            "depthwise" if depthwise else "conv",
            outputs if depthwise else depth,
            outputs,
            kernel,
            *shapes[node.output[0]][2:3],
        )
    kind = {"MaxPool": "max_pool", "GlobalAveragePool": "mean", "ReduceMean": "mean", "Add": "add", "Gemm": "dense"}
    if kind.get(node.op_type) == "add" and len(shapes[node.output[0]]) != 4:
        return None
    return (kind[node.op_type],) if node.op_type in kind else None


def layer_key(layer: dict) -> tuple:
    kind = layer["kind"]
    if kind not in ("conv", "depthwise"):
        return (kind,)
    return kind, *(int(layer[name]) for name in ("inputs", "outputs", "kernel", "out"))


def side_by_side(layers: list[dict], ours: dict[str, Row], names: dict[str, str], peak: int) -> list[Row]:
    """A row for each of Vela's layers, and for each of our nodes that is none of them."""
    left, rows = dict(ours), []
    for layer in layers:
        row = left.pop(names.get(layer["layer"], ""), None) or Row("")
        row.name, row.kind = layer["layer"], layer["kind"]
        row.macs, row.npu, row.op = (int(layer[name]) for name in ("macs", "npu", "op"))
        row.ideal = row.macs // peak
        row.memory = max(("npu", "sram", "dram", "flash"), key=lambda name: int(layer[name]))
        rows.append(row)
    return rows + list(left.values())


def explain(row: Row, tolerance: float) -> None:
    """Says of what differs which side leaves cells empty, or what it waits for."""
    if row.outside(tolerance):
        row.notes.append(f"full cells: ours {row.ideal / row.array:.0%}, Vela's {row.ideal / row.npu:.0%}")
    if row.op and row.cycles > TOTAL * row.op:
        row.notes.append("ours waits for " + ("memory" if row.limit in ("loads", "stores") else row.limit))
    elif row.kind == "conv" and row.cycles * TOTAL < row.op:
        row.notes.append(f"Vela's waits for {row.memory}" if row.memory != "npu" else "Vela's unit works longer")


def table(rows: list[Row], tolerance: float) -> str:
    lines = [
        "| layer | ideal | array | NPU | array/NPU | cycles | limit | op | cycles/op | |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        explain(row, tolerance)
        array = f"{row.array / row.npu:.2f}" if row.array and row.npu else ""
        whole = f"{row.cycles / row.op:.2f}" if row.cycles and row.op else ""
        note = ("**outside** " if row.outside(tolerance) else "") + "; ".join(row.notes)
        lines.append(
            f"| {row.name} | {row.ideal} | {row.array} | {row.npu} | {array} | {row.cycles} | {row.limit} | {row.op} | "
            f"{whole} | {note} |"
        )
    return "\n".join(lines)


def summary(network: str, machine: str, rows: list[Row], total: dict) -> str:
    tolerance = TOLERANCES[machine]
    convolutions = [row for row in rows if row.kind == "conv"]
    outside = [row.name for row in convolutions if row.outside(tolerance)]
    array, npu = sum(row.array for row in convolutions), sum(row.npu for row in convolutions)
    cycles, op = sum(row.cycles for row in rows), int(total["op"])
    text = (
        f"{network} on {machine}: convolutions, matrix unit {array / 1e6:.2f} M cycles, Vela {npu / 1e6:.2f} M "
        f"({array / npu:.2f}); {len(convolutions) - len(outside)} of {len(convolutions)} layers within "
        f"{tolerance:.0%}; total {cycles / 1e6:.2f} M cycles, Vela {op / 1e6:.2f} M ({cycles / op:.2f}"
        f"{'' if cycles <= TOTAL * op else ', above the bound of ' + str(TOTAL)})"
    )
    return text + ("; outside: " + ", ".join(outside) if outside else "")


def compare(network: str, model: Path, machine: str) -> tuple[list[Row], dict]:
    layers, total = read_vela(network, machine)
    commands, _ = profile(model, machine)
    cells = sum(command["macs"] for command in commands) / sum(command["ideal_cycles"] for command in commands)
    return side_by_side(layers, measured(commands), node_names(model, layers), round(cells)), total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=peer_networks.NETWORKS, metavar="NETWORK[=FILE]")
    parser.add_argument("--machine", choices=TOLERANCES, action="append")
    parser.add_argument("--summary", action="store_true", help="one line a network and machine, no table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for text in options.networks:
            network, _, file = text.partition("=")
            if network not in peer_networks.NETWORKS:
                parser.error(f"expected one of {', '.join(peer_networks.NETWORKS)}, found '{network}'")
            model = Path(file or Path(folder) / f"{network}.onnx")
            if not file:
                peer_onnx.make_onnx(peer_networks.NETWORKS[network](), 224, model)
            for machine in options.machine or TOLERANCES:
                rows, total = compare(network, model, machine)
                print(summary(network, machine, rows, total), flush=True)
                if not options.summary:
                    print("\n" + table(rows, TOLERANCES[machine]) + "\n", flush=True)


if __name__ == "__main__":
    main()
