//===- AttentionDecomposition.cpp - attention in core operations ------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/CoreBuilder.h"
#include "compiler/dialect/tenon/SizeRules.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace tenon;

namespace {

/// The steps of softmax(scale * Q K^T + mask) V. Sizes are named after the operation's description: B, H, G,
/// M, N, D, E.
class AttentionSteps {
public:
  AttentionSteps(AttentionOp op, OpBuilder &builder) : op(op), b(builder, op.getLoc()) {
    element = tensorType(op.getQuery()).getElementType();
    if (element.getIntOrFloatBitWidth() < 32)
      element = builder.getF32Type();
  }

  Value build() {
    Value query = b.cast(op.getQuery(), element);
    B = b.dim(query, 0), H = b.dim(query, 1), M = b.dim(query, 2), D = b.dim(query, 3);
    Value key = unpaged(op.getKey(), op.getKeyScale()), value = unpaged(op.getValue(), op.getValueScale());
    G = b.dim(key, 1), N = b.dim(key, 2), E = b.dim(value, 3);

    Value logits = perGroup(scaled(query));
    logits = perHead(b.contract(logits, key, /*transposeRhs=*/true), N);
    logits = capped(logits);
    if (op.getMask() && !isBool(op.getMask()))
      logits = b.add(logits, b.broadcastLike(b.cast(op.getMask(), element), logits));
    if (Value seen = visible())
      logits = b.select(b.broadcastLike(seen, logits), logits,
                        b.splat(-std::numeric_limits<double>::infinity(), logits));
    Value weights = softmax(logits);
    Value result = perHead(b.contract(perGroup(weights), value, /*transposeRhs=*/false), E);
    return b.refine(b.cast(result, tensorType(op.getResult()).getElementType()), op.getType());
  }

private:
  static bool isBool(Value v) { return tensorType(v).getElementType().isInteger(1); }

  /// Keys or values [B, G, N, D], gathered from their pages and dequantized.
  Value unpaged(Value x, Value scale) {
    x = b.cast(x, element);
    if (scale) {
      CoreBuilder::Values sizes = b.dims(scale);
      sizes.push_back(b.index(1));
      x = b.mul(x, b.broadcastLike(b.reshape(b.cast(scale, element), sizes), x));
    }
    if (!op.getPageTable())
      return x;
    // [pages, G, page, D] -> [B, P, G, page, D] -> [B, G, P, page, D] -> [B, G, P * page, D]
    x = b.transpose(b.gather(x, op.getPageTable(), 0), {0, 2, 1, 3, 4});
    CoreBuilder::Values sizes = b.dims(x);
    return b.reshape(x, {sizes[0], sizes[1], b.mulIndex(sizes[2], sizes[3]), sizes[4]});
  }

  Value scaled(Value query) {
    double scale = op.getScale().convertToDouble();
    if (scale != 0)
      return b.mul(query, scale);
    if (auto d = getConstantIntValue(D))
      return b.mul(query, 1.0 / std::sqrt(static_cast<double>(*d)));
    return b.mul(query, b.broadcastLike(b.unary<RsqrtOp>(b.fromIndex(D, element, 4)), query));
  }

  /// Heads that share a key head side by side: [B, H, M, X] -> [B, G, H / G * M, X]
  Value perGroup(Value x) {
    Value rows = b.mulIndex(b.floorDivIndex(H, G), M);
    return sameHeads() ? x : b.reshape(x, {B, G, rows, b.dim(x, 3)});
  }
  Value perHead(Value x, Value last) { return sameHeads() ? x : b.reshape(x, {B, H, M, last}); }
  bool sameHeads() {
    auto h = getConstantIntValue(H), g = getConstantIntValue(G);
    return h && g && *h == *g;
  }

  Value capped(Value logits) {
    double cap = op.getSoftcap().convertToDouble();
    if (cap == 0)
      return logits;
    return b.mul(b.unary<TanhOp>(b.mul(logits, 1.0 / cap)), cap);
  }

  /// Which keys a query sees, a boolean that broadcasts to [B, H, M, N]; null when it sees all.
  Value visible() {
    Value seen;
    auto also = [&](Value more) {
      if (seen)
        more = b.binary<AndOp>(b.broadcast(seen, fit(seen, more)), b.broadcast(more, fit(seen, more)));
      seen = more;
    };
    if (op.getMask() && isBool(op.getMask()))
      also(op.getMask());
    Value one = b.index(1);
    Type i64 = b.builder.getI64Type();
    Value position = b.iota(i64, {one, one, one, N}, 3);
    Value end;
    if (op.getLengths()) {
      end = b.reshape(b.cast(op.getLengths(), i64), {B, one, one, one});
      Value at = b.broadcast(position, {B, one, one, N});
      also(b.compare(CmpPredicate::lt, at, b.broadcastLike(end, at)));
    }
    if (!op.getCausal() && op.getWindow() == 0)
      return seen;
    // The last query meets the last key that is not ignored: query i stands at i + end - M.
    if (!end)
      end = b.fromIndex(N, i64, 4);
    Value start = b.sub(end, b.broadcastLike(b.fromIndex(M, i64, 4), end));
    Value query = b.iota(i64, {b.dim(start, 0), one, M, one}, 2);
    query = b.add(query, b.broadcastLike(start, query));
    CoreBuilder::Values sizes = {b.dim(start, 0), one, M, N};
    query = b.broadcast(query, sizes);
    Value key = b.broadcast(position, sizes);
    if (op.getCausal())
      also(b.compare(CmpPredicate::le, key, query));
    if (op.getWindow() != 0)
      also(b.compare(CmpPredicate::gt, key, b.add(query, -static_cast<double>(op.getWindow()))));
    return seen;
  }

  /// The sizes that two tensors broadcast to.
  CoreBuilder::Values fit(Value x, Value y) {
    CoreBuilder::Values sizes;
    for (int64_t d = 0; d < 4; ++d)
      sizes.push_back(tensorType(x).getDimSize(d) == 1 ? b.dim(y, d) : b.dim(x, d));
    return sizes;
  }

  /// Over the keys. Rows without a key give 0.
  Value softmax(Value logits) {
    bool hides = op.getMask() || op.getLengths() || op.getCausal() || op.getWindow() != 0;
    Value most = b.reduce(ReduceKind::max, logits, {3}), sink;
    if (op.getSinks()) {
      CoreBuilder::Values sizes = {b.index(1), H, b.index(1), b.index(1)};
      sink = b.broadcastLike(b.reshape(b.cast(op.getSinks(), element), sizes), most);
      most = b.max(most, sink);
    }
    // exp(-inf - lowest) is 0 where exp(-inf - -inf) were NaN.
    if (hides)
      most = b.max(most,
                   APFloat::getLargest(cast<FloatType>(element).getFloatSemantics(), true).convertToDouble());
    Value e = b.exp(b.sub(logits, b.broadcastLike(most, logits)));
    Value sum = b.reduce(ReduceKind::sum, e, {3});
    if (sink)
      sum = b.add(sum, b.exp(b.sub(sink, most)));
    if (hides)
      sum = b.select(b.compare(CmpPredicate::eq, sum, 0.0), b.splat(1, sum), sum);
    return b.div(e, b.broadcastLike(sum, e));
  }

  AttentionOp op;
  CoreBuilder b;
  Type element;
  Value B, H, G, M, N, D, E;
};

} // namespace

FailureOr<SmallVector<Value>> AttentionOp::decompose(OpBuilder &builder) {
  return SmallVector<Value>{AttentionSteps(*this, builder).build()};
}
