//===- MoveQuantization.cpp - integers move, not the floating numbers that they stand for
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/CoreBuilder.h"
#include "compiler/graph/Passes.h"
#include "compiler/graph/QuantizedValues.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;
using namespace tenon;

namespace tenon {
#define GEN_PASS_DEF_MOVEQUANTIZATION
#include "compiler/graph/Passes.h.inc"
} // namespace tenon

namespace {

/// A parameter that is one number, for a tensor of another rank.
Value withRank(CoreBuilder &b, Value parameter, int64_t rank) {
  return parameter ? b.reshape(parameter, CoreBuilder::Values(rank, b.index(1))) : Value();
}

bool isPositive(Value scale) {
  DenseElementsAttr elements = constantElements(scale);
  return elements && isa<FloatType>(elements.getElementType()) &&
         llvm::all_of(elements.getValues<APFloat>(),
                      [](const APFloat &v) { return (!v.isNegative() && !v.isZero() && !v.isNaN()); });
}

bool isZeroNumber(Value v) {
  DenseElementsAttr elements = constantElements(v);
  return elements && isa<FloatType>(elements.getElementType()) &&
         llvm::all_of(elements.getValues<APFloat>(), [](const APFloat &f) { return f.isZero(); });
}

/// A copy of an operation that moves elements, on elements of another type.
Value onElements(OpBuilder &builder, Operation *op, ValueRange inputs, Type element) {
  Operation *moved = builder.clone(*op);
  for (auto [i, v] : llvm::enumerate(inputs))
    moved->setOperand(i, v);
  moved->getResult(0).setType(tensorType(op->getResult(0)).clone(element));
  return moved->getResult(0);
}

bool movesElements(Operation *op) {
  return isa<TransposeOp, ReshapeOp, SliceOp, BroadcastOp, GatherOp, PadOp, MaxPoolOp>(op) ||
         (isa<tensor::CastOp>(op) && isa<RankedTensorType>(op->getResult(0).getType()));
}

/// move(dequantize(q)) -> dequantize(move(q))
struct SinkDequantize : RewritePattern {
  explicit SinkDequantize(MLIRContext *context) : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}

  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    if (!movesElements(op))
      return failure();
    auto from = op->getOperand(0).getDefiningOp<DequantizeOp>();
    if (!from || tensorType(from.getInput()).getElementTypeBitWidth() > 16)
      return rewriter.notifyMatchFailure(op, "what moves is not dequantized from few bits");
    CoreBuilder b(rewriter, op->getLoc());
    Value scale = from.getScale(), zero = from.getZero();
    int64_t rank = tensorType(op->getResult(0)).getRank();
    Type element = tensorType(from.getInput()).getElementType();
    SmallVector<Value> inputs{from.getInput()};
    if (!isPerTensor(scale)) {
      auto transpose = dyn_cast<TransposeOp>(op);
      if (!transpose)
        return rewriter.notifyMatchFailure(op, "several scales, which would have to move as well");
      scale = b.transpose(scale, transpose.getPermutation());
      zero = zero ? b.transpose(zero, transpose.getPermutation()) : zero;
    } else {
      if (isa<MaxPoolOp>(op) && !isPositive(scale))
        return rewriter.notifyMatchFailure(op, "the scale is not known to keep the order");
      if (auto pad = dyn_cast<PadOp>(op)) {
        if (!isZeroNumber(pad.getValue()))
          return rewriter.notifyMatchFailure(op, "the padding is not 0");
        inputs.push_back(zero ? withRank(b, zero, 0) : b.constant(0, element));
      }
      scale = withRank(b, scale, rank);
      zero = withRank(b, zero, rank);
    }
    Value moved = onElements(rewriter, op, inputs, element);
    rewriter.replaceOpWithNewOp<DequantizeOp>(op, op->getResult(0).getType(), moved, scale, zero);
    return success();
  }
};

/// concat(dequantize(a), dequantize(b)) with equal parameters -> dequantize(concat(a, b))
struct SinkDequantizeBelowConcat : OpRewritePattern<ConcatOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ConcatOp op, PatternRewriter &rewriter) const override {
    auto first = op.getInputs().front().getDefiningOp<DequantizeOp>();
    if (!first || !isPerTensor(first.getScale()))
      return rewriter.notifyMatchFailure(op, "the first input is not dequantized with one scale");
    SmallVector<Value> inputs;
    for (Value v : op.getInputs()) {
      auto from = v.getDefiningOp<DequantizeOp>();
      if (!from || getElementTypeOrSelf(from.getInput()) != getElementTypeOrSelf(first.getInput()) ||
          !sameParameter(from.getScale(), first.getScale()) ||
          !sameParameter(from.getZero(), first.getZero()))
        return rewriter.notifyMatchFailure(op, "the inputs are not quantized alike");
      inputs.push_back(from.getInput());
    }
    Value joined = onElements(rewriter, op, inputs, getElementTypeOrSelf(first.getInput()));
    rewriter.replaceOpWithNewOp<DequantizeOp>(op, op.getType(), joined, first.getScale(), first.getZero());
    return success();
  }
};

/// quantize(move(x)) -> move(quantize(x)), and of each part of a concat, so that what computes x stores
/// integers
struct HoistQuantize : OpRewritePattern<QuantizeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(QuantizeOp op, PatternRewriter &rewriter) const override {
    Operation *mover = op.getInput().getDefiningOp();
    if (!mover || !isPerTensor(op.getScale()) || !mover->hasOneUse())
      return rewriter.notifyMatchFailure(op, "nothing that moves for this quantization alone");
    bool ordered = isa<MaxPoolOp>(mover) && isPositive(op.getScale());
    if (!isa<TransposeOp, ReshapeOp, ConcatOp>(mover) && !ordered)
      return rewriter.notifyMatchFailure(op, "its input moves in no way that integers could");
    CoreBuilder b(rewriter, op.getLoc());
    Type element = op.getType().getElementType();
    SmallVector<Value> inputs;
    unsigned count = isa<ConcatOp>(mover) ? mover->getNumOperands() : 1;
    for (Value x : mover->getOperands().take_front(count)) {
      int64_t rank = tensorType(x).getRank();
      inputs.push_back(QuantizeOp::create(rewriter, op.getLoc(), tensorType(x).clone(element), x,
                                          withRank(b, op.getScale(), rank), withRank(b, op.getZero(), rank)));
    }
    rewriter.replaceOp(op, b.refine(onElements(rewriter, mover, inputs, element), op.getType()));
    return success();
  }
};

/// quantize(dequantize(q)) with equal parameters -> q: n * scale / scale is within a few roundings of n.
struct DropRoundTrip : OpRewritePattern<QuantizeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(QuantizeOp op, PatternRewriter &rewriter) const override {
    auto from = op.getInput().getDefiningOp<DequantizeOp>();
    if (!from || getElementTypeOrSelf(from.getInput()) != op.getType().getElementType() ||
        !getElementTypeOrSelf(from.getType()).isF32() || !sameParameter(op.getScale(), from.getScale()) ||
        !sameParameter(op.getZero(), from.getZero()))
      return rewriter.notifyMatchFailure(op, "not dequantized with the same parameters");
    DenseElementsAttr scale = constantElements(op.getScale());
    // Beyond this the product could overflow.
    bool ordinary = scale && llvm::all_of(scale.getValues<APFloat>(), [](const APFloat &v) {
                      return (!v.isNegative() && !v.isZero() && !v.isNaN()) && v.convertToDouble() < 1e30;
                    });
    if (!ordinary)
      return rewriter.notifyMatchFailure(op, "the scale is not known");
    rewriter.replaceOp(op, CoreBuilder(rewriter, op.getLoc()).refine(from.getInput(), op.getType()));
    return success();
  }
};

struct MoveQuantizationPass : tenon::impl::MoveQuantizationBase<MoveQuantizationPass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<SinkDequantize, SinkDequantizeBelowConcat, HoistQuantize, DropRoundTrip>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
