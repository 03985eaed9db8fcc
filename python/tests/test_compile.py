"""tenon.compile, target `reference`, and the command on models. Skipped where the compiler library is not built."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import tenon


@pytest.fixture
def model(compiler) -> onnx.ModelProto:
    """y = relu(x + w), x[batch, 4]."""
    nodes = [helper.make_node("Add", ["x", "w"], ["a"], "add"), helper.make_node("Relu", ["a"], ["y"], "relu")]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4]) for name in "xy")
    w = helper.make_tensor("w", TensorProto.FLOAT, [4], [1, 2, 3, -4])
    graph = helper.make_graph(nodes, "graph", [x], [y], [w])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def expected(x: np.ndarray) -> np.ndarray:
    return np.maximum(x + np.array([1, 2, 3, -4], np.float32), 0)


def check_runs(package) -> None:
    session = package.session(threads=1)
    for batch in (1, 5):
        x = np.random.default_rng(batch).standard_normal((batch, 4)).astype(np.float32)
        np.testing.assert_allclose(session.run({"x": x})["y"], expected(x), rtol=1e-6)


def test_models_of_every_form(model, tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    for form in (model, path, str(path), path.read_bytes(), {"main": model}):
        check_runs(tenon.compile(form))


def test_options(model):
    package = tenon.compile(model, target=["x86-64-v3"], symbols={"batch": (1, 8)}, jobs=1, emulate_isa=True)
    assert (package.symbols[0].min, package.symbols[0].max) == (1, 8)
    check_runs(package)
    fixed = tenon.compile(model, shapes={"x": (2, 4)})
    assert fixed.inputs[0].shape == (2, 4) and fixed.symbols == ()


def test_functions(model):
    package = tenon.compile({"first": model, "second": model})
    assert package.functions == ("first", "second")
    x = np.ones((1, 4), np.float32)
    session = package.session(threads=1, function="second")
    np.testing.assert_array_equal(session.run({"x": x})["y"], session.run({"x": x}, function="first")["y"])


def test_saved_packages_run(model, tmp_path):
    tenon.compile(model).save(tmp_path / "model.tenon")
    check_runs(tenon.load(tmp_path / "model.tenon"))


def test_reference(model):
    package = tenon.compile(model, target="reference")
    assert package.inputs == (tenon.TensorInfo("x", np.dtype("float32"), ("batch", 4)),)
    check_runs(package)
    with pytest.raises(tenon.PackageError):
        package.save("model.tenon")
    with pytest.raises(tenon.RunError):
        package.session().run({"x": np.ones((1, 3), np.float32)})


def test_bad_models(compiler, tmp_path):
    for bad in (b"", b"no model", tmp_path / "missing.onnx", 7, {}):
        with pytest.raises(tenon.CompileError) as caught:
            tenon.compile(bad)
        assert caught.value.code.startswith("TN0") and caught.value.message


def test_bad_options(model):
    for options in ({"nonsense": 1}, {"target": "z80"}, {"symbols": {"batch": (5, 2)}}, {"state": {"x": "missing"}}):
        with pytest.raises(tenon.CompileError) as caught:
            tenon.compile(model, **options)
        assert caught.value.code.startswith("TN0"), options


def test_unsupported_nodes_are_named(model):
    model.graph.node[1].op_type = "NoSuchOperation"
    with pytest.raises(tenon.CompileError) as caught:
        tenon.compile(model)
    assert caught.value.node == "relu" and "NoSuchOperation" in caught.value.message
    assert str(caught.value).startswith("TN0101: node 'relu'") and str(caught.value).count("TN0") == 1


def test_command_on_a_model(model, command, tmp_path):
    path, package = tmp_path / "model.onnx", tmp_path / "model.tenon"
    onnx.save(model, path)
    assert command("compile", path, "-o", package).stderr == ""
    np.save(tmp_path / "x.npy", np.ones((2, 4), np.float32))
    for file, flags in ((package, []), (path, []), (path, ["--target", "reference"])):
        done = command("run", file, "--input", f"x={tmp_path / 'x.npy'}", "--output-dir", tmp_path / "out", *flags)
        assert done.returncode == 0, done.stderr
        np.testing.assert_array_equal(np.load(tmp_path / "out/y.npy"), expected(np.ones((2, 4), np.float32)))
    report = json.loads(command("check", path, "--json").stdout)
    assert [row["op"] for row in report["rows"]] == ["Add", "Relu"] and report["supported"]
    assert "tenon." in command("compile", path, "--compile-to", "import").stdout
    nodes = {n for k in json.loads(command("inspect", path, "--json").stdout)["kernels"] for n in k["nodes"]}
    assert nodes == {"add", "relu"}


def test_machine_code_leads_to_the_nodes(model, command, tmp_path):
    path, package = tmp_path / "model.onnx", tmp_path / "model.tenon"
    onnx.save(model, path)
    assert command("compile", path, "-o", package).returncode == 0
    for file in (path, package):
        summary = json.loads(command("inspect", file, "--json", "--ops").stdout)
        (kernel,) = summary["kernels"]  # both nodes in one
        assert [op["ops"] for op in summary["ops"]] == [["Add", "Relu"]]
        report = json.loads(command("inspect", file, "--asm", kernel["name"], "--json").stdout)
        assert report["sources"] == [{"node": "add", "op": "Add"}, {"node": "relu", "op": "Relu"}]
        (listing,) = report["listings"]
        named = {tuple(i["nodes"]): i["text"] for i in listing["instructions"]}
        assert {("add",), ("relu",)} <= set(named) <= {(), ("add",), ("relu",), ("add", "relu")}
        adds = [i["nodes"] for i in listing["instructions"] if i["text"].startswith("vaddps")]
        assert adds and all(nodes == ["add"] for nodes in adds)
        assert listing["instructions"][-1]["text"].startswith(("ret", "jmp"))
        text = command("inspect", file, "--asm", kernel["name"]).stdout
        assert "from the nodes\n;   add (Add)\n;   relu (Relu)\n" in text
        assert "; from add (Add)\n" in text and "; from relu (Relu)\n" in text
    assert "add (Add), relu (Relu)" in command("inspect", package, "--ops").stdout


def test_machine_code_of_a_users_target(model, command, tmp_path):
    path, target, package = tmp_path / "model.onnx", tmp_path / "board.yaml", tmp_path / "model.tenon"
    onnx.save(model, path)
    target.write_text(
        "name: board\nlevel: x86-64-v3\nvector: {bits: 256, registers: 16}\ncache: {l1: 32768, l2: 524288}\n"
        "peak: {gflops: 50, dram_gbs: 9}\n"
    )
    assert command("compile", path, "-o", package, "--target", target).returncode == 0
    target.unlink()
    (kernel,) = json.loads(command("inspect", package, "--json").stdout)["kernels"]
    assert kernel["isas"] == ["board"]
    done = command("inspect", package, "--asm", kernel["name"], "--json")
    assert done.returncode == 0, done.stderr
    (listing,) = json.loads(done.stdout)["listings"]
    assert listing["isa"] == "board" and any(i["text"].startswith("vaddps") for i in listing["instructions"])


def test_debug_sections(model, command, tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    sizes = {}
    for flag in ("", "--assembly", "--strip"):
        package = tmp_path / f"model{flag}.tenon"
        assert command("compile", path, "-o", package, *filter(None, [flag])).returncode == 0
        report = json.loads(command("inspect", package, "--json").stdout)
        sizes[flag] = report["memory"]["debug"]
        done = command("inspect", package, "--asm", report["kernels"][0]["name"])
        if flag == "--strip":
            assert done.returncode == 1 and done.stderr.startswith("error: TN0511: ")
        else:
            assert ("vector code" in done.stdout) == (flag == "--assembly")
    assert 0 == sizes["--strip"] < sizes[""] < 2000 < sizes["--assembly"]


def test_equal_layers_share_a_kernel(compiler):
    nodes = []
    for i in range(3):
        nodes += [helper.make_node("MatMul", [f"x{i}", f"w{i}"], [f"m{i}"], f"matmul{i}")]
        nodes += [helper.make_node("Relu", [f"m{i}"], [f"x{i + 1}"], f"relu{i}")]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 8]) for name in ("x0", "x3"))
    random = np.random.default_rng(1)
    weights = [onnx.numpy_helper.from_array(random.random((8, 8), np.float32), f"w{i}") for i in range(3)]
    graph = helper.make_graph(nodes, "graph", [x], [y], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    package = tenon.compile(model)
    session = package.session(threads=1, profile=True)
    values = random.random((5, 8), np.float32)
    result = session.run({"x0": values})["x3"]
    for w in weights:
        values = np.maximum(values @ onnx.numpy_helper.to_array(w), 0)
    np.testing.assert_allclose(result, values, rtol=1e-5)
    assert len(session.profile) == 3 and len({row["kernel"] for row in session.profile}) < 3


def test_each_phase_can_be_dumped(model, command, tmp_path):
    path, folder = tmp_path / "model.onnx", tmp_path / "dump"
    onnx.save(model, path)
    assert command("compile", path, "-o", tmp_path / "model.tenon", "--dump-ir", folder).returncode == 0
    phases = ("import", "graph", "place", "kernel", "schedule", "memory", "emit")
    assert sorted(p.name for p in folder.iterdir()) == [f"{i}-{phase}.mlir" for i, phase in enumerate(phases)]
    text = {p.name[2:-5]: p.read_text() for p in folder.iterdir()}
    assert "node:0:Add:add" in text["import"] and "tenon.kernel" not in text["graph"]
    assert "tenon.kernel" in text["kernel"] and "tenon.buffers" not in text["kernel"]
    assert "tenon.buffers" in text["memory"]
    for phase in phases:
        printed = command("compile", path, "--compile-to", phase).stdout
        assert (phase == "emit") or printed == text[phase], phase
    done = command("compile", path, "-o", tmp_path / "model.tenon", "--dump-ir", path / "below")
    assert done.returncode == 1 and done.stderr.startswith("error: TN0004: cannot write")


def test_what_was_fused_and_why_not(model, command, tmp_path):
    """softmax(relu(x + w) @ m): the product reads its operand by address, the rest shares kernels."""
    model.graph.node.append(helper.make_node("MatMul", ["y", "m"], ["p"], "product"))
    model.graph.node.append(helper.make_node("Sigmoid", ["p"], ["z"], "sigmoid"))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones((4, 8), np.float32), "m"))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", 8]))
    path, why = tmp_path / "model.onnx", tmp_path / "why.yaml"
    onnx.save(model, path)
    done = command("compile", path, "-o", tmp_path / "model.tenon", "--explain", why)
    assert done.returncode == 0 and not done.stderr
    remarks = why.read_text().split("--- !")[1:]
    missed = [r for r in remarks if r.startswith("Missed\n")]
    assert len(missed) == 1 and "Name:            NotFused" in missed[0]
    assert "relu (Relu)" in missed[0] and "an indexed operation reads its result many times" in missed[0]
    kernels = [r for r in remarks if r.startswith("Passed\n") and "Name:            Kernel" in r]
    assert any("add (Add), relu (Relu)" in r and "Family:          map" in r for r in kernels)
    assert any("product (MatMul), sigmoid (Sigmoid)" in r and "Family:          contraction" in r for r in kernels)
    done = command("compile", path, "-o", tmp_path / "model.tenon", "--explain", tmp_path / "missing" / "why.yaml")
    assert done.returncode == 1 and done.stderr.startswith("error: TN0004: cannot write ")


def test_failures_leave_no_file(model, command, tmp_path):
    model.graph.node[1].op_type = "NoSuchOperation"
    onnx.save(model, tmp_path / "model.onnx")
    done = command("compile", tmp_path / "model.onnx", "-o", tmp_path / "model.tenon")
    assert done.returncode == 1 and done.stderr.startswith("error: TN0101: node 'relu'"), done.stderr
    assert command("check", tmp_path / "model.onnx").returncode == 1
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]


def test_backend_interface(model):
    from tenon import onnx_backend as backend

    x = np.ones((2, 4), np.float32)
    assert backend.supports_device("CPU") and not backend.supports_device("CUDA")
    prepared = backend.prepare(model)
    for inputs in ([x], x, {"x": x}):
        np.testing.assert_array_equal(prepared.run(inputs)[0], expected(x))
    np.testing.assert_array_equal(backend.run_model(model, [x]).y, expected(x))
    node = helper.make_node("Mul", ["a", "b"], ["c"])
    np.testing.assert_array_equal(backend.run_node(node, [x, x + 1])[0], x * (x + 1))
    with pytest.raises(tenon.RunError):
        prepared.run([x, x])


@pytest.mark.parametrize("op", ["ReduceMax", "Shape"])
def test_ranges_hold_where_no_kernel_needs_the_symbol(compiler, op):
    attributes = {"axes": [0], "keepdims": 0} if op == "ReduceMax" else {"start": 1}
    kind = TensorProto.FLOAT if op == "ReduceMax" else TensorProto.INT64
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", 4])
    y = helper.make_tensor_value_info("y", kind, None)
    graph = helper.make_graph([helper.make_node(op, ["x"], ["y"], **attributes)], "graph", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    package = tenon.compile(model, symbols={"b": (2, 8, 2)})
    assert [(s.min, s.max, s.multiple_of) for s in package.symbols] == [(2, 8, 2)]
    session = package.session(threads=1)
    assert session.run({"x": np.ones((4, 4), np.float32)})["y"].size in (1, 4)
    for rows in (1, 3, 10):
        with pytest.raises(tenon.RunError, match=f"TN0909: size b is {rows}, expected "):
            session.run({"x": np.ones((rows, 4), np.float32)})
