"""A small decoder of the Llama family (as SmolLM2 is one): RMSNorm, rotary positions, grouped-query attention,
SwiGLU and tied embeddings, with deterministic random weights. Two graphs, prefill and decode, differ only in how many
tokens they take; both update key and value caches of fixed capacity by ScatterND, so that these can be session state.

Structure after Touvron et al., "LLaMA" (2023); rotary embedding after Su et al., "RoFormer" (2021).
"""

import math

import numpy as np
import onnx
from catalog import CAPACITY, HEAD_DIM, KV_HEADS, LAYERS, VOCABULARY
from graph import Graph

HEADS, HIDDEN, INNER, EPSILON, THETA, SEED = 9, 576, 1536, 1e-5, 10000.0, 1234
GROUP = HEADS // KV_HEADS
MASKED = -3.4028235e38


def build(name: str, tokens: str | int) -> onnx.ModelProto:
    """A graph over `tokens` new tokens (a number, or the name of a symbol): `input_ids` [1, tokens], `position` [1]
    (how many tokens the caches hold), `past_k.i`, `past_v.i` [capacity, kv heads, head dim] -> `logits`
    [1, vocabulary] of the last token, `present_k.i`, `present_v.i`."""
    weights = make_weights()
    g = Graph(name)
    ids = g.input("input_ids", "int64", [1, tokens])
    position = g.input("position", "int64", [1])
    cache = [CAPACITY, KV_HEADS, HEAD_DIM]
    past = [[g.input(f"past_{kv}.{i}", "float32", cache) for kv in "kv"] for i in range(LAYERS)]

    flat = g.Reshape(ids, g.ints(-1))
    table = g.weight("embedding", weights["embedding"])
    x = g.Gather(table, flat)
    positions = position if tokens == 1 else g.Add(count_up(g, flat), position)
    rotary = [g.Unsqueeze(g.Gather(g.weight(n, weights[n]), positions), g.ints(1)) for n in ("cos", "sin")]
    columns = g.weight("columns", np.arange(CAPACITY, dtype=np.int64))
    visible = g.LessOrEqual(columns, g.Unsqueeze(positions, g.ints(1)))
    bias = g.Where(visible, g.scalar(0), g.scalar(MASKED))

    for i in range(LAYERS):
        x, present = layer(g, weights, f"layer.{i}.", x, past[i], positions, rotary, bias)
        for kv, value in zip("kv", present, strict=True):
            g.output(value, f"present_{kv}.{i}", "float32", cache)
    last = g.Gather(rms_norm(g, weights, "norm", x), g.ints(-1))
    g.output(g.Gemm(last, table, transB=1), "logits", "float32", [1, VOCABULARY])
    return g.model()


def count_up(g: Graph, flat: str) -> str:
    """0, 1, ... one number for each element of the 1-D `flat`."""
    zero, one = g.weight("zero", np.array(0, np.int64)), g.weight("one", np.array(1, np.int64))
    return g.Range(zero, g.Gather(g.Shape(flat), zero), one)


def make_weights() -> dict[str, np.ndarray]:
    r = np.random.default_rng(SEED)

    def matrix(rows: int, columns: int) -> np.ndarray:
        return (r.standard_normal((rows, columns)) / math.sqrt(rows)).astype(np.float32)

    # Small against what the layers add: else the tied embedding would make every token predict itself.
    w = {"embedding": (0.05 * r.standard_normal((VOCABULARY, HIDDEN))).astype(np.float32)}
    for i in range(LAYERS):
        p = f"layer.{i}."
        w[p + "q"] = matrix(HIDDEN, HEADS * HEAD_DIM)
        w[p + "k"] = matrix(HIDDEN, KV_HEADS * HEAD_DIM)
        w[p + "v"] = matrix(HIDDEN, KV_HEADS * HEAD_DIM)
        w[p + "o"] = matrix(HEADS * HEAD_DIM, HIDDEN)
        w[p + "gate"], w[p + "up"], w[p + "down"] = matrix(HIDDEN, INNER), matrix(HIDDEN, INNER), matrix(INNER, HIDDEN)
        for norm in ("attention_norm", "mlp_norm"):
            w[p + norm] = r.uniform(0.5, 1.5, HIDDEN).astype(np.float32)
    w["norm"] = r.uniform(0.5, 1.5, HIDDEN).astype(np.float32)
    frequency = THETA ** (-np.arange(0, HEAD_DIM, 2) / HEAD_DIM)
    angle = np.concatenate([np.outer(np.arange(CAPACITY), frequency)] * 2, axis=1)
    w["cos"], w["sin"] = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    return w


def rms_norm(g: Graph, weights: dict, name: str, x: str) -> str:
    mean = g.ReduceMean(g.Pow(x, g.scalar(2)), g.ints(-1), keepdims=1)
    scaled = g.Mul(x, g.Reciprocal(g.Sqrt(g.Add(mean, g.scalar(EPSILON)))))
    return g.Mul(scaled, g.weight(name, weights[name]))


def rotate(g: Graph, x: str, rotary: list[str]) -> str:
    """x cos + rotate_half(x) sin over the last axis of [tokens, heads, head dim]."""
    low = g.Slice(x, g.ints(0), g.ints(HEAD_DIM // 2), g.ints(2))
    high = g.Slice(x, g.ints(HEAD_DIM // 2), g.ints(HEAD_DIM), g.ints(2))
    return g.Add(g.Mul(x, rotary[0]), g.Mul(g.Concat(g.Neg(high), low, axis=-1), rotary[1]))


def layer(g: Graph, w: dict, p: str, x: str, past: list[str], positions: str, rotary: list[str], bias: str):
    def project(name: str, value: str) -> str:
        return g.MatMul(value, g.weight(p + name, w[p + name]))

    normed = rms_norm(g, w, p + "attention_norm", x)
    query = rotate(g, g.Reshape(project("q", normed), g.ints(-1, HEADS, HEAD_DIM)), rotary)
    key = rotate(g, g.Reshape(project("k", normed), g.ints(-1, KV_HEADS, HEAD_DIM)), rotary)
    value = g.Reshape(project("v", normed), g.ints(-1, KV_HEADS, HEAD_DIM))
    rows = g.Unsqueeze(positions, g.ints(1))
    present = [g.ScatterND(cache, rows, new) for cache, new in zip(past, (key, value), strict=True)]

    grouped = g.Transpose(g.Reshape(query, g.ints(-1, KV_HEADS, GROUP, HEAD_DIM)), perm=[1, 2, 0, 3])
    keys = g.Unsqueeze(g.Transpose(present[0], perm=[1, 2, 0]), g.ints(1))
    values = g.Unsqueeze(g.Transpose(present[1], perm=[1, 0, 2]), g.ints(1))
    scores = g.Add(g.Mul(g.MatMul(grouped, keys), g.scalar(1 / math.sqrt(HEAD_DIM))), bias)
    context = g.Transpose(g.MatMul(g.Softmax(scores, axis=-1), values), perm=[2, 0, 1, 3])
    x = g.Add(x, project("o", g.Reshape(context, g.ints(-1, HEADS * HEAD_DIM))))

    normed = rms_norm(g, w, p + "mlp_norm", x)
    gate = project("gate", normed)
    inner = g.Mul(g.Mul(gate, g.Sigmoid(gate)), project("up", normed))
    return g.Add(x, project("down", inner)), present
