//===- PropagateLayout.cpp - images stay channels-last ----------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Import puts a transpose before and after every convolution and pool. Transposes are moved down through
// operations that do not care for the order of dimensions, until they meet their inverse and cancel, or an
// edge of the graph. What is left and moves only dimensions of size 1 becomes a reshape.
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/CoreBuilder.h"
#include "compiler/dialect/tenon/SizeAnalysis.h"
#include "compiler/dialect/tenon/SizeRules.h"
#include "compiler/graph/Passes.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace tenon;

namespace tenon {
#define GEN_PASS_DEF_PROPAGATELAYOUT
#include "compiler/graph/Passes.h.inc"
} // namespace tenon

namespace {

using Permutation = SmallVector<int64_t>;

Permutation inverse(ArrayRef<int64_t> p) {
  Permutation inv(p.size());
  for (auto [i, v] : llvm::enumerate(p))
    inv[v] = i;
  return inv;
}

/// An array in result order, in the order of the input of the transpose.
template <typename T> SmallVector<T> unpermuted(ArrayRef<T> values, ArrayRef<int64_t> p) {
  SmallVector<T> result(values.size());
  for (auto [i, v] : llvm::enumerate(values))
    result[p[i]] = v;
  return result;
}

RankedTensorType unpermuted(RankedTensorType type, ArrayRef<int64_t> p) {
  return type.clone(unpermuted(type.getShape(), p));
}

/// Values that belong to the dynamic entries of `constants`, in the new order of the entries.
SmallVector<Value> unpermutedValues(ArrayRef<int64_t> constants, ValueRange values, ArrayRef<int64_t> p) {
  SmallVector<Value> all(constants.size()), result;
  auto next = values.begin();
  for (auto [d, c] : llvm::enumerate(constants))
    if (c == kDynamic)
      all[d] = *next++;
  for (Value v : unpermuted(ArrayRef<Value>(all), p))
    if (v)
      result.push_back(v);
  return result;
}

/// Operands whose transpose costs nothing that matters: constants, and what is repeated from something
/// smaller.
bool isCheapToTranspose(Value v) {
  Operation *op = v.getDefiningOp();
  return op && (isa<BroadcastOp, ConstantOp, GetWeightOp, IotaOp>(op) ||
                (isa<CastOp, ReshapeOp, tensor::CastOp>(op) && isCheapToTranspose(op->getOperand(0))));
}

/// op(transpose(x)) -> transpose(op(x)), for operations that can run in any order of dimensions.
struct SinkTranspose : RewritePattern {
  explicit SinkTranspose(MLIRContext *context) : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}

  /// The operands that carry the layout, or nothing for operations that mind the order.
  static std::optional<OperandRange> layoutOperands(Operation *op) {
    if (op->getNumResults() != 1)
      return std::nullopt;
    if (op->hasTrait<ElementwiseTrait>() || op->hasTrait<OpTrait::SameOperandsAndResultType>() ||
        isa<ConcatOp>(op))
      return op->getOperands();
    bool activation = isa<CompositeOpInterface>(op) && op->getNumOperands() == 1 &&
                      !isa<MaxPoolOp, AvgPoolOp, ResizeOp>(op);
    if (activation || isa<ReduceOp, ArgReduceOp, BatchNormOp, PadOp, SliceOp, ResizeOp, tensor::CastOp>(op))
      return op->getOperands().take_front(1);
    return std::nullopt;
  }

  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    std::optional<OperandRange> operands = layoutOperands(op);
    if (!operands)
      return rewriter.notifyMatchFailure(op, "the operation minds the order of dimensions");
    TransposeOp first;
    for (Value v : *operands)
      if (!first)
        first = v.getDefiningOp<TransposeOp>();
    if (!first)
      return rewriter.notifyMatchFailure(op, "no operand is a transpose");
    ArrayRef<int64_t> p = first.getPermutation();
    for (Value v : *operands) {
      auto transpose = v.getDefiningOp<TransposeOp>();
      if (transpose ? transpose.getPermutation() != p : !isCheapToTranspose(v))
        return rewriter.notifyMatchFailure(op, "another operand has another order");
    }
    if (isa<tensor::CastOp>(op) && !isa<RankedTensorType>(op->getResult(0).getType()))
      return rewriter.notifyMatchFailure(op, "the cast forgets the rank");
    CoreBuilder b(rewriter, op->getLoc());
    SmallVector<Value> sources;
    for (Value v : *operands) {
      auto transpose = v.getDefiningOp<TransposeOp>();
      sources.push_back(transpose ? transpose.getInput() : b.transpose(v, inverse(p)));
    }
    Operation *moved = rebuild(op, sources, p, rewriter);
    castElementwiseOperands(rewriter, moved);
    rewriter.replaceOpWithNewOp<TransposeOp>(op, op->getResult(0).getType(), moved->getResult(0), p);
    return success();
  }

private:
  /// The operation on operands without the transpose.
  static Operation *rebuild(Operation *op, ArrayRef<Value> sources, ArrayRef<int64_t> p,
                            PatternRewriter &rewriter) {
    Operation *moved = rewriter.clone(*op);
    for (auto [i, v] : llvm::enumerate(sources))
      moved->setOperand(i, v);
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    moved->getResult(0).setType(unpermuted(type, p));
    llvm::TypeSwitch<Operation *>(moved)
        .Case<SoftmaxOp, LogSoftmaxOp, ScanOp, ArgReduceOp, BatchNormOp, ConcatOp>(
            [&](auto axisOp) { axisOp.setAxis(p[axisOp.getAxis()]); })
        .Case([&](ReduceOp reduce) {
          Permutation axes = llvm::map_to_vector(reduce.getAxes(), [&](int64_t a) { return p[a]; });
          llvm::sort(axes);
          reduce.setAxes(axes);
        })
        .Case([&](PadOp pad) {
          pad.getLowMutable().assign(unpermutedValues(pad.getStaticLow(), pad.getLow(), p));
          pad.getHighMutable().assign(unpermutedValues(pad.getStaticHigh(), pad.getHigh(), p));
          pad.setStaticLow(unpermuted(pad.getStaticLow(), p));
          pad.setStaticHigh(unpermuted(pad.getStaticHigh(), p));
        })
        .Case([&](SliceOp slice) {
          slice.getOffsetsMutable().assign(unpermutedValues(slice.getStaticOffsets(), slice.getOffsets(), p));
          slice.getSizesMutable().assign(unpermutedValues(type.getShape(), slice.getSizes(), p));
          slice.setStaticOffsets(unpermuted(slice.getStaticOffsets(), p));
          slice.setStrides(unpermuted(slice.getStrides(), p));
        })
        .Case([&](ResizeOp resize) {
          resize.getSizesMutable().assign(unpermutedValues(type.getShape(), resize.getSizes(), p));
          resize.setAxes(llvm::map_to_vector(resize.getAxes(), [&](int64_t a) { return p[a]; }));
        });
    return moved;
  }
};

/// transpose(broadcast(x)) -> broadcast(transpose(x)): the smaller tensor is moved.
struct HoistOverBroadcast : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(TransposeOp op, PatternRewriter &rewriter) const override {
    auto broadcast = op.getInput().getDefiningOp<BroadcastOp>();
    if (!broadcast)
      return rewriter.notifyMatchFailure(op, "the input is not a broadcast");
    ArrayRef<int64_t> p = op.getPermutation();
    CoreBuilder b(rewriter, op.getLoc());
    Value small = b.transpose(broadcast.getInput(), p);
    SmallVector<Value> sizes =
        unpermutedValues(broadcast.getType().getShape(), broadcast.getSizes(), inverse(p));
    rewriter.replaceOpWithNewOp<BroadcastOp>(op, op.getType(), small, sizes);
    return success();
  }
};

/// transpose(transpose(x)) -> transpose(x), or x.
struct CancelTransposes : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(TransposeOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getInput().getDefiningOp<TransposeOp>();
    if (!inner)
      return rewriter.notifyMatchFailure(op, "the input is not a transpose");
    Permutation p =
        llvm::map_to_vector(op.getPermutation(), [&](int64_t d) { return inner.getPermutation()[d]; });
    CoreBuilder b(rewriter, op.getLoc());
    bool identity = llvm::equal(p, llvm::seq<int64_t>(0, p.size()));
    Value merged = identity ? inner.getInput() : b.transpose(inner.getInput(), p);
    rewriter.replaceOp(op, b.refine(merged, op.getType()));
    return success();
  }
};

/// Squeezing and unsqueezing: reshape(transpose(x)) that only drops or adds dimensions of size 1 becomes
/// transpose(reshape(x)).
struct SinkThroughUnitReshape : OpRewritePattern<ReshapeOp> {
  SinkThroughUnitReshape(MLIRContext *context, SizeAnalysis &sizes)
      : OpRewritePattern(context), sizes(sizes) {}

  LogicalResult matchAndRewrite(ReshapeOp op, PatternRewriter &rewriter) const override {
    auto transpose = op.getInput().getDefiningOp<TransposeOp>();
    if (!transpose)
      return rewriter.notifyMatchFailure(op, "the input is not a transpose");
    ArrayRef<Size> from = sizes.dims(op.getInput()), to = sizes.dims(op.getResult());
    // partner[d]: the dimension of the transpose's result that dimension d of the reshape's result is.
    SmallVector<int64_t> partner(to.size(), -1), kept;
    size_t f = 0;
    auto skipUnits = [&] {
      while (f < from.size() && from[f].isConstant(1))
        ++f;
    };
    for (auto [d, size] : llvm::enumerate(to)) {
      if (size.isConstant(1))
        continue;
      skipUnits();
      if (f == from.size() || from[f] != size)
        return rewriter.notifyMatchFailure(op, "the reshape regroups elements");
      partner[d] = f++;
    }
    skipUnits();
    if (f != from.size())
      return rewriter.notifyMatchFailure(op, "the reshape regroups elements");
    return rebuild(op, transpose, to, partner, rewriter);
  }

private:
  LogicalResult rebuild(ReshapeOp op, TransposeOp transpose, ArrayRef<Size> to, ArrayRef<int64_t> partner,
                        PatternRewriter &rewriter) const {
    // The dimensions of the result in the order of the transpose's input; units come first.
    SmallVector<int64_t> order = llvm::to_vector(llvm::seq<int64_t>(0, to.size()));
    auto key = [&](int64_t d) { return partner[d] < 0 ? -1 : transpose.getPermutation()[partner[d]]; };
    llvm::sort(order, [&](int64_t a, int64_t b) { return std::pair(key(a), a) < std::pair(key(b), b); });
    if (llvm::is_sorted(order))
      return rewriter.notifyMatchFailure(op, "the transpose moves only dimensions of size 1");
    Dims dims;
    for (int64_t d : order)
      dims.push_back(to[d]);
    Value squeezed = createReshape(rewriter, op.getLoc(), sizes, transpose.getInput(), dims);
    rewriter.replaceOpWithNewOp<TransposeOp>(op, op.getType(), squeezed, inverse(order));
    return success();
  }
  SizeAnalysis &sizes;
};

/// A transpose that keeps the order of the dimensions other than 1 moves no element.
struct UnitTransposeToReshape : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(TransposeOp op, PatternRewriter &rewriter) const override {
    RankedTensorType from = tensorType(op.getInput());
    int64_t previous = -1;
    for (int64_t d : op.getPermutation()) {
      if (from.getDimSize(d) == 1)
        continue;
      if (d < previous)
        return rewriter.notifyMatchFailure(op, "the transpose moves elements");
      previous = d;
    }
    CoreBuilder b(rewriter, op.getLoc());
    CoreBuilder::Values sizes;
    for (int64_t d : op.getPermutation())
      sizes.push_back(b.dim(op.getInput(), d));
    rewriter.replaceOp(op, b.refine(b.reshape(op.getInput(), sizes), op.getType()));
    return success();
  }
};

struct PropagateLayoutPass : tenon::impl::PropagateLayoutBase<PropagateLayoutPass> {
  void runOnOperation() override {
    if (getOperation().isExternal())
      return;
    SizeAnalysis sizes(getOperation());
    SizeAnalysisListener listener(sizes);
    GreedyRewriteConfig config;
    config.setListener(&listener);
    config.setUseTopDownTraversal(true);
    config.setMaxIterations(GreedyRewriteConfig::kNoLimit);
    RewritePatternSet sink(&getContext());
    sink.add<SinkTranspose, HoistOverBroadcast, CancelTransposes>(&getContext());
    sink.add<SinkThroughUnitReshape>(&getContext(), sizes);
    if (failed(applyPatternsGreedily(getOperation(), std::move(sink), config)))
      return signalPassFailure();
    RewritePatternSet units(&getContext());
    units.add<UnitTransposeToReshape>(&getContext());
    ReshapeOp::getCanonicalizationPatterns(units, &getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(units), config)))
      signalPassFailure();
  }
};

} // namespace
