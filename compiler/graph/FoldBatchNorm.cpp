//===- FoldBatchNorm.cpp - factors per channel move into weights ------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/ChannelConstants.h"
#include "compiler/dialect/tenon/CoreBuilder.h"
#include "compiler/dialect/tenon/SizeRules.h"
#include "compiler/graph/Passes.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;
using namespace tenon;

namespace tenon {
#define GEN_PASS_DEF_FOLDBATCHNORM
#include "compiler/graph/Passes.h.inc"
} // namespace tenon

namespace {

/// A constant, [1, .., 1, C] or a single element, that a tensor repeats along the last axis only.
Value channelConstant(Value v) {
  Value small = perChannel(v);
  return small && isConstantMath(small) ? small : Value();
}

/// An operation on two constants of C elements each, or of one.
template <typename OpTy> Value overChannels(CoreBuilder &b, Value x, Value y) {
  CoreBuilder::Values sizes = b.dims(tensorType(x).getNumElements() < tensorType(y).getNumElements() ? y : x);
  return b.binary<OpTy>(b.broadcast(x, sizes), b.broadcast(y, sizes));
}

/// The convolution or product whose result's channels can be scaled in its weights.
struct Producer {
  Operation *op = nullptr;
  Value weights;
  /// The axis of the weights that gives the channels.
  int64_t axis = 0;
};
std::optional<Producer> matchProducer(Value v) {
  if (auto conv = v.getDefiningOp<ConvOp>(); conv && isReadOnce(conv) && isConstantMath(conv.getFilter()))
    return Producer{conv, conv.getFilter(), tensorType(conv.getFilter()).getRank() - 1};
  if (auto product = v.getDefiningOp<ContractOp>(); product && isReadOnce(product) &&
                                                    tensorType(product.getRhs()).getRank() == 2 &&
                                                    isConstantMath(product.getRhs()))
    return Producer{product, product.getRhs(), product.getTransposeRhs() ? 0 : 1};
  return std::nullopt;
}

/// The producer with its weights multiplied by `factor`, which has C elements, or one.
Value scaledProducer(CoreBuilder &b, const Producer &producer, Value factor) {
  RankedTensorType type = tensorType(producer.weights);
  CoreBuilder::Values sizes(type.getRank(), b.index(1));
  sizes[producer.axis] = b.index(tensorType(factor).getNumElements());
  Value along = b.broadcastLike(b.reshape(factor, sizes), producer.weights);
  Value weights = b.mul(producer.weights, along);
  Operation *scaled = b.builder.clone(*producer.op);
  scaled->setOperand(1, weights);
  return scaled->getResult(0);
}

/// batch_norm(conv(x)) -> conv(x) with scaled weights, plus a shift per channel. Any batch norm over
/// constants on the last axis becomes a product and a sum per channel otherwise.
struct FoldNorm : OpRewritePattern<BatchNormOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(BatchNormOp op, PatternRewriter &rewriter) const override {
    int64_t rank = op.getType().getRank(), axis = op.getAxis();
    Type element = op.getType().getElementType();
    for (Value v : {op.getScale(), op.getBias(), op.getMean(), op.getVariance()})
      if (!isConstantMath(v) || tensorType(v).getElementType() != element)
        return rewriter.notifyMatchFailure(op, "the factors are not constants of the input's type");
    CoreBuilder b(rewriter, op.getLoc());
    Value root = b.unary<RsqrtOp>(b.add(op.getVariance(), op.getEpsilon().convertToDouble()));
    Value factor = b.mul(op.getScale(), root), shift = b.sub(op.getBias(), b.mul(op.getMean(), factor));
    auto along = [&](Value vector, Value like) {
      CoreBuilder::Values sizes(rank, b.index(1));
      sizes[axis] = b.dim(vector, 0);
      return b.broadcastLike(b.reshape(vector, sizes), like);
    };
    std::optional<Producer> producer = axis == rank - 1 ? matchProducer(op.getInput()) : std::nullopt;
    Value scaled =
        producer ? scaledProducer(b, *producer, factor) : b.mul(op.getInput(), along(factor, op.getInput()));
    rewriter.replaceOp(op, b.refine(b.add(scaled, along(shift, scaled)), op.getType()));
    return success();
  }
};

/// conv(x) * factor per channel -> conv(x) with scaled weights
struct FoldScale : OpRewritePattern<MulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MulOp op, PatternRewriter &rewriter) const override {
    for (auto [v, factor] : {std::pair{op.getLhs(), op.getRhs()}, {op.getRhs(), op.getLhs()}}) {
      std::optional<Producer> producer = matchProducer(v);
      Value small = producer ? channelConstant(factor) : Value();
      if (!small)
        continue;
      CoreBuilder b(rewriter, op.getLoc());
      rewriter.replaceOp(op, b.refine(scaledProducer(b, *producer, small), op.getType()));
      return success();
    }
    return rewriter.notifyMatchFailure(op, "no factor is constant per channel of a convolution or product");
  }
};

/// (conv(x) + shift) * factor -> conv(x) with scaled weights, plus shift * factor
struct DistributeScale : OpRewritePattern<MulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MulOp op, PatternRewriter &rewriter) const override {
    for (auto [v, factor] : {std::pair{op.getLhs(), op.getRhs()}, {op.getRhs(), op.getLhs()}}) {
      auto add = v.getDefiningOp<AddOp>();
      Value small = add && isReadOnce(add) ? channelConstant(factor) : Value();
      if (!small)
        continue;
      for (auto [inner, shift] : {std::pair{add.getLhs(), add.getRhs()}, {add.getRhs(), add.getLhs()}}) {
        std::optional<Producer> producer = matchProducer(inner);
        Value smallShift = producer ? channelConstant(shift) : Value();
        if (!smallShift)
          continue;
        CoreBuilder b(rewriter, op.getLoc());
        Value moved = overChannels<MulOp>(b, smallShift, small);
        Value scaled = scaledProducer(b, *producer, small);
        rewriter.replaceOp(op, b.refine(b.add(scaled, b.broadcastLike(moved, scaled)), op.getType()));
        return success();
      }
    }
    return rewriter.notifyMatchFailure(op, "not a constant factor of a biased convolution or product");
  }
};

/// (conv(x) + shift) + more -> conv(x) + (shift + more)
struct JoinShifts : OpRewritePattern<AddOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AddOp op, PatternRewriter &rewriter) const override {
    for (auto [v, more] : {std::pair{op.getLhs(), op.getRhs()}, {op.getRhs(), op.getLhs()}}) {
      auto add = v.getDefiningOp<AddOp>();
      Value smallMore = add && isReadOnce(add) && isa<FloatType>(getElementTypeOrSelf(add))
                            ? channelConstant(more)
                            : Value();
      if (!smallMore)
        continue;
      for (auto [inner, shift] : {std::pair{add.getLhs(), add.getRhs()}, {add.getRhs(), add.getLhs()}}) {
        Value smallShift = matchProducer(inner) ? channelConstant(shift) : Value();
        if (!smallShift)
          continue;
        CoreBuilder b(rewriter, op.getLoc());
        Value sum = overChannels<AddOp>(b, smallShift, smallMore);
        rewriter.replaceOp(op, b.refine(b.add(inner, b.broadcastLike(sum, inner)), op.getType()));
        return success();
      }
    }
    return rewriter.notifyMatchFailure(op, "not a second constant added to a convolution or product");
  }
};

struct FoldBatchNormPass : tenon::impl::FoldBatchNormBase<FoldBatchNormPass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<FoldNorm, FoldScale, DistributeScale, JoinShifts>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
