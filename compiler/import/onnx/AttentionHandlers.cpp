//===- AttentionHandlers.cpp - Attention and rotary embedding ---------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/NodeContext.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

namespace {

/// [batch, sequence, heads * d] to [batch, heads, sequence, d]; tensors of rank 4 have that form already.
FailureOr<Tensor> splitHeads(NodeContext &n, const Tensor &t, int64_t heads, StringRef attribute) {
  if (t.rank() == 4)
    return t;
  if (t.rank() != 3)
    return n.invalid("expected 3 or 4 dimensions, found " + describe(t));
  if (heads < 1 || heads > (1 << 20))
    return n.invalid("expected the attribute " + attribute + " for inputs of rank 3, found " + Twine(heads));
  Size hidden = t.dims[2];
  if (hidden.constant() && *hidden.constant() % heads)
    return n.invalid("expected " + Twine(heads) + " heads to divide the last dimension of " + describe(t));
  auto d = hidden.exactDiv(n.g.size(heads));
  Tensor split = n.g.reshape(t, {t.dims[0], t.dims[1], n.g.size(heads), d ? *d : hidden.floorDiv(heads)});
  return n.g.transpose(split, {0, 2, 1, 3});
}

Tensor joinHeads(GraphBuilder &g, const Tensor &t) {
  Tensor rows = g.transpose(t, {0, 2, 1, 3});
  return g.reshape(rows, {rows.dims[0], rows.dims[1], rows.dims[2] * rows.dims[3]});
}

/// The attention of ONNX opset 23 and later.
class Attention {
public:
  explicit Attention(NodeContext &n) : n(n), g(n.g) {}
  LogicalResult run();

private:
  LogicalResult read();
  LogicalResult readMask();
  LogicalResult readWindow();
  /// The keys that each query sees by its position: is_causal and the window.
  Tensor visibleKeys();
  /// Takes part where both the mask and `keep` ([batch or 1, 1, queries, keys]) allow it.
  void restrict(const Tensor &keep);
  /// What output 3 asks for: the logits at one of three stages, or the probabilities.
  LogicalResult scores();

  NodeContext &n;
  GraphBuilder &g;
  Tensor query, key, value, mask;
  std::optional<Size> past; // keys that come before the first query
  bool causal = false;
  int64_t left = -1, right = -1; // positions to either side that a query sees; -1: all
};

LogicalResult Attention::read() {
  if (failed(n.needInputs(3)) || failed(n.needFloat(0)))
    return failure();
  int64_t heads = n.intAttr("q_num_heads", 0), keyHeads = n.intAttr("kv_num_heads", 0);
  ONNX_TRY(q, splitHeads(n, n.in(0), heads, "q_num_heads"));
  ONNX_TRY(k, splitHeads(n, n.in(1), keyHeads, "kv_num_heads"));
  ONNX_TRY(v, splitHeads(n, n.in(2), keyHeads, "kv_num_heads"));
  query = q, key = k, value = v;
  for (auto [input, t] : {std::pair(4, &key), std::pair(5, &value)}) {
    if (!n.has(input))
      continue;
    const Tensor &past = n.in(input);
    if (past.rank() != 4 || past.element != t->element)
      return n.invalid("expected the past as [batch, heads, sequence, d], found " + describe(past));
    for (int i : {0, 1, 3})
      if (failed(n.sameSize(past.dims[i], t->dims[i], "the past and the present")))
        return failure();
    *t = g.concat({past, *t}, 2);
    this->past = past.dims[2];
  }
  for (auto [a, b, what] : {std::tuple(query.dims[0], key.dims[0], "the batch"),
                            {key.dims[0], value.dims[0], "the batch"},
                            {key.dims[1], value.dims[1], "the heads of key and value"},
                            {key.dims[2], value.dims[2], "the length of key and value"},
                            {query.dims[3], key.dims[3], "the head size of query and key"}})
    if (failed(n.sameSize(a, b, what)))
      return failure();
  return readWindow();
}

LogicalResult Attention::readWindow() {
  causal = n.intAttr("is_causal", 0);
  left = n.intAttr("left_window_size", -1), right = n.intAttr("right_window_size", -1);
  for (int64_t side : {left, right})
    if (side < -1 || side > INT32_MAX)
      return n.invalid("expected a window of -1 or more positions, found " + Twine(side));
  if (n.has(6) && (n.in(6).rank() != 1 || !isa<IntegerType>(n.in(6).element)))
    return n.invalid("expected nonpad_kv_seqlen as a list of integers, found " + describe(n.in(6)));
  if (n.has(6) && failed(n.sameSize(n.in(6).dims[0], query.dims[0], "the batch of nonpad_kv_seqlen")))
    return failure();
  return success();
}

LogicalResult Attention::readMask() {
  if (!n.has(3))
    return success();
  mask = n.in(3);
  if (mask.rank() < 1 || mask.rank() > 4 || (!mask.element.isInteger(1) && mask.element != query.element))
    return n.invalid("expected a mask of booleans or of the query's type with 1 to 4 dimensions, found " +
                     describe(mask));
  mask = g.toRank(mask, 4);
  // A mask for fewer keys hides the others.
  auto masked = mask.dims[3].constant(), keys = key.dims[2].constant();
  if (masked && keys && *masked < *keys) {
    Dims none(4, g.size(0)), missing = none;
    missing[3] = g.size(*keys - *masked);
    bool isBool = mask.element.isInteger(1);
    Tensor hidden = isBool ? g.scalarInt(0, mask.element)
                           : g.scalar(-std::numeric_limits<double>::infinity(), mask.element);
    mask = g.pad(mask, hidden, none, missing);
  }
  Dims full{query.dims[0], query.dims[1], query.dims[2], key.dims[2]};
  for (int i = 0; i < 4; ++i)
    if ((i == 3 || !mask.dims[i].isConstant(1)) && failed(n.sameSize(mask.dims[i], full[i], "the mask")))
      return failure();
  return success();
}

Tensor Attention::visibleKeys() {
  Type i64 = n.i64();
  bool perBatch = n.has(6) && !past;
  Dims dims{perBatch ? query.dims[0] : g.size(1), g.size(1), query.dims[2], key.dims[2]};
  Tensor offset = g.fromSize(past.value_or(g.size(0)), i64);
  if (perBatch) // the queries are the last of the keys that count
    offset = g.binary<SubOp>(g.convert(n.in(6), i64),
                             g.broadcast(g.toRank(g.fromSize(query.dims[2], i64), 1), n.in(6).dims));
  Dims column(4, g.size(1));
  column[0] = dims[0];
  Tensor queries = g.iota(dims, 2, i64), keys = g.iota(dims, 3, i64);
  queries = g.binary<AddOp>(queries, g.broadcast(g.reshape(offset, column), dims));
  Tensor keep;
  if (causal || right >= 0) {
    Tensor last = g.binary<AddOp>(queries, g.fullInt(causal ? 0 : right, i64, dims));
    keep = g.compare(CmpPredicate::le, keys, last);
  }
  if (left >= 0) {
    Tensor first = g.binary<SubOp>(queries, g.fullInt(left, i64, dims));
    Tensor after = g.compare(CmpPredicate::ge, keys, first);
    keep = keep ? g.binary<AndOp>(keep, after) : after;
  }
  return keep;
}

void Attention::restrict(const Tensor &keep) {
  if (!mask) {
    mask = keep;
    return;
  }
  Dims shape = mask.dims;
  for (int i : {0, 1, 2, 3})
    if (shape[i].isConstant(1))
      shape[i] = keep.dims[i];
  mask = g.broadcast(mask, shape);
  Tensor wide = g.broadcast(keep, shape);
  mask = mask.element.isInteger(1)
             ? g.binary<AndOp>(mask, wide)
             : g.select(wide, mask, g.full(-std::numeric_limits<double>::infinity(), mask.element, shape));
}

LogicalResult Attention::scores() {
  int64_t mode = n.intAttr("qk_matmul_output_mode", 0);
  if (mode < 0 || mode > 3)
    return n.invalid("expected qk_matmul_output_mode from 0 to 3, found " + Twine(mode));
  auto heads = query.dims[1].constant(), keyHeads = key.dims[1].constant(), d = query.dims[3].constant();
  if (!heads || !keyHeads || !d || *keyHeads == 0 || *heads % *keyHeads)
    return n.unsupported("the product of query and key as an output needs constant heads and head sizes");
  double scale = n.floatAttr("scale", 0), softcap = n.floatAttr("softcap", 0);
  if (scale == 0)
    scale = 1 / std::sqrt(static_cast<double>(*d));
  Type element = query.element;
  Tensor keys = g.unsqueeze(key, 2);
  Dims repeated = keys.dims;
  repeated[2] = g.size(*heads / *keyHeads);
  keys = g.reshape(g.broadcast(keys, repeated), {key.dims[0], query.dims[1], key.dims[2], key.dims[3]});
  Tensor logits = g.contract(g.binary<MulOp>(query, scale), keys, /*transposeRhs=*/true);
  if (mode > 0 && softcap > 0)
    logits = g.binary<MulOp>(g.unary<TanhOp>(g.binary<DivOp>(logits, softcap)), softcap);
  if (mode < 2)
    return n.out(g.convert(logits, element), 3);
  if (n.has(6)) {
    Type i64 = n.i64();
    Dims dims{query.dims[0], g.size(1), g.size(1), key.dims[2]};
    Tensor lengths = g.reshape(g.convert(n.in(6), i64), {dims[0], dims[1], dims[1], dims[1]});
    restrict(g.compare(CmpPredicate::lt, g.iota(dims, 3, i64), g.broadcast(lengths, dims)));
  }
  double never = -std::numeric_limits<double>::infinity();
  if (mask) {
    Tensor wide = g.broadcast(mask, logits.dims);
    logits = mask.element.isInteger(1) ? g.select(wide, logits, g.full(never, logits.element, logits.dims))
                                       : g.binary<AddOp>(logits, g.convert(wide, logits.element));
  }
  if (mode == 2)
    return n.out(g.convert(logits, element), 3);
  // A query that sees no key has probabilities 0.
  Tensor largest = g.broadcast(g.reduce(ReduceKind::max, logits, {3}), logits.dims);
  Tensor sees = g.compare(CmpPredicate::gt, largest, g.full(never, logits.element, logits.dims));
  Value v = g.value(g.select(sees, logits, g.full(0, logits.element, logits.dims)));
  Tensor shares = g.wrap(SoftmaxOp::create(g.builder, g.loc, v.getType(), v, 3), logits.dims);
  shares = g.select(sees, shares, g.full(0, logits.element, logits.dims));
  return n.out(g.convert(shares, element), 3);
}

LogicalResult Attention::run() {
  if (failed(read()) || failed(readMask()))
    return failure();
  // The operation's own causal form lets the last query see every key.
  Size preceding = past.value_or(g.size(0));
  bool own =
      causal && left < 0 && !n.has(6) && !n.wants(3) && g.sameSize(preceding + query.dims[2], key.dims[2]);
  if (!own && (causal || left >= 0 || right >= 0)) {
    restrict(visibleKeys());
    causal = false;
  }
  Value lengths;
  if (n.has(6))
    lengths = g.value(n.in(6));
  Dims dims{query.dims[0], query.dims[1], query.dims[2], value.dims[3]};
  OpBuilder &b = g.builder;
  Value q = g.value(query), k = g.value(key), v = g.value(value), m = mask ? g.value(mask) : Value();
  auto op = AttentionOp::create(b, g.loc, g.type(query.element, dims), q, k, v, m, lengths, Value(), Value(),
                                Value(), Value(), b.getF64FloatAttr(n.floatAttr("scale", 0)),
                                causal ? b.getUnitAttr() : UnitAttr(), b.getI64IntegerAttr(0),
                                b.getF64FloatAttr(n.floatAttr("softcap", 0)));
  Tensor result = g.wrap(op, dims);
  if (n.wants(1))
    (void)n.out(key, 1);
  if (n.wants(2))
    (void)n.out(value, 2);
  if (n.wants(3) && failed(scores()))
    return failure();
  return n.out(n.in(0).rank() == 3 ? joinHeads(g, result) : result);
}

LogicalResult attention(NodeContext &n) { return Attention(n).run(); }

/// Rotates pairs of elements of each head by angles that depend on the position.
LogicalResult rotary(NodeContext &n, int64_t cosInput, int64_t sinInput, int64_t positionInput,
                     int64_t heads) {
  if (failed(n.needInputs(3)) || failed(n.needFloat(0)))
    return failure();
  GraphBuilder &g = n.g;
  ONNX_TRY(x, splitHeads(n, n.in(0), heads, "num_heads"));
  int64_t part = n.intAttr("rotary_embedding_dim", 0);
  auto d = x.dims[3].constant();
  if (!d || part < 0 || part > *d || (part ? part : *d) % 2)
    return n.unsupported("expected a constant, even head size, found " + describe(x));
  if (!part)
    part = *d;
  auto angles = [&](int64_t input) -> FailureOr<Tensor> {
    Tensor t = n.in(input);
    if (t.element != x.element)
      return n.invalid("expected the caches to have the input's type, found " + describe(t));
    if (n.has(positionInput)) {
      Tensor positions = n.in(positionInput);
      if (positions.rank() == 1) { // one offset for all: the positions are offset, offset + 1, ...
        Dims dims{x.dims[0], x.dims[2]};
        Tensor offset = g.broadcast(g.reshape(positions, {g.size(1), g.size(1)}), dims);
        positions = g.binary<AddOp>(offset, g.iota(dims, 1, positions.element));
      }
      t = g.gather(t, positions, 0);
    }
    if (t.rank() != 3)
      return n.invalid("expected a cache [batch, sequence, half], found " + describe(t));
    // A cache may be wider than the part that is rotated.
    t = g.unsqueeze(g.sliceAxis(t, 2, g.size(0), g.size(part / 2)), 1);
    return n.broadcastTo(t, {x.dims[0], x.dims[1], x.dims[2], g.size(part / 2)}, "the cache");
  };
  ONNX_TRY(cosine, angles(cosInput));
  ONNX_TRY(sine, angles(sinInput));
  Tensor rotated = g.sliceAxis(x, 3, g.size(0), g.size(part)), first, second;
  bool interleaved = n.intAttr("interleaved", 0);
  Size half = g.size(part / 2);
  first = g.sliceAxis(rotated, 3, g.size(0), half, interleaved ? 2 : 1);
  second = g.sliceAxis(rotated, 3, interleaved ? g.size(1) : half, half, interleaved ? 2 : 1);
  Tensor a = g.binary<SubOp>(g.binary<MulOp>(first, cosine), g.binary<MulOp>(second, sine));
  Tensor b = g.binary<AddOp>(g.binary<MulOp>(first, sine), g.binary<MulOp>(second, cosine));
  if (interleaved)
    rotated = g.reshape(g.concat({g.unsqueeze(a, 4), g.unsqueeze(b, 4)}, 4), rotated.dims);
  else
    rotated = g.concat({a, b}, 3);
  if (part != *d)
    rotated = g.concat({rotated, g.sliceAxis(x, 3, g.size(part), g.size(*d - part))}, 3);
  return n.out(n.in(0).rank() == 3 ? joinHeads(g, rotated) : rotated);
}

LogicalResult rotaryEmbedding(NodeContext &n) { return rotary(n, 1, 2, 3, n.intAttr("num_heads", 0)); }

LogicalResult contribRotaryEmbedding(NodeContext &n) {
  if (failed(n.needInputs(4)))
    return failure();
  int64_t heads = n.intAttr("num_heads", 0);
  if (n.in(0).rank() == 3 && heads == 0) {
    auto hidden = n.in(0).dims[2].constant(),
         half = n.in(2).rank() == 2 ? n.in(2).dims[1].constant() : std::nullopt;
    if (!hidden || !half || *half == 0)
      return n.unsupported("expected num_heads, or caches [positions, half] of constant width");
    heads = *hidden / (2 * *half);
  }
  return rotary(n, 2, 3, 1, heads);
}

} // namespace

void tenon::importer::registerAttention(OpTable &t) {
  t.add("Attention", attention, 23);
  t.add("RotaryEmbedding", rotaryEmbedding, 23);
  t.add("com.microsoft:RotaryEmbedding", contribRotaryEmbedding);
}
