//===- MovementPatterns.cpp - canonical forms of moving elements ------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/SizeRules.h"

using namespace mlir;
using namespace tenon;

namespace {

/// reshape(reshape(x)) -> reshape(x)
struct MergeReshapes : OpRewritePattern<ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ReshapeOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getInput().getDefiningOp<ReshapeOp>();
    if (!inner)
      return rewriter.notifyMatchFailure(op, "the input is not a reshape");
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op.getType(), inner.getInput(), op.getSizes());
    return success();
  }
};

/// broadcast(broadcast(x)) -> broadcast(x)
struct MergeBroadcasts : OpRewritePattern<BroadcastOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(BroadcastOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getInput().getDefiningOp<BroadcastOp>();
    if (!inner)
      return rewriter.notifyMatchFailure(op, "the input is not a broadcast");
    rewriter.replaceOpWithNewOp<BroadcastOp>(op, op.getType(), inner.getInput(), op.getSizes());
    return success();
  }
};

/// transpose(transpose(x)) -> transpose(x) with the composed permutation
struct MergeTransposes : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(TransposeOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getInput().getDefiningOp<TransposeOp>();
    if (!inner)
      return rewriter.notifyMatchFailure(op, "the input is not a transpose");
    SmallVector<int64_t> permutation =
        llvm::map_to_vector(op.getPermutation(), [&](int64_t p) { return inner.getPermutation()[p]; });
    rewriter.replaceOpWithNewOp<TransposeOp>(op, op.getType(), inner.getInput(), permutation);
    return success();
  }
};

/// slice(slice(x)) with static offsets -> slice(x)
struct MergeSlices : OpRewritePattern<SliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SliceOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getInput().getDefiningOp<SliceOp>();
    if (!inner || !inner.getOffsets().empty() || !op.getOffsets().empty())
      return rewriter.notifyMatchFailure(op, "the input is not a slice, or an offset is dynamic");
    SmallVector<int64_t> offsets, strides;
    for (auto [o, s, io, is] : llvm::zip_equal(op.getStaticOffsets(), op.getStrides(),
                                               inner.getStaticOffsets(), inner.getStrides())) {
      offsets.push_back(io + o * is);
      strides.push_back(s * is);
    }
    rewriter.replaceOpWithNewOp<SliceOp>(op, op.getType(), inner.getInput(), ValueRange(), op.getSizes(),
                                         offsets, strides);
    return success();
  }
};

/// concat(a, concat(b, c)) on one axis -> concat(a, b, c); inputs without elements along the axis are left
/// out
struct FlattenConcat : OpRewritePattern<ConcatOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ConcatOp op, PatternRewriter &rewriter) const override {
    SmallVector<Value> inputs;
    int64_t axis = op.getAxis();
    for (Value v : op.getInputs()) {
      auto inner = v.getDefiningOp<ConcatOp>();
      if (inner && static_cast<int64_t>(inner.getAxis()) == axis && inner->hasOneUse())
        llvm::append_range(inputs, inner.getInputs());
      else if (tensorType(v).getDimSize(axis) != 0)
        inputs.push_back(v);
    }
    if (inputs.empty() || llvm::equal(inputs, op.getInputs()))
      return rewriter.notifyMatchFailure(op, "no nested concat and no empty input");
    rewriter.replaceOpWithNewOp<ConcatOp>(op, op.getType(), inputs, axis);
    return success();
  }
};

} // namespace

void ReshapeOp::getCanonicalizationPatterns(RewritePatternSet &set, MLIRContext *c) {
  set.add<MergeReshapes>(c);
}
void BroadcastOp::getCanonicalizationPatterns(RewritePatternSet &set, MLIRContext *c) {
  set.add<MergeBroadcasts>(c);
}
void TransposeOp::getCanonicalizationPatterns(RewritePatternSet &set, MLIRContext *c) {
  set.add<MergeTransposes>(c);
}
void SliceOp::getCanonicalizationPatterns(RewritePatternSet &set, MLIRContext *c) { set.add<MergeSlices>(c); }
void ConcatOp::getCanonicalizationPatterns(RewritePatternSet &set, MLIRContext *c) {
  set.add<FlattenConcat>(c);
}
