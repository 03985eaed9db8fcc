//===- SimplifyGraph.cpp - local simplifications of core operations ---------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/CoreBuilder.h"
#include "compiler/dialect/tenon/SizeAnalysis.h"
#include "compiler/dialect/tenon/SizeRules.h"
#include "compiler/graph/Passes.h"
#include "compiler/graph/Recognition.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;
using namespace tenon;

namespace tenon {
#define GEN_PASS_DEF_SIMPLIFYGRAPH
#include "compiler/graph/Passes.h.inc"
} // namespace tenon

namespace {

/// x + 0, x - 0, x * 1, x / 1, x ^ 1 -> x
template <typename OpTy, int neutral> struct DropNeutral : OpRewritePattern<OpTy> {
  using OpRewritePattern<OpTy>::OpRewritePattern;
  LogicalResult matchAndRewrite(OpTy op, PatternRewriter &rewriter) const override {
    double c;
    Value x = matchWithScalar<OpTy>(op.getResult(), c);
    // -0.0 + 0.0 is 0.0: the sign of a zero may change, no value does.
    if (!x || c != neutral)
      return rewriter.notifyMatchFailure(op, "no operand is the neutral element");
    rewriter.replaceOp(op, CoreBuilder(rewriter, op.getLoc()).refine(x, op.getType()));
    return success();
  }
};

/// x ^ 2 -> x * x, x ^ 0.5 -> sqrt(x), x ^ -1 -> 1 / x
struct SimplifyPower : OpRewritePattern<PowOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(PowOp op, PatternRewriter &rewriter) const override {
    std::optional<double> exponent = scalarOf(op.getRhs());
    CoreBuilder b(rewriter, op.getLoc());
    bool floats = isa<FloatType>(op.getType().getElementType());
    if (exponent == 2.0)
      rewriter.replaceOp(op, b.refine(b.mul(op.getLhs(), op.getLhs()), op.getType()));
    else if (exponent == 0.5 && floats)
      rewriter.replaceOp(op, b.refine(b.unary<SqrtOp>(op.getLhs()), op.getType()));
    else if (exponent == -1.0 && floats)
      rewriter.replaceOp(op, b.refine(b.div(b.splat(1, op.getLhs()), op.getLhs()), op.getType()));
    else
      return rewriter.notifyMatchFailure(op, "the exponent is not 2, 0.5 or -1");
    return success();
  }
};

/// reshape(x) and broadcast(x) whose sizes are those of x -> x
template <typename OpTy> struct DropSameSizes : OpRewritePattern<OpTy> {
  DropSameSizes(MLIRContext *context, SizeAnalysis &sizes) : OpRewritePattern<OpTy>(context), sizes(sizes) {}
  LogicalResult matchAndRewrite(OpTy op, PatternRewriter &rewriter) const override {
    if (op.getInput().getType() != op.getType() || sizes.dims(op.getInput()) != sizes.dims(op.getResult()))
      return rewriter.notifyMatchFailure(op, "sizes change");
    rewriter.replaceOp(op, op.getInput());
    return success();
  }
  SizeAnalysis &sizes;
};

/// slice(x) of everything -> x
struct DropWholeSlice : OpRewritePattern<SliceOp> {
  DropWholeSlice(MLIRContext *context, SizeAnalysis &sizes) : OpRewritePattern(context), sizes(sizes) {}
  LogicalResult matchAndRewrite(SliceOp op, PatternRewriter &rewriter) const override {
    bool plain = op.getInput().getType() == op.getType() && op.getOffsets().empty() &&
                 llvm::all_of(op.getStaticOffsets(), [](int64_t o) { return o == 0; }) &&
                 llvm::all_of(op.getStrides(), [](int64_t s) { return s == 1; });
    if (!plain || sizes.dims(op.getInput()) != sizes.dims(op.getResult()))
      return rewriter.notifyMatchFailure(op, "the slice leaves something out");
    rewriter.replaceOp(op, op.getInput());
    return success();
  }
  SizeAnalysis &sizes;
};

/// op(broadcast(a), broadcast(b)) -> broadcast(op(a, b)) where a and b, of static shapes, are repeated along
/// an axis both; they are repeated to each other's sizes first if need be. Numbers go with any shape.
struct HoistBroadcast : RewritePattern {
  explicit HoistBroadcast(MLIRContext *context) : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}
  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    if (!op->hasTrait<ElementwiseTrait>() || op->getNumOperands() == 0)
      return rewriter.notifyMatchFailure(op, "not elementwise");
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    SmallVector<int64_t> joint(type.getRank(), 1);
    for (Value v : op->getOperands()) {
      auto broadcast = v.getDefiningOp<BroadcastOp>();
      if (!broadcast)
        return rewriter.notifyMatchFailure(op, "an operand is no broadcast");
      RankedTensorType small = tensorType(broadcast.getInput());
      if (!small.hasStaticShape())
        return rewriter.notifyMatchFailure(op, "an operand is repeated from a dynamic shape");
      for (auto [size, own] : llvm::zip_equal(joint, small.getShape()))
        if (own != 1 && !numberOf(broadcast))
          size = own;
    }
    if (joint == type.getShape())
      return rewriter.notifyMatchFailure(op, "the operands are not repeated along one axis");
    SmallVector<Value> operands;
    for (Value v : op->getOperands())
      operands.push_back(repeated(rewriter, v.getDefiningOp<BroadcastOp>(), joint));
    Operation *inner = rewriter.clone(*op);
    inner->setOperands(operands);
    inner->getResult(0).setType(type.clone(joint));
    // The first broadcast may be less static than the result; sizes are asked of it.
    auto first = op->getOperand(0).getDefiningOp<BroadcastOp>();
    CoreBuilder b(rewriter, op->getLoc());
    Value wide = BroadcastOp::create(rewriter, op->getLoc(), type.clone(first.getType().getShape()),
                                     inner->getResult(0), first.getSizes());
    rewriter.replaceOp(op, b.refine(wide, type));
    return success();
  }

private:
  /// The constant of one number that is repeated, or null.
  static DenseElementsAttr numberOf(BroadcastOp op) {
    auto constant = op.getInput().getDefiningOp<ConstantOp>();
    auto elements = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
    return elements && elements.isSplat() ? elements : DenseElementsAttr();
  }
  static Value repeated(PatternRewriter &rewriter, BroadcastOp op, ArrayRef<int64_t> shape) {
    RankedTensorType type = tensorType(op.getInput()).clone(shape);
    if (type == op.getInput().getType())
      return op.getInput();
    if (DenseElementsAttr number = numberOf(op))
      return ConstantOp::create(rewriter, op.getLoc(), type, number.resizeSplat(type));
    return BroadcastOp::create(rewriter, op.getLoc(), type, op.getInput(), ValueRange());
  }
};

/// cast(cast(x)) -> cast(x), where the first keeps every value: integer to a wider integer, float to a wider
/// float.
struct MergeCasts : OpRewritePattern<CastOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(CastOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getInput().getDefiningOp<CastOp>();
    if (!inner)
      return rewriter.notifyMatchFailure(op, "the input is not a cast");
    Type from = tensorType(inner.getInput()).getElementType(), middle = inner.getType().getElementType();
    bool wider = middle.getIntOrFloatBitWidth() > from.getIntOrFloatBitWidth();
    bool floats = isa<FloatType>(from) && isa<FloatType>(middle);
    bool integers = !isa<FloatType>(from) && !isa<FloatType>(middle) &&
                    from.isUnsignedInteger() == middle.isUnsignedInteger();
    // f16 and bf16 have one width: neither counts as wider than the other.
    if (!wider || (!floats && !integers))
      return rewriter.notifyMatchFailure(op, "the first cast may change values");
    rewriter.replaceOpWithNewOp<CastOp>(op, op.getType(), inner.getInput());
    return success();
  }
};

struct SimplifyGraphPass : tenon::impl::SimplifyGraphBase<SimplifyGraphPass> {
  void runOnOperation() override {
    if (getOperation().isExternal())
      return;
    SizeAnalysis sizes(getOperation());
    SizeAnalysisListener listener(sizes);
    GreedyRewriteConfig config;
    config.setListener(&listener);
    RewritePatternSet patterns(&getContext());
    patterns.add<DropNeutral<AddOp, 0>, DropNeutral<SubOp, 0>, DropNeutral<MulOp, 1>, DropNeutral<DivOp, 1>,
                 DropNeutral<PowOp, 1>, SimplifyPower, HoistBroadcast, MergeCasts>(&getContext());
    patterns.add<DropSameSizes<ReshapeOp>, DropSameSizes<BroadcastOp>, DropWholeSlice>(&getContext(), sizes);
    ReshapeOp::getCanonicalizationPatterns(patterns, &getContext());
    BroadcastOp::getCanonicalizationPatterns(patterns, &getContext());
    TransposeOp::getCanonicalizationPatterns(patterns, &getContext());
    SliceOp::getCanonicalizationPatterns(patterns, &getContext());
    ConcatOp::getCanonicalizationPatterns(patterns, &getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns), config)))
      signalPassFailure();
  }
};

} // namespace
