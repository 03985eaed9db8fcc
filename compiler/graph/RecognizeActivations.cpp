//===- RecognizeActivations.cpp - activations from exporters' expansions ----===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/graph/Recognition.h"
#include <numbers>

using namespace mlir;
using namespace tenon;

namespace {

bool isNear(double a, double b) { return std::abs(a - b) <= 1e-3 * std::abs(b); }

/// c * x, for products and quotients with a number.
Value matchMultiple(Value v, double &c) {
  if (Value x = matchWithScalar<MulOp>(v, c))
    return x;
  Value x = matchWithScalar<DivOp>(v, c);
  c = 1 / c;
  return x;
}

/// The factors of a product of up to a few multiplications; `x` is not taken apart. Numbers gather in
/// `scale`.
void factorsOf(Value v, Value x, double &scale, SmallVectorImpl<Value> &factors, int depth = 0) {
  double c;
  if (v != x && depth < 4) {
    if (Value inner = matchMultiple(v, c)) {
      scale *= c;
      return factorsOf(inner, x, scale, factors, depth + 1);
    }
    if (auto mul = v.getDefiningOp<MulOp>()) {
      factorsOf(mul.getLhs(), x, scale, factors, depth + 1);
      return factorsOf(mul.getRhs(), x, scale, factors, depth + 1);
    }
  }
  factors.push_back(v);
}

/// True when `v` is x * scale * other (in any order).
bool isProduct(Value v, Value x, Value other, double scale) {
  double found = 1;
  SmallVector<Value> factors;
  factorsOf(v, x, found, factors);
  return factors.size() == 2 && isNear(found, scale) &&
         ((factors[0] == x && factors[1] == other) || (factors[1] == x && factors[0] == other));
}

/// A factor 1 + f(...) somewhere in the product `v`.
template <typename OpTy> Value findOnePlus(Value v, OpTy &inner, int depth = 0) {
  double c;
  Value plus = matchWithScalar<AddOp>(v, c);
  if (plus && c == 1)
    if ((inner = plus.getDefiningOp<OpTy>()))
      return v;
  if (depth == 4)
    return {};
  if (auto mul = v.getDefiningOp<MulOp>())
    for (Value side : {mul.getLhs(), mul.getRhs()})
      if (Value found = findOnePlus(side, inner, depth + 1))
        return found;
  if (auto div = v.getDefiningOp<DivOp>())
    return findOnePlus(div.getLhs(), inner, depth + 1);
  return {};
}

/// sqrt(2 / pi) * (x + 0.044715 * x^3); the cube as a product or a power.
Value matchTanhArgument(Value v) {
  double c;
  Value sum = matchMultiple(v, c);
  auto add = sum ? sum.getDefiningOp<AddOp>() : AddOp();
  if (!add || !isNear(c, std::sqrt(2 / std::numbers::pi)))
    return {};
  for (auto [x, term] : {std::pair{add.getLhs(), add.getRhs()}, {add.getRhs(), add.getLhs()}}) {
    double scale = 1;
    SmallVector<Value> factors;
    factorsOf(term, x, scale, factors);
    bool cube = factors.size() == 3 && llvm::all_of(factors, [&](Value f) { return f == x; });
    if (factors.size() == 1)
      if (auto pow = factors[0].getDefiningOp<PowOp>())
        cube = pow.getLhs() == x && isScalar(pow.getRhs(), 3);
    if (cube && isNear(scale, 0.044715))
      return x;
  }
  return {};
}

/// gelu(x) = x / 2 * (1 + erf(x / sqrt(2))), or with tanh for the bell.
template <typename RootOp> struct RecognizeGelu : OpRewritePattern<RootOp> {
  using OpRewritePattern<RootOp>::OpRewritePattern;
  LogicalResult matchAndRewrite(RootOp op, PatternRewriter &rewriter) const override {
    ErfOp erf;
    TanhOp tanh;
    Value x, bell;
    double c;
    if ((bell = findOnePlus(op.getResult(), erf))) {
      x = matchMultiple(erf.getInput(), c);
      if (!x || !isNear(c, 1 / std::numbers::sqrt2))
        return rewriter.notifyMatchFailure(op, "the error function is not of x / sqrt(2)");
    } else if ((bell = findOnePlus(op.getResult(), tanh))) {
      x = matchTanhArgument(tanh.getInput());
    }
    if (!x || !isProduct(op.getResult(), x, bell, 0.5))
      return rewriter.notifyMatchFailure(op, "not x / 2 * (1 + bell(x))");
    rewriter.replaceOpWithNewOp<GeluOp>(op, op.getType(), x, /*tanh_approximation=*/!erf);
    return success();
  }
};

/// 1 / (1 + exp(-x)) -> sigmoid, x / (1 + exp(-x)) -> silu
struct RecognizeSigmoid : OpRewritePattern<DivOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(DivOp op, PatternRewriter &rewriter) const override {
    double c;
    Value sum = matchWithScalar<AddOp>(op.getRhs(), c);
    auto exp = sum && c == 1 ? sum.getDefiningOp<ExpOp>() : ExpOp();
    auto neg = exp ? exp.getInput().getDefiningOp<NegOp>() : NegOp();
    if (!neg)
      return rewriter.notifyMatchFailure(op, "the divisor is not 1 + exp(-x)");
    if (op.getLhs() == neg.getInput())
      rewriter.replaceOpWithNewOp<SiluOp>(op, op.getType(), neg.getInput(), rewriter.getF64FloatAttr(1));
    else if (isScalar(op.getLhs(), 1))
      rewriter.replaceOpWithNewOp<SigmoidOp>(op, op.getType(), neg.getInput());
    else
      return rewriter.notifyMatchFailure(op, "the dividend is neither 1 nor x");
    return success();
  }
};

/// x * sigmoid(a * x) -> silu
struct RecognizeSilu : OpRewritePattern<MulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MulOp op, PatternRewriter &rewriter) const override {
    for (auto [x, other] : {std::pair{op.getLhs(), op.getRhs()}, {op.getRhs(), op.getLhs()}}) {
      auto sigmoid = other.getDefiningOp<SigmoidOp>();
      if (!sigmoid)
        continue;
      double alpha = 1;
      if (sigmoid.getInput() != x && matchMultiple(sigmoid.getInput(), alpha) != x)
        continue;
      rewriter.replaceOpWithNewOp<SiluOp>(op, op.getType(), x, rewriter.getF64FloatAttr(alpha));
      return success();
    }
    return rewriter.notifyMatchFailure(op, "not x * sigmoid(a * x)");
  }
};

/// min(max(x, low), high), in both orders, or tenon.clip.
Value matchClip(Value v, double low, double high) {
  if (auto clip = v.getDefiningOp<ClipOp>())
    return clip.getLow().convertToDouble() == low && clip.getHigh().convertToDouble() == high
               ? clip.getInput()
               : Value();
  double a, b;
  if (Value inner = matchWithScalar<MinOp>(v, a))
    if (Value x = matchWithScalar<MaxOp>(inner, b))
      return a == high && b == low ? x : Value();
  if (Value inner = matchWithScalar<MaxOp>(v, a))
    if (Value x = matchWithScalar<MinOp>(inner, b))
      return a == low && b == high ? x : Value();
  return {};
}

/// clip(x + 3, 0, 6), a sixth of which is MobileNet's hard sigmoid.
Value matchClippedShift(Value v) {
  double c = 0;
  Value sum = matchClip(v, 0, 6);
  Value x = sum ? matchWithScalar<AddOp>(sum, c) : Value();
  return x && c == 3 ? x : Value();
}

/// clip(x + 3, 0, 6) / 6 -> hard_sigmoid, x * clip(x + 3, 0, 6) / 6 -> hard_swish
template <typename RootOp> struct RecognizeHardSwish : OpRewritePattern<RootOp> {
  using OpRewritePattern<RootOp>::OpRewritePattern;
  LogicalResult matchAndRewrite(RootOp op, PatternRewriter &rewriter) const override {
    double c;
    Value inner = matchMultiple(op.getResult(), c);
    if (inner && isNear(c, 1.0 / 6)) {
      if (Value x = matchClippedShift(inner)) {
        rewriter.replaceOpWithNewOp<HardSigmoidOp>(op, op.getType(), x, rewriter.getF64FloatAttr(1.0 / 6),
                                                   rewriter.getF64FloatAttr(0.5));
        return success();
      }
      if (auto mul = inner.getDefiningOp<MulOp>())
        for (auto [x, other] : {std::pair{mul.getLhs(), mul.getRhs()}, {mul.getRhs(), mul.getLhs()}})
          if (matchClippedShift(other) == x) {
            rewriter.replaceOpWithNewOp<HardSwishOp>(op, op.getType(), x);
            return success();
          }
    }
    return rewriter.notifyMatchFailure(op, "not a sixth of clip(x + 3, 0, 6)");
  }
};

/// x * hard_sigmoid(x) with alpha 1/6 and beta 1/2 -> hard_swish
struct RecognizeGatedHardSigmoid : OpRewritePattern<MulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MulOp op, PatternRewriter &rewriter) const override {
    for (auto [x, other] : {std::pair{op.getLhs(), op.getRhs()}, {op.getRhs(), op.getLhs()}}) {
      auto gate = other.getDefiningOp<HardSigmoidOp>();
      if (!gate || gate.getInput() != x || std::abs(gate.getAlpha().convertToDouble() - 1.0 / 6) > 1e-6 ||
          gate.getBeta().convertToDouble() != 0.5)
        continue;
      rewriter.replaceOpWithNewOp<HardSwishOp>(op, op.getType(), x);
      return success();
    }
    return rewriter.notifyMatchFailure(op, "not x * hard_sigmoid(x)");
  }
};

} // namespace

void tenon::populateActivationRecognition(RewritePatternSet &patterns) {
  patterns.add<RecognizeGelu<MulOp>, RecognizeGelu<DivOp>, RecognizeSigmoid, RecognizeSilu,
               RecognizeHardSwish<MulOp>, RecognizeHardSwish<DivOp>, RecognizeGatedHardSigmoid>(
      patterns.getContext());
}
