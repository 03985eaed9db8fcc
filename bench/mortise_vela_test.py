"""Tests of the comparison with Vela: reading of profiles, matching of layers, totals."""

import mortise_run
import mortise_vela
import peer_networks
import peer_onnx
import pytest


def command(cycles: int, *nodes: tuple) -> dict:
    by_node = [{"node": name, "end": end, "busy": busy} for name, end, busy in nodes]
    return {"cycles": cycles, "macs": 0, "ideal_cycles": 0, "by_node": by_node}


def vela(name: str, kind: str, **more) -> dict:
    fixed = {"inputs": 16, "outputs": 16, "kernel": 1, "out": 8, "sram": 10, "dram": 0, "flash": 0, "macs": 6400}
    return {"layer": name, "kind": kind, **fixed, **more}


def test_data_has_every_layer_and_its_total():
    for network, make in peer_networks.NETWORKS.items():
        for machine in mortise_vela.TOLERANCES:
            layers, total = mortise_vela.read_vela(network, machine)
            assert {row["layer"]: int(row["macs"]) for row in layers} == {row.name: row.macs for row in make()}
            assert sum(int(row["npu"]) for row in layers) == int(total["npu"])
            assert sum(int(row["op"]) for row in layers) == int(total["op"])


def test_time_of_layers_adds_up_to_the_command():
    rows = mortise_vela.measured(
        [
            command(110, ("b (Conv)", 100, {"matrix": 40, "in0": 60}), ("a (Conv)", 70, {"matrix": 65, "out0": 3})),
            command(50, ("a (Conv)", 45, {"vector": 30}), ("c (Relu) and 1", 50, {})),
        ]
    )
    assert {name: row.cycles for name, row in rows.items()} == {"a": 70 + 45, "b": 30 + 10, "c": 5}
    assert (rows["a"].array, rows["b"].limit, rows["a"].limit) == (65, "loads", "vector")


def test_rows_say_what_differs():
    layers = [
        vela("one", "conv", npu=100, op=120),
        vela("two", "conv", npu=200, op=200),
        vela("sum", "add", npu=5, op=5, macs=0),
    ]
    ours = {
        "x": mortise_vela.Row("x", array=105, cycles=200, limit="loads"),
        "y": mortise_vela.Row("y", array=110, cycles=110, limit="matrix"),
        "z": mortise_vela.Row("z", cycles=7),
    }
    rows = mortise_vela.side_by_side(layers, ours, {"one": "x", "two": "y"}, 64)
    assert [row.name for row in rows] == ["one", "two", "sum", "z"]
    assert [row.outside(0.10) for row in rows] == [False, True, False, False]
    text = mortise_vela.table(rows, 0.10)
    assert "| one | 100 | 105 | 100 | 1.05 | 200 | loads | 120 | 1.67 | ours waits for memory |" in text
    assert "full cells: ours 91%, Vela's 50%" in text
    line = mortise_vela.summary("n", "u55-256", rows, {"op": "325"})
    assert "1 of 2 layers within 10%" in line
    assert "outside: two" in line
    assert "above the bound" not in line
    assert "above the bound" in mortise_vela.summary("n", "u55-256", rows, {"op": "200"})


def test_small_network(tmp_path):
    if mortise_run.program() is None:
        pytest.skip("the command `tenon` is not built")
    net = peer_networks.Builder(6.0)
    net.channels, net.size = 16, 12
    net.add("expand", "conv", 48, rectify=True)
    net.add("depthwise", "depthwise", 48, 3, 2, rectify=True)
    net.add("project", "conv", 16)
    model = tmp_path / "m.onnx"
    peer_onnx.make_onnx(net.layers, 12, model)
    layers = [
        {name: getattr(layer, name) for name in ("kind", "inputs", "outputs", "kernel", "out", "macs")}
        | {"layer": layer.name, "npu": 1, "op": 1, "sram": 0, "dram": 0, "flash": 0}
        for layer in net.layers
    ]
    commands, _ = mortise_run.profile(model, "u55-256")
    names = mortise_vela.node_names(model, layers)
    assert names == {"expand": "expand", "depthwise": "depthwise", "project": "project"}
    rows = mortise_vela.side_by_side(layers, mortise_vela.measured(commands), names, 256)
    assert sum(row.cycles for row in rows) == sum(command["cycles"] for command in commands)
    assert all(row.cycles > 0 for row in rows[:3])
    assert rows[0].array >= rows[0].ideal > 0
    assert rows[1].limit in ("vector", "loads", "stores")
