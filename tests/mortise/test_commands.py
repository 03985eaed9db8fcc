"""`tenon sim --gemm`, `tenon estimate`, and what `tenon sim` answers to bad programs."""

import csv
import json
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import pytest

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "sim/testing/systolic.csv"
HEAD = ".tensor x, in, i8, 64, 0\n.tensor y, out, i8, 64, 64\n"
HEAD += "dseti d0.n0, 64\ndseti d0.l0, 1\ndseti d0.g0, 1\nli r1, 0\nli r2, @x\nli r3, @y\n"


def rows_of_table():
    with TABLE.open() as file:
        return list(csv.DictReader(file))


def test_systolic_law_by_command_equals_every_row(tenon, tmp_path):
    report = tmp_path / "r.json"
    rows = rows_of_table()
    assert len(rows) == 617
    for row in rows:
        gemm, array = f"{row['m']},{row['n']},{row['k']}", f"{row['rows']}x{row['columns']}"
        done = tenon("sim", "--gemm", gemm, "--array", array, "--dataflow", row["dataflow"], "--json", report)
        assert done.returncode == 0, done.stderr
        cost = json.loads(report.read_text())
        assert (cost["cycles"], cost["folds"]) == (int(row["cycles"]), int(row["folds"])), row
        assert 100 * cost["mapping_efficiency"] == pytest.approx(float(row["mapping_percent"]), rel=1e-9)
        sram = [cost["sram"][name] for name in ("ifmap_reads", "filter_reads", "ofmap_writes")]
        assert sram == [int(row[f"sram_{name}"]) for name in ("left", "right", "result")], row


@pytest.mark.parametrize(
    ("flags", "code"), [(["--gemm", "1,2"], 2), (["--gemm", "1,2,3", "--array", "8"], 2), (["--gemm", "0,1,1"], 1)]
)
def test_systolic_law_refuses(tenon, flags, code):
    done = tenon("sim", *flags)
    assert done.returncode == code and done.stderr.count("TN") == 1


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        ("dma in0, d0, r1, r2\ndma out0, d0, r1, r3\nhalt\n", "TN1201", 4),
        ("acq out0, s5, 1\nhalt\n", "TN1202", 4),
        ("rel in0, s0, 1\nhalt\n", "TN1203", 4),
        ("li r1, 524287\ndma in0, d0, r1, r2\nhalt\n", "TN1204", 4),
        ("dseti d0.n0, 70000\ndma in0, d0, r1, r2\nhalt\n", "TN1205", 1),
        ("ret\n", "TN1206", 1),
    ],
)
def test_hazards_end_with_four(simulate, body, code, status):
    result = simulate('.name "Conv_3"\n' + HEAD + ".node 0\n" + body)
    assert result.status == status and code in result.stderr
    assert "Conv_3" in result.stderr or code in ("TN1202", "TN1203")


def test_estimate_and_its_error(tenon, tmp_path):
    layers, report, binary = tmp_path / "l.csv", tmp_path / "r.json", tmp_path / "l.bin"
    layers.write_text("a,conv,30,30,32,64,3,3,1\nb,depthwise,30,30,64,64,3,3,1\nc,gemm,128,1,256,64,1,1,1\n")
    done = tenon("estimate", layers, "--check", "--json", report, "--program", binary)
    assert done.returncode == 0, done.stderr
    result = json.loads(report.read_text())
    assert [row["layer"] for row in result["layers"]] == ["a", "b", "c"]
    for row in result["layers"]:
        assert row["error"] == pytest.approx(row["cycles"] / row["cycle_tier"] - 1)
        assert abs(row["error"]) < 0.15
        assert 0 < row["utilization"] <= 1
    plain = tenon("estimate", layers)
    assert "error against the cycle tier: median" in plain.stdout
    # The program runs the layers one after the other.
    assert tenon("sim", binary, "--timing-only", "--json", report).returncode == 0
    nodes = json.loads(report.read_text())["nodes"]
    assert sorted(node["node"] for node in nodes) == ["a", "b", "c"]
    ends = {node["node"]: node for node in nodes}
    assert ends["a"]["end"] <= ends["b"]["begin"] and ends["b"]["end"] <= ends["c"]["begin"]


def test_a_network_of_fifty_layers_takes_milliseconds(tenon, tmp_path):
    report = tmp_path / "r.json"
    network = ROOT / "sim/workloads/networks/resnet50.csv"
    assert tenon("estimate", network, "--json", report).returncode == 0
    result = json.loads(report.read_text())
    assert len(result["layers"]) == 54
    assert sum(row["macs"] for row in result["layers"]) == pytest.approx(4.09e9, rel=0.02)


def test_a_bad_list_names_line_and_form(tenon, tmp_path):
    layers = tmp_path / "l.csv"
    layers.write_text("a,conv,8,8,3,4,3,3,1\nb,conv,8,8,x,4,3,3,1\n")
    done = tenon("estimate", layers)
    assert done.returncode == 1 and "TN1220" in done.stderr and "l.csv:2" in done.stderr


def test_a_layer_that_does_not_fit_is_refused(tenon, tmp_path):
    layers = tmp_path / "l.csv"
    layers.write_text("a,conv,300,90000,64,4,3,3,1\n")
    done = tenon("estimate", layers)
    assert done.returncode == 1 and "TN1221" in done.stderr


def test_machines_in_files_and_their_errors(tenon, tmp_path):
    machine = tmp_path / "m.yaml"
    text = tenon("sim", "--print-hw", "--hw", "edge-512k").stdout
    machine.write_text(text.replace("edge-512k", "mine"))
    assert "name: mine" in tenon("sim", "--print-hw", "--hw", machine).stdout
    machine.write_text(text.replace("banks: 16", "banks: 99"))
    done = tenon("sim", "--print-hw", "--hw", machine)
    assert done.returncode == 1 and "TN1103" in done.stderr and "scratchpad.banks" in done.stderr


def save_model(path, height):
    """Convolution, grouped and depthwise ones, and a product, on one image."""
    weights = {
        "w1": (32, 3, 3, 3),
        "w2": (32, 1, 3, 3),
        "w3": (64, 16, 1, 1),
        "w4": (64, 10),
    }
    tensors = [onnx.numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in weights.items()]
    nodes = [
        onnx.helper.make_node("Conv", ["x", "w1"], ["a"], "first", pads=[1, 1, 1, 1], strides=[2, 2]),
        onnx.helper.make_node("Conv", ["a", "w2"], ["b"], "depthwise", pads=[1, 1, 1, 1], group=32),
        onnx.helper.make_node("Conv", ["b", "w3"], ["c"], "grouped", group=2),
        onnx.helper.make_node("GlobalAveragePool", ["c"], ["d"], "pool"),
        onnx.helper.make_node("Flatten", ["d"], ["e"], "flatten"),
        onnx.helper.make_node("MatMul", ["e", "w4"], ["y"], "product"),
    ]
    value = onnx.helper.make_tensor_value_info
    x = value("x", onnx.TensorProto.FLOAT, [1, 3, height, 32])
    y = value("y", onnx.TensorProto.FLOAT, [1, 10])
    graph = onnx.helper.make_graph(nodes, "g", [x], [y], tensors)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)


def test_a_model_is_estimated_by_its_products_and_convolutions(tenon, tmp_path):
    model, report = tmp_path / "m.onnx", tmp_path / "r.json"
    save_model(model, 32)
    done = tenon("estimate", model, "--check", "--json", report)
    assert done.returncode == 0, done.stderr
    rows = json.loads(report.read_text())["layers"]
    assert [(row["layer"], row["count"]) for row in rows] == [
        ("first", 1),
        ("depthwise", 1),
        ("grouped", 2),
        ("product", 1),
    ]
    macs = [256 * 27 * 32, 256 * 9 * 32, 256 * 16 * 64, 640]
    assert [row["macs"] for row in rows] == macs


def test_sizes_of_a_model_must_be_known(tenon, tmp_path):
    model, report = tmp_path / "m.onnx", tmp_path / "r.json"
    save_model(model, "height")
    done = tenon("estimate", model)
    assert done.returncode == 1 and "TN0515" in done.stderr and "'first'" in done.stderr and "--shape" in done.stderr
    assert tenon("estimate", model, "--shape", "x=1x3x64x32", "--json", report).returncode == 0
    assert json.loads(report.read_text())["layers"][0]["macs"] == 512 * 27 * 32
