"""What the importer makes of small models."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

F = TensorProto.FLOAT
INT = TensorProto.INT64


def value(name, shape, kind=F):
    return helper.make_tensor_value_info(name, kind, shape)


def constant(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def save(tmp_path, nodes, inputs, outputs, constants=(), opset=18, name="model.onnx", functions=()):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(constants))
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1), helper.make_opsetid("local", 1)]
    model = helper.make_model(graph, opset_imports=imports, functions=list(functions))
    path = tmp_path / name
    onnx.save(model, path)
    return path


def ok(result):
    assert result.returncode == 0, result.stderr
    return result.stdout


def fails(result, code, *parts):
    assert result.returncode == 1, result.stdout
    assert code in result.stderr, result.stderr
    for part in parts:
        assert part in result.stderr, result.stderr


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs, outputs, **attributes)


def test_reshape_by_shape_arithmetic_leaves_no_runtime_shape(tmp_path, translate):
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "zero"], ["b"]),
        node("Mul", ["b", "two"], ["b2"]),
        node("Unsqueeze", ["b2", "axis"], ["u"]),
        node("Concat", ["u", "minus"], ["shape"], axis=0),
        node("Reshape", ["x", "shape"], ["y"]),
    ]
    constants = [
        constant("zero", np.int64(0)),
        constant("two", np.int64(2)),
        constant("axis", np.array([0])),
        constant("minus", np.array([-1])),
    ]
    out = ok(translate(save(tmp_path, nodes, [value("x", ["b", 8])], [value("y", None)], constants)))
    assert 'tenon.symbol "b" min 1' in out
    assert "tenon.reshape %arg0" in out and "-> tensor<?x4xf32>" in out
    assert "read_scalar" not in out and "from_index" not in out
    assert 'tenon.dims = ["b", 8]' in out and 'tenon.name = "x"' in out and 'tenon.name = "y"' in out


def test_data_dependent_shape_is_read(tmp_path, translate):
    out = ok(
        translate(
            save(
                tmp_path,
                [node("Reshape", ["x", "s"], ["y"])],
                [value("x", [4, 6]), value("s", [2], INT)],
                [value("y", None)],
            )
        )
    )
    # Two sizes, neither larger than all elements, and the check that they make 24 elements.
    assert out.count("min 0 max 24") == 2 and out.count("min 1 max 1") == 1
    assert out.count("tenon.read_scalar") == 3


def test_a_declared_shape_bounds_what_is_read(tmp_path, translate):
    nodes = [node("ConstantOfShape", ["s"], ["y"])]
    out = ok(translate(save(tmp_path, nodes, [value("s", [2], INT)], [value("y", [5, 7])])))
    assert "at 0 min 0 max 5" in out and "at 1 min 0 max 7" in out


def test_axes_of_the_run_choose_what_is_reduced(tmp_path, translate):
    nodes = [node("ReduceSum", ["x", "axes"], ["y"], keepdims=1)]
    inputs = [value("x", [4, 6]), value("axes", [1], INT)]
    out = ok(translate(save(tmp_path, nodes, inputs, [value("y", None)])))
    assert out.count("scf.if") == 2 and "min -2 max 1" in out
    assert "tenon.reduce sum" in out


def test_sizes_that_must_be_equal_become_one_symbol(tmp_path, translate):
    out = ok(
        translate(
            save(
                tmp_path,
                [node("Add", ["x", "y"], ["z"])],
                [value("x", [None, 3]), value("y", [None, 3])],
                [value("z", None)],
            )
        )
    )
    assert out.count("tenon.symbol") == 1 and out.count('"x.0"') == 4


def test_halved_and_doubled_image_asks_for_multiples(tmp_path, translate):
    nodes = [
        node("MaxPool", ["x"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Resize", ["p", "", "scales"], ["r"], mode="nearest"),
        node("Add", ["x", "r"], ["y"]),
    ]
    scales = constant("scales", np.array([1, 1, 2, 2], np.float32))
    out = ok(translate(save(tmp_path, nodes, [value("x", [1, 3, "h", "w"])], [value("y", None)], [scales])))
    assert 'tenon.symbol "h" min 2 multiple_of 2' in out and "tenon.gather" not in out


def test_large_weights_stay_in_the_file(tmp_path, translate):
    weight = np.arange(600, dtype=np.float32).reshape(20, 30)
    path = save(
        tmp_path,
        [node("MatMul", ["x", "w"], ["y"])],
        [value("x", ["n", 20])],
        [value("y", None)],
        [constant("w", weight)],
    )
    out = ok(translate(path))
    offset = path.read_bytes().find(weight.tobytes())
    assert f'tenon.weight @w : tensor<20x30xf32> = "", {offset}, 2400, ""' in out


def test_varint_weights_are_held_by_the_import(tmp_path, translate):
    w = helper.make_tensor("w", INT, [400], list(range(400)))
    out = ok(
        translate(save(tmp_path, [node("Add", ["x", "w"], ["y"])], [value("x", [400], INT)], [value("y", None)], [w]))
    )
    assert 'tenon.weight @w : tensor<400xi64> = "mem:0", 0, 3200, ""' in out


def external(tmp_path, location, size=2400):
    w = constant("w", np.zeros((20, 30), np.float32))
    w.ClearField("raw_data")
    w.data_location = TensorProto.EXTERNAL
    w.external_data.add(key="location", value=location)
    w.external_data.add(key="offset", value="16")
    (tmp_path / "data.bin").write_bytes(bytes(16 + size))
    return save(tmp_path, [node("MatMul", ["x", "w"], ["y"])], [value("x", [1, 20])], [value("y", None)], [w])


def test_external_data(tmp_path, translate):
    assert '= "data.bin", 16, 2400, ""' in ok(translate(external(tmp_path, "data.bin")))


@pytest.mark.parametrize(
    "location, code",
    [("../x.bin", "TN0117"), ("/etc/passwd", "TN0117"), ("none.bin", "TN0118"), ("", "TN0117"), ("link", "TN0117")],
)
def test_external_data_outside_the_folder_is_refused(tmp_path, translate, location, code):
    (tmp_path / "link").symlink_to("/etc/passwd")
    fails(translate(external(tmp_path, location)), code, "external data")


def test_short_external_data(tmp_path, translate):
    fails(translate(external(tmp_path, "data.bin", size=100)), "TN0118", "data.bin")


def test_all_unsupported_nodes_are_listed(tmp_path, translate):
    nodes = [
        node("NoSuchOp", ["x"], ["a"], name="first"),
        node("Relu", ["a"], ["b"]),
        node("Foo", ["b"], ["c"], name="second", domain="com.example"),
        node("MaxPool", ["x"], ["d", "i"], kernel_shape=[2], name="third"),
    ]
    path = save(tmp_path, nodes, [value("x", [1, 2, 8])], [value("c", None)])
    result = translate(path)
    fails(
        result, "TN0101", "node 'first' (op NoSuchOp, domain ai.onnx, opset 18)", "node 'second'", "TN0102", "'third'"
    )
    rows = translate(path, mode="--check").stdout.splitlines()
    assert [r.split()[0] for r in rows] == ["no", "yes", "no", "no"]


def test_state_replaces_argument_and_result(tmp_path, translate):
    nodes = [node("Add", ["x", "past"], ["present"]), node("Relu", ["present"], ["y"])]
    path = save(
        tmp_path, nodes, [value("x", [2, 3]), value("past", [2, 3])], [value("y", None), value("present", None)]
    )
    out = ok(translate(path, "--state", "past=present"))
    assert "tenon.state @past : tensor<2x3xf32>" in out
    assert "tenon.read_state @past" in out and "tenon.write_state @past" in out and "%arg1" not in out
    fails(translate(path, "--state", "pest=present"), "TN0119", "'past'")


def test_models_share_equal_weights(tmp_path, translate):
    w = constant("w", np.random.default_rng(0).normal(size=(20, 30)).astype(np.float32))
    paths = []
    for n, op in (("a", "Relu"), ("b", "Sigmoid")):
        nodes = [node("MatMul", ["x", "w"], ["m"]), node(op, ["m"], ["y"])]
        path = save(tmp_path, nodes, [value("x", [1, 20])], [value("y", None)], [w], name=f"{n}.onnx")
        paths.append(f"{n}={path}")
    out = ok(translate(paths))
    assert out.count("tenon.weight") == 1 and "@a(" in out and "@b(" in out


def branch(name, op):
    return helper.make_graph([node(op, ["x"], ["r"])], name, [], [value("r", None)])


def test_if(tmp_path, translate):
    nodes = [node("If", ["c"], ["y"], then_branch=branch("t", "Relu"), else_branch=branch("e", "Neg"))]
    runtime = save(tmp_path, nodes, [value("x", ["n"]), value("c", [], TensorProto.BOOL)], [value("y", None)])
    out = ok(translate(runtime))
    assert "scf.if" in out and "tensor.extract" in out and "tenon.relu" in out and "tenon.neg" in out
    known = save(tmp_path, nodes, [value("x", ["n"])], [value("y", None)], [constant("c", np.array(False))])
    out = ok(translate(known))
    assert "scf.if" not in out and "tenon.neg" in out and "tenon.relu" not in out


def loop_body(condition):
    nodes = [node("Add", ["v", "x"], ["v2"]), node("Identity", ["v2"], ["slice"])]
    nodes.append(node("Identity", ["c"], ["go"]) if condition else node("Less", ["i", "five"], ["go"]))
    inputs = [value("i", [], INT), value("c", [], TensorProto.BOOL), value("v", [3])]
    outputs = [value("go", [], TensorProto.BOOL), value("v2", [3])]
    return nodes, inputs, outputs


def test_loop_with_known_trip_count_collects(tmp_path, translate):
    nodes, inputs, outputs = loop_body(True)
    body = helper.make_graph(nodes, "b", inputs, [*outputs, value("slice", [3])])
    path = save(
        tmp_path,
        [node("Loop", ["m", "", "x"], ["y", "all"], body=body)],
        [value("x", [3])],
        [value("y", None), value("all", None)],
        [constant("m", np.int64(7))],
    )
    out = ok(translate(path))
    assert "scf.for" in out and "tenon.update_slice" in out and "tensor<7x3xf32>" in out


def test_loop_with_condition(tmp_path, translate):
    nodes, inputs, outputs = loop_body(False)
    body = helper.make_graph(nodes, "b", inputs, outputs)
    path = save(
        tmp_path,
        [node("Loop", ["", "", "x"], ["y"], body=body)],
        [value("x", [3])],
        [value("y", None)],
        [constant("five", np.int64(5))],
    )
    assert "scf.while" in ok(translate(path))


def test_scan(tmp_path, translate):
    body = helper.make_graph(
        [node("Add", ["s", "e"], ["s2"]), node("Identity", ["s2"], ["o"])],
        "b",
        [value("s", [2]), value("e", [2])],
        [value("s2", [2]), value("o", [2])],
    )
    path = save(
        tmp_path,
        [node("Scan", ["h", "x"], ["y", "all"], body=body, num_scan_inputs=1)],
        [value("h", [2]), value("x", ["t", 2])],
        [value("y", None), value("all", None)],
    )
    out = ok(translate(path))
    assert "scf.for" in out and "tensor<?x2xf32>" in out


def test_local_functions_are_inlined_with_their_attributes(tmp_path, translate):
    inner = node("LeakyRelu", ["a"], ["b"])
    inner.attribute.append(onnx.AttributeProto(name="alpha", type=onnx.AttributeProto.FLOAT, ref_attr_name="slope"))
    f = helper.make_function("local", "MyRelu", ["a"], ["b"], [inner], [helper.make_opsetid("", 18)], ["slope"])
    path = save(
        tmp_path,
        [node("MyRelu", ["x"], ["y"], domain="local", slope=0.5)],
        [value("x", [2])],
        [value("y", None)],
        functions=[f],
    )
    assert "tenon.leaky_relu %arg0 {alpha = 5.000000e-01 : f64}" in ok(translate(path))


def test_function_that_calls_itself_is_refused(tmp_path, translate):
    f = helper.make_function(
        "local", "Rec", ["a"], ["b"], [node("Rec", ["a"], ["b"], domain="local")], [helper.make_opsetid("local", 1)]
    )
    path = save(
        tmp_path, [node("Rec", ["x"], ["y"], domain="local")], [value("x", [2])], [value("y", None)], functions=[f]
    )
    fails(translate(path), "TN0113", "may not call themselves")


def test_provenance(tmp_path, translate):
    path = save(tmp_path, [node("Relu", ["x"], ["y"], name="act")], [value("x", [2])], [value("y", None)])
    out = ok(translate(path, "--locations"))
    assert 'tenon.nodes = [["act", "Relu", ""]]' in out and 'loc("node:0:Relu:act")' in out


@pytest.mark.parametrize(
    "nodes, code",
    [
        ([("Relu", ["b"], ["a"]), ("Relu", ["a"], ["b"])], "TN0114"),
        ([("Relu", ["nothing"], ["b"])], "TN0114"),
        ([("Relu", ["x"], ["b"]), ("Neg", ["x"], ["b"])], "TN0115"),
        ([("Add", ["x", "odd"], ["b"])], "TN0105"),
        ([("Relu", [], ["b"])], "TN0105"),
    ],
)
def test_bad_graphs(tmp_path, translate, nodes, code):
    path = save(
        tmp_path,
        [node(*n) for n in nodes],
        [value("x", [2, 3])],
        [value("b", None)],
        [constant("odd", np.zeros(5, np.float32))],
    )
    fails(translate(path), code)


def test_truncated_and_foreign_files(tmp_path, translate):
    path = save(tmp_path, [node("Relu", ["x"], ["y"])], [value("x", [2])], [value("y", None)])
    whole = path.read_bytes()
    for cut in (1, 7, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        result = translate(path)
        assert result.returncode == 1 and "TN01" in result.stderr
    path.write_bytes(b"not a model at all")
    assert translate(path).returncode == 1
    fails(translate(tmp_path / "missing.onnx"), "TN0110")
    fails(translate(tmp_path), "TN0110")


def test_weight_of_the_wrong_size(tmp_path, translate):
    w = constant("w", np.zeros((20, 30), np.float32))
    w.dims[0] = 21
    path = save(tmp_path, [node("MatMul", ["x", "w"], ["y"])], [value("x", [1, 21])], [value("y", None)], [w])
    fails(translate(path), "TN0116", "2520")


OPS = [
    ("Einsum", ["x", "x"], {"equation": "bij,bkj->bik"}, [2, 3, 4], "tensor<2x3x3xf32>"),
    ("Einsum", ["x"], {"equation": "iij->j"}, [3, 3, 4], "tensor<4xf32>"),
    ("Softmax", ["x"], {"axis": 1}, [2, 3, 4], "tenon.softmax %arg0 axis 1"),
    ("ReduceLogSumExp", ["x"], {"keepdims": 0}, [2, 3], "tensor<f32>"),
    ("GlobalAveragePool", ["x"], {}, [1, 3, "h", "w"], "tenon.reduce sum %arg0 [2, 3]"),
    ("AveragePool", ["x"], {"kernel_shape": [3], "ceil_mode": 1, "strides": [2]}, [1, 2, 8], "tenon.avg_pool"),
    ("DepthToSpace", ["x"], {"blocksize": 2}, [1, 8, "h", 3], "tensor<1x2x?x6xf32>"),
    ("LpNormalization", ["x"], {}, [2, 3], "tenon.sqrt"),
    ("Hardmax", ["x"], {}, [2, 3], "tenon.arg_reduce max"),
    ("Trilu", ["x"], {}, ["n", 3], "tenon.select"),
    ("NonZero", ["x"], {}, ["n", 3], "tenon.non_zero"),
    ("TopK", ["x", "k"], {}, [2, 9], "tensor<2x2xi64>"),
    ("Tile", ["x", "two"], {}, ["n", 3], "tensor<?x9xf32>"),
    ("Pad", ["x", "pads"], {"mode": "reflect"}, [4, 5], "tensor<6x8xf32>"),
    ("Pad", ["x", "pads"], {}, ["n", 5], "tensor<?x8xf32>"),
    ("OneHot", ["indices", "depth", "values"], {}, [1], "tensor<3x5xf32>"),
    ("LRN", ["x"], {"size": 3}, [1, 4, 5, 5], "tenon.reduce_window sum"),
    ("Conv", ["x", "w"], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, [1, 2, "h", "w"], "tenon.pad"),
    ("ConvTranspose", ["x", "w"], {"strides": [2, 2]}, [1, 4, 5, "w"], "input_dilations [2, 2]"),
    ("Clip", ["x", "low"], {}, [3], "tenon.clip"),
    ("ArgMax", ["x"], {"keepdims": 0}, ["n", 3], "tensor<3xi64>"),
    ("CumSum", ["x", "axis"], {"reverse": 1}, [2, 3], "tenon.scan sum"),
    ("Split", ["x"], {"num_outputs": 2}, ["n", 3], "tenon.slice"),
    ("Slice", ["x", "k", "end", "axis1"], {}, ["n", "m"], "tenon.slice"),
    ("IsInf", ["x"], {"detect_negative": 0}, [3], "tenon.cmp eq"),
    ("EyeLike", ["x"], {"k": 1}, [3, 3], "tenon.iota"),
    ("MeanVarianceNormalization", ["x"], {}, [1, 2, 3, 3], "tenon.sqrt"),
    ("Compress", ["x", "flags"], {"axis": 0}, [3, 2], "tenon.gather"),
    ("ReverseSequence", ["x", "lengths"], {}, [4, 3], "tenon.gather_elements"),
]


@pytest.mark.parametrize("op, inputs, attributes, shape, expected", OPS, ids=[f"{o[0]}-{i}" for i, o in enumerate(OPS)])
def test_operation(tmp_path, translate, op, inputs, attributes, shape, expected):
    constants = {
        "k": np.array([2]),
        "two": np.array([1, 3]),
        "pads": np.array([1, 1, 1, 2]),
        "indices": np.array([0, 4, -1]),
        "depth": np.int64(5),
        "values": np.array([0, 1], np.float32),
        "w": np.ones((4, 2, 3, 3), np.float32),
        "low": np.float32(-1),
        "axis": np.int64(1),
        "axis1": np.array([1]),
        "end": np.array([2**63 - 1]),
        "flags": np.array([True, False, True]),
        "lengths": np.array([1, 2, 4]),
    }
    used = [constant(n, constants[n]) for n in dict.fromkeys(inputs) if n in constants]
    outputs = ["y", "z"] if op in ("TopK", "Split") else ["y"]
    path = save(
        tmp_path,
        [node(op, inputs, outputs, **attributes)],
        [value("x", shape)],
        [value(o, None, INT if o == "z" or op == "ArgMax" else F) for o in outputs],
        used,
    )
    assert expected in ok(translate(path))


@pytest.mark.parametrize("op, gates", [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_bidirectional_layer_is_two(tmp_path, translate, op, gates):
    w = [constant("w", np.ones((2, gates * 5, 3), np.float32)), constant("r", np.ones((2, gates * 5, 5), np.float32))]
    path = save(
        tmp_path,
        [node(op, ["x", "w", "r"], ["y"], direction="bidirectional", hidden_size=5)],
        [value("x", ["t", "b", 3])],
        [value("y", None)],
        w,
    )
    out = ok(translate(path))
    assert out.count(f"tenon.{op.lower()} ") == 2 and "reverse" in out and "tensor<?x2x?x5xf32>" in out


def test_old_softmax_flattens(tmp_path, translate):
    path = save(tmp_path, [node("Softmax", ["x"], ["y"])], [value("x", [2, 3, 4])], [value("y", None)], opset=11)
    assert "tenon.softmax %0 axis 1 : tensor<2x12xf32>" in ok(translate(path))


def test_attention(tmp_path, translate):
    nodes = [node("Attention", ["q", "k", "v"], ["y"], q_num_heads=4, kv_num_heads=2, is_causal=1)]
    path = save(
        tmp_path,
        nodes,
        [value("q", ["b", "s", 32]), value("k", ["b", "s", 16]), value("v", ["b", "s", 16])],
        [value("y", None)],
        opset=23,
    )
    out = ok(translate(path))
    assert "tenon.attention" in out and "causal" in out and "tensor<?x2x?x8xf32>" in out


def test_loop_that_never_runs_collects_nothing(tmp_path, translate):
    nodes, inputs, outputs = loop_body(True)
    body = helper.make_graph(nodes, "b", inputs, [*outputs, value("slice", [3])])
    path = save(
        tmp_path,
        [node("Loop", ["m", "", "x"], ["y", "all"], body=body)],
        [value("x", [3])],
        [value("y", None), value("all", None)],
        [constant("m", np.int64(0))],
    )
    out = ok(translate(path))
    assert "tensor<0x3xf32>" in out and "scf.for" not in out


def test_a_scale_below_what_a_fraction_can_say_leaves_nothing(tmp_path, translate):
    scales = [constant("s", np.array([1, 1, 1e-41, 0.5], np.float32))]
    nodes = [node("Resize", ["x", "", "s"], ["y"], mode="nearest")]
    result = translate(save(tmp_path, nodes, [value("x", [1, 1, 4, 4])], [value("y", None)], scales))
    fails(result, "TN0105", "the result would be empty")


def test_a_loss_needs_a_class_for_each_score(tmp_path, translate):
    nodes = [node("NegativeLogLikelihoodLoss", ["x", "t"], ["y"])]
    inputs = [value("x", [3, 5, 2]), value("t", [3, 5], INT)]
    fails(translate(save(tmp_path, nodes, inputs, [value("y", None)])), "TN0105", "expected equal sizes, found")


def test_an_input_without_elements_is_known(tmp_path, translate):
    nodes = [node("ReduceSum", ["x", "axes"], ["y"])]
    inputs = [value("x", [3, 5]), value("axes", [0], INT)]
    out = ok(translate(save(tmp_path, nodes, inputs, [value("y", None)])))
    assert "tenon.reduce sum %arg0 [0, 1]" in out


@pytest.mark.parametrize("pads", [[0, -9, 0, 9], [0, 9, 0, -9], [-4, 0, -4, 20]])
def test_pads_cannot_crop_more_than_there_is(tmp_path, translate, pads):
    path = save(
        tmp_path,
        [node("Pad", ["x", "pads"], ["y"])],
        [value("x", [6, 4])],
        [value("y", None)],
        [constant("pads", np.array(pads))],
    )
    fails(translate(path), "TN0105", "the pads remove more than there is of")


@pytest.mark.parametrize("kind", [np.int32, np.int64])
def test_scales_are_no_integers(tmp_path, translate, kind):
    path = save(
        tmp_path,
        [node("Resize", ["x", "", "s"], ["y"])],
        [value("x", [1, 2, 3, 4])],
        [value("y", None)],
        [constant("s", np.array([1, 1, 2, 2], kind))],
    )
    fails(translate(path), "TN0105", "expected scales of a floating-point type, found ")


@pytest.mark.parametrize("sizes", [[2**40, 2**40], [8589934641, 8589934641, -1], [2**62, 4]])
def test_results_of_impossible_size(tmp_path, translate, sizes):
    path = save(
        tmp_path,
        [node("Reshape", ["x", "s"], ["y"])],
        [value("x", ["n", 4])],
        [value("y", None)],
        [constant("s", np.array(sizes, np.int64))],
    )
    fails(translate(path), "TN0113", "expected a result of sensible size, found ")
