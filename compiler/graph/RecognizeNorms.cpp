//===- RecognizeNorms.cpp - softmax and norms from exporters' expansions ----===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/defects/PlantedDefect.h"
#include "compiler/dialect/tenon/CoreBuilder.h"
#include "compiler/dialect/tenon/SizeRules.h"
#include "compiler/graph/Recognition.h"

using namespace mlir;
using namespace tenon;

namespace {

ReduceOp matchReduce(Value v, ReduceKind kind) {
  auto op = v.getDefiningOp<ReduceOp>();
  return op && op.getKind() == kind ? op : ReduceOp();
}

/// The mean over the trailing axes from the returned one on; `x` receives what is averaged.
std::optional<int64_t> matchTrailingMean(Value v, Value &x) {
  double c;
  Value sum = matchWithScalar<DivOp>(v, c);
  if (!sum) {
    sum = matchWithScalar<MulOp>(v, c);
    c = 1 / c;
  }
  ReduceOp reduce = sum ? matchReduce(sum, ReduceKind::sum) : ReduceOp();
  if (!reduce || reduce.getAxes().empty())
    return std::nullopt;
  RankedTensorType type = tensorType(reduce.getInput());
  int64_t axis = reduce.getAxes().front(), count = 1;
  if (static_cast<int64_t>(reduce.getAxes().size()) != type.getRank() - axis)
    return std::nullopt;
  for (int64_t size : type.getShape().drop_front(axis)) {
    if (size == kDynamic)
      return std::nullopt;
    count *= size;
  }
  x = reduce.getInput();
  return std::abs(c - static_cast<double>(count)) <= 1e-6 * static_cast<double>(count) ? std::optional(axis)
                                                                                       : std::nullopt;
}

/// x * x or x ^ 2
Value matchSquare(Value v) {
  if (auto mul = v.getDefiningOp<MulOp>())
    return mul.getLhs() == mul.getRhs() ? mul.getLhs() : Value();
  double c;
  Value x = matchWithScalar<PowOp>(v, c);
  return x && c == 2 ? x : Value();
}

/// x / sqrt(mean(x^2) + epsilon), with all ways to divide: x, the axis and epsilon.
struct Normalized {
  Value x;
  int64_t axis;
  double epsilon;
};
std::optional<Normalized> matchNormalized(Value x, Value divisor, bool inverted) {
  divisor = withoutBroadcast(divisor);
  Value power;
  if (inverted) {
    if (auto rsqrt = divisor.getDefiningOp<RsqrtOp>()) {
      power = rsqrt.getInput();
    } else if (auto reciprocal = divisor.getDefiningOp<ReciprocalOp>()) {
      divisor = withoutBroadcast(reciprocal.getInput());
    } else if (auto div = divisor.getDefiningOp<DivOp>()) {
      if (!isScalar(div.getLhs(), 1))
        return std::nullopt;
      divisor = withoutBroadcast(div.getRhs());
    } else {
      return std::nullopt;
    }
  }
  if (!power)
    if (auto sqrt = divisor.getDefiningOp<SqrtOp>())
      power = sqrt.getInput();
  Normalized found = {x, 0, 0};
  Value mean = power ? matchWithScalar<AddOp>(power, found.epsilon) : Value();
  Value squares;
  std::optional<int64_t> axis = mean ? matchTrailingMean(mean, squares) : std::nullopt;
  if (!axis || matchSquare(squares) != x)
    return std::nullopt;
  found.axis = *axis;
  if (planted(Defect::NormEpsilonLost))
    found.epsilon = 0;
  return found;
}

/// The input of a centered value x - mean(x) over the axes from `axis` on.
Value matchCentered(Value v, int64_t axis) {
  auto sub = v.getDefiningOp<SubOp>();
  if (!sub)
    return {};
  Value x;
  std::optional<int64_t> found = matchTrailingMean(withoutBroadcast(sub.getRhs()), x);
  return found && *found == axis && x == sub.getLhs() ? x : Value();
}

/// Factors of the normalized shape that are all one.
Value unitScale(CoreBuilder &b, RankedTensorType type, int64_t axis) {
  CoreBuilder::Values sizes;
  for (auto [d, size] : llvm::enumerate(type.getShape()))
    sizes.push_back(b.index(static_cast<int64_t>(d) < axis ? 1 : size));
  return b.broadcast(b.constant(1, type.getElementType(), type.getRank()), sizes);
}

LogicalResult replaceWithNorm(Operation *op, const Normalized &norm, PatternRewriter &rewriter) {
  CoreBuilder b(rewriter, op->getLoc());
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  Value scale = unitScale(b, type, norm.axis);
  if (Value x = matchCentered(norm.x, norm.axis))
    rewriter.replaceOpWithNewOp<LayerNormOp>(op, type, b.refine(x, type), scale, Value(),
                                             rewriter.getI64IntegerAttr(norm.axis),
                                             rewriter.getF64FloatAttr(norm.epsilon));
  else
    rewriter.replaceOpWithNewOp<RmsNormOp>(op, type, b.refine(norm.x, type), scale,
                                           rewriter.getI64IntegerAttr(norm.axis),
                                           rewriter.getF64FloatAttr(norm.epsilon));
  return success();
}

struct RecognizeNormQuotient : OpRewritePattern<DivOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(DivOp op, PatternRewriter &rewriter) const override {
    if (auto norm = matchNormalized(op.getLhs(), op.getRhs(), /*inverted=*/false))
      return replaceWithNorm(op, *norm, rewriter);
    return rewriter.notifyMatchFailure(op, "the divisor is not a root of a mean of squares");
  }
};
struct RecognizeNormProduct : OpRewritePattern<MulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MulOp op, PatternRewriter &rewriter) const override {
    for (auto [x, other] : {std::pair{op.getLhs(), op.getRhs()}, {op.getRhs(), op.getLhs()}})
      if (auto norm = matchNormalized(x, other, /*inverted=*/true))
        return replaceWithNorm(op, *norm, rewriter);
    return rewriter.notifyMatchFailure(op, "no factor is an inverse root of a mean of squares");
  }
};

/// A broadcast factor or summand as the norm's operand: 1 before the axis, the input's sizes from it on.
Value normOperand(CoreBuilder &b, Value v, RankedTensorType type, int64_t axis) {
  Value small = withoutBroadcast(v);
  RankedTensorType found = tensorType(small);
  if (found.getRank() != type.getRank() || found.getElementType() != type.getElementType())
    return {};
  CoreBuilder::Values sizes;
  for (int64_t d = 0; d < type.getRank(); ++d) {
    if (d < axis ? found.getDimSize(d) != 1
                 : !llvm::is_contained({int64_t(1), type.getDimSize(d)}, found.getDimSize(d)))
      return {};
    sizes.push_back(b.index(d < axis ? 1 : type.getDimSize(d)));
  }
  return b.broadcast(small, sizes);
}

/// norm(x) * scale, where the norm has no scale and no bias of its own yet.
template <typename NormOp> struct AbsorbScale : OpRewritePattern<MulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MulOp op, PatternRewriter &rewriter) const override {
    for (auto [v, factor] : {std::pair{op.getLhs(), op.getRhs()}, {op.getRhs(), op.getLhs()}}) {
      auto norm = v.getDefiningOp<NormOp>();
      if (!norm || !norm->hasOneUse() || scalarOf(norm.getScale()) != 1.0 || norm->getNumOperands() != 2)
        continue;
      CoreBuilder b(rewriter, op.getLoc());
      Value scale = normOperand(b, factor, norm.getType(), norm.getAxis());
      if (!scale)
        continue;
      auto merged = cast<NormOp>(rewriter.clone(*norm));
      merged.getScaleMutable().assign(scale);
      rewriter.replaceOp(op, merged.getResult());
      return success();
    }
    return rewriter.notifyMatchFailure(op, "no factor is a norm without scale");
  }
};

/// layer_norm(x) + bias
struct AbsorbBias : OpRewritePattern<AddOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AddOp op, PatternRewriter &rewriter) const override {
    for (auto [v, summand] : {std::pair{op.getLhs(), op.getRhs()}, {op.getRhs(), op.getLhs()}}) {
      auto norm = v.getDefiningOp<LayerNormOp>();
      if (!norm || !norm->hasOneUse() || norm.getBias())
        continue;
      CoreBuilder b(rewriter, op.getLoc());
      Value bias = normOperand(b, summand, norm.getType(), norm.getAxis());
      if (!bias)
        continue;
      auto merged = cast<LayerNormOp>(rewriter.clone(*norm));
      merged.getBiasMutable().assign(bias);
      rewriter.replaceOp(op, merged.getResult());
      return success();
    }
    return rewriter.notifyMatchFailure(op, "no summand is a norm without bias");
  }
};

/// exp(x - max(x)) / sum of it -> softmax
struct RecognizeSoftmax : OpRewritePattern<DivOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(DivOp op, PatternRewriter &rewriter) const override {
    auto exp = op.getLhs().getDefiningOp<ExpOp>();
    ReduceOp sum = matchReduce(withoutBroadcast(op.getRhs()), ReduceKind::sum);
    auto sub = exp ? exp.getInput().getDefiningOp<SubOp>() : SubOp();
    ReduceOp max = sub ? matchReduce(withoutBroadcast(sub.getRhs()), ReduceKind::max) : ReduceOp();
    if (!sum || !max || sum.getInput() != op.getLhs() || max.getInput() != sub.getLhs() ||
        sum.getAxes() != max.getAxes() || sum.getAxes().size() != 1)
      return rewriter.notifyMatchFailure(op, "not exp(x - max(x)) / sum along one axis");
    CoreBuilder b(rewriter, op.getLoc());
    rewriter.replaceOpWithNewOp<SoftmaxOp>(op, op.getType(), b.refine(sub.getLhs(), op.getType()),
                                           sum.getAxes().front());
    return success();
  }
};

} // namespace

void tenon::populateNormRecognition(RewritePatternSet &patterns) {
  patterns.add<RecognizeNormQuotient, RecognizeNormProduct, AbsorbScale<LayerNormOp>, AbsorbScale<RmsNormOp>,
               AbsorbBias, RecognizeSoftmax>(patterns.getContext());
}
