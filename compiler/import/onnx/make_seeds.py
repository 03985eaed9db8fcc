"""Writes the seeds of the fuzz targets: small models that reach every part of the importer.

python make_seeds.py  (needs the onnx package; writes seeds/onnx_scanner_fuzz and seeds/onnx_import_fuzz)
"""

import pathlib

import numpy as np
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent / "seeds"
F, INT, B = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def value(name, shape, kind=F):
    return helper.make_tensor_value_info(name, kind, shape)


def model(nodes, inputs, outputs=("y",), constants=None, functions=(), opset=18):
    initializers = [numpy_helper.from_array(np.asarray(v), k) for k, v in (constants or {}).items()]
    graph = helper.make_graph(nodes, "g", inputs, [value(o, None) for o in outputs], initializers)
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("local", 1)]
    return helper.make_model(graph, opset_imports=imports, functions=list(functions)).SerializeToString()


def node(op, inputs, outputs=("y",), **attributes):
    return helper.make_node(op, inputs, list(outputs), **attributes)


def seeds():
    x = [value("x", ["n", 4])]
    image = [value("x", [1, 2, "h", "w"])]
    f32 = np.float32
    yield "chain", model([node("Mul", ["x", "x"], ["a"]), node("Relu", ["a"])], x)
    yield "weight", model([node("MatMul", ["x", "w"])], x, constants={"w": np.ones((4, 80), f32)})
    yield (
        "conv",
        model(
            [node("Conv", ["x", "w"], auto_pad="SAME_LOWER", strides=[2, 2])],
            image,
            constants={"w": np.ones((3, 2, 3, 3), f32)},
        ),
    )
    yield (
        "deconv",
        model(
            [node("ConvTranspose", ["x", "w"], strides=[2, 2], group=2)],
            image,
            constants={"w": np.ones((2, 1, 2, 2), f32)},
        ),
    )
    yield "pool", model([node("MaxPool", ["x"], kernel_shape=[2, 2], ceil_mode=1, strides=[2, 2])], image)
    yield (
        "shape",
        model(
            [
                node("Shape", ["x"], ["s"]),
                node("Slice", ["s", "o", "t"], ["b"]),
                node("Concat", ["b", "m"], ["r"], axis=0),
                node("Reshape", ["x", "r"]),
            ],
            x,
            constants={"o": [0], "t": [1], "m": [2, -1]},
        ),
    )
    yield (
        "slice",
        model(
            [node("Slice", ["x", "o", "t", "a", "p"])], x, constants={"o": [-1], "t": [-(2**63)], "a": [0], "p": [-2]}
        ),
    )
    yield (
        "range",
        model(
            [node("Shape", ["x"], ["s"]), node("Squeeze", ["s"], ["q"]), node("Range", ["z", "q", "o"])],
            [value("x", ["n"])],
            constants={"z": np.int64(0), "o": np.int64(2)},
        ),
    )
    yield "pad", model([node("Pad", ["x", "p"], mode="reflect")], x, constants={"p": [1, 0, 2, 1]})
    yield (
        "resize",
        model([node("Resize", ["x", "", "s"], mode="linear")], image, constants={"s": np.array([1, 1, 2, 1.5], f32)}),
    )
    yield "einsum", model([node("Einsum", ["x", "x"], equation="...i,ji->...j")], x)
    yield "norm", model([node("LayerNormalization", ["x", "g"])], x, constants={"g": np.ones(4, f32)})
    yield (
        "lstm",
        model(
            [node("LSTM", ["x", "w", "r"], hidden_size=2, direction="bidirectional")],
            [value("x", ["t", 1, 3])],
            constants={"w": np.ones((2, 8, 3), f32), "r": np.ones((2, 8, 2), f32)},
        ),
    )
    yield "topk", model([node("TopK", ["x", "k"], ["y", "i"])], x, constants={"k": [2]})
    yield "gather", model([node("GatherND", ["x", "i"], batch_dims=0)], x, constants={"i": [[0, 1], [0, 2]]})
    yield "nonzero", model([node("NonZero", ["x"])], x)
    yield (
        "attention",
        model(
            [node("Attention", ["x", "x", "x"], q_num_heads=2, kv_num_heads=2, is_causal=1)],
            [value("x", [1, "s", 4])],
            opset=23,
        ),
    )
    then = helper.make_graph([node("Relu", ["x"], ["r"])], "t", [], [value("r", None)])
    other = helper.make_graph([node("Neg", ["x"], ["r"])], "e", [], [value("r", None)])
    yield "if", model([node("If", ["c"], then_branch=then, else_branch=other)], [*x, value("c", [], B)])
    body = helper.make_graph(
        [node("Add", ["v", "x"], ["w"]), node("Identity", ["w"], ["o"])],
        "b",
        [value("i", [], INT), value("c", [], B), value("v", ["n", 4])],
        [value("c", [], B), value("w", None), value("o", None)],
    )
    yield "loop", model([node("Loop", ["m", "", "x"], ["y", "z"], body=body)], x, ("y", "z"), {"m": np.int64(3)})
    yield "while", model([node("Loop", ["", "c", "x"], ["y", "z"], body=body)], [*x, value("c", [], B)], ("y",))
    step = helper.make_graph(
        [node("Add", ["s", "e"], ["w"]), node("Identity", ["w"], ["o"])],
        "b",
        [value("s", [4]), value("e", [4])],
        [value("w", None), value("o", None)],
    )
    yield (
        "scan",
        model(
            [node("Scan", ["h", "x"], ["y", "z"], body=step, num_scan_inputs=1)], x, ("y", "z"), {"h": np.ones(4, f32)}
        ),
    )
    inner = helper.make_function(
        "local", "F", ["a"], ["b"], [node("Relu", ["a"], ["b"])], [helper.make_opsetid("", 18)]
    )
    yield "function", model([node("F", ["x"], domain="local")], x, functions=[inner])
    yield (
        "sequence",
        model([node("SplitToSequence", ["x"], ["q"], axis=1), node("ConcatFromSequence", ["q"], axis=0)], x),
    )


def main():
    for target in ("onnx_scanner_fuzz", "onnx_import_fuzz"):
        folder = HERE / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in seeds():
            (folder / f"{name}.onnx").write_bytes(data)


if __name__ == "__main__":
    main()
