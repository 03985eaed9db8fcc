"""Images whose channels move innermost, padded and cropped: short innermost axes are woven from vectors."""

import random

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import tenon

TYPES = {
    np.float32: TensorProto.FLOAT,
    np.int8: TensorProto.INT8,
    np.int64: TensorProto.INT64,
    np.float16: TensorProto.FLOAT16,
}


def random_movement(seed: int) -> tuple[bytes, dict, np.ndarray]:
    """Pad, then Transpose to channels innermost, then an elementwise operation: model, inputs and result."""
    pick = random.Random(seed)
    rng = np.random.default_rng(seed)
    dtype = pick.choice(list(TYPES))
    shape = [
        pick.choice([1, 2]),
        pick.choice([2, 3, 4]),
        pick.choice([1, 3, 6]),
        pick.choice([1, 5, 8, 16, 17, 31, 50]),
    ]
    low, high = [0, 0, pick.randint(-1, 2), pick.randint(-1, 18)], [0, 0, pick.randint(0, 2), pick.randint(-1, 20)]
    for axis in (2, 3):  # something of the image stays
        low[axis], high[axis] = (max(0, v) if shape[axis] < 3 else v for v in (low[axis], high[axis]))
    fill = np.array(pick.choice([0, 7]), dtype)
    x = rng.integers(-100, 100, shape).astype(dtype)
    y = rng.integers(-20, 20, [shape[1]]).astype(dtype)
    crop = tuple(slice(max(0, -a), n + min(0, b)) for a, b, n in zip(low, high, shape, strict=True))
    padded = np.pad(x[crop], [(max(0, a), max(0, b)) for a, b in zip(low, high, strict=True)], constant_values=fill)
    nodes = [
        helper.make_node("Pad", ["x", "pads", "fill"], ["p"]),
        helper.make_node("Transpose", ["p"], ["t"], perm=[0, 2, 3, 1]),
        helper.make_node("Add", ["t", "y"], ["z"]),
    ]
    declared = shape if pick.random() < 0.5 else ["N", shape[1], "H", "W"]
    if any(v < 0 for v in low + high):
        declared = shape
    graph = helper.make_graph(
        nodes,
        "g",
        [
            helper.make_tensor_value_info("x", TYPES[dtype], declared),
            helper.make_tensor_value_info("y", TYPES[dtype], list(y.shape)),
        ],
        [helper.make_tensor_value_info("z", TYPES[dtype], None)],
        [numpy_helper.from_array(np.array(low + high), "pads"), numpy_helper.from_array(fill, "fill")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with np.errstate(over="ignore"):
        return model.SerializeToString(), {"x": x, "y": y}, padded.transpose(0, 2, 3, 1) + y


@pytest.mark.parametrize("target", ["x86-64-v3", "x86-64-v4"])
@pytest.mark.parametrize("seed", range(60))
def test_woven(seed, target):
    model, inputs, want = random_movement(seed)
    for threads in (1, 2):
        got = tenon.compile(model, target=target, emulate_isa=True).session(threads=threads).run(inputs)["z"]
        np.testing.assert_array_equal(got, want)
