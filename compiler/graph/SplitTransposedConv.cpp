//===- SplitTransposedConv.cpp - transposed convolutions without zeros
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A convolution of an input with s - 1 zeros between neighbours computes s interleaved results ("phases")
// along an axis, and each phase meets every s-th tap only. With q the position in a phase p, the result is
//
//   out[s * q + p] = sum over m of in[q + e + m] * w[s * (e + m) + low - p],   e = -floor(low / s)
//
// which is a convolution of the input itself by ceil taps, with the phases as further channels.
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/CoreBuilder.h"
#include "compiler/dialect/tenon/SizeRules.h"
#include "compiler/graph/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace tenon;

namespace tenon {
#define GEN_PASS_DEF_SPLITTRANSPOSEDCONV
#include "compiler/graph/Passes.h.inc"
} // namespace tenon

namespace {

/// One spatial axis of the convolution that takes the place of another.
struct Axis {
  int64_t phases = 1, window = 1, low = 0, high = 0;
  int64_t zerosBefore = 0, zerosAfter = 0; // around the taps, to fill whole rows of phases
  bool exact = true;                       // the phases end together
};

Axis splitAxis(int64_t phases, int64_t window, int64_t low, int64_t high) {
  Axis a;
  a.phases = phases;
  a.low = llvm::divideFloorSigned(low, phases);
  a.zerosBefore = phases - 1 - (low - phases * a.low);
  a.window = llvm::divideCeilSigned(window + a.zerosBefore, phases);
  a.zerosAfter = phases * a.window - window - a.zerosBefore;
  int64_t more = 2 - phases + low + high - window; // positions beyond phases * (input size)
  a.high = llvm::divideCeilSigned(more, phases) - a.low + a.window - 1;
  a.exact = more % phases == 0;
  return a;
}

/// Splits one window axis of a filter [window.., C, phases.., O] and appends its phases before O.
Value splitFilter(CoreBuilder &b, Value filter, int64_t axis, const Axis &a) {
  Type element = tensorType(filter).getElementType();
  int64_t rank = tensorType(filter).getRank();
  auto zeros = [&](int64_t count) {
    CoreBuilder::Values sizes = b.dims(filter);
    sizes[axis] = b.index(count);
    return b.broadcast(b.constant(0, element, rank), sizes);
  };
  SmallVector<Value> parts;
  if (a.zerosBefore)
    parts.push_back(zeros(a.zerosBefore));
  parts.push_back(filter);
  if (a.zerosAfter)
    parts.push_back(zeros(a.zerosAfter));
  Value padded = parts.size() == 1 ? filter : b.concat(parts, axis);
  CoreBuilder::Values sizes = b.dims(padded);
  sizes[axis] = b.index(a.window);
  sizes.insert(sizes.begin() + axis + 1, b.index(a.phases));
  Value split = b.reshape(padded, sizes);
  SmallVector<Value> reversed;
  for (int64_t p = a.phases; p-- > 0;)
    reversed.push_back(b.slice(split, axis + 1, b.index(p), b.index(1)));
  SmallVector<int64_t> permutation;
  for (int64_t i = 0; i <= rank; ++i)
    if (i != axis + 1)
      permutation.push_back(i);
  permutation.insert(permutation.end() - 1, axis + 1);
  return b.transpose(b.concat(reversed, axis + 1), permutation);
}

/// [N, Q.., phases.. * O] -> [N, Q * phases.., O]
Value interleave(CoreBuilder &b, Value x, ArrayRef<Axis> axes, Value outputs) {
  CoreBuilder::Values split = b.dims(x), merged;
  split.pop_back();
  merged.push_back(split[0]);
  SmallVector<int64_t> permutation{0};
  int64_t rank = axes.size();
  for (auto [d, a] : llvm::enumerate(axes)) {
    merged.push_back(b.mulIndex(split[1 + d], b.index(a.phases)));
    permutation.append({static_cast<int64_t>(1 + d), static_cast<int64_t>(1 + rank + d)});
  }
  for (const Axis &a : axes)
    split.push_back(b.index(a.phases));
  split.push_back(outputs);
  merged.push_back(outputs);
  permutation.push_back(1 + 2 * rank);
  return b.reshape(b.transpose(b.reshape(x, split), permutation), merged);
}

struct SplitConv : OpRewritePattern<ConvOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ConvOp op, PatternRewriter &rewriter) const override {
    if (op.getGroups() != 1)
      return rewriter.notifyMatchFailure(op, "the phases of groups are not neighbouring channels");
    if (op.getPadValue() != 0)
      return rewriter.notifyMatchFailure(op, "the holes between the inputs count");
    RankedTensorType filterType = tensorType(op.getFilter());
    SmallVector<Axis> axes;
    SmallVector<int64_t> low(op.getLow()), high(op.getHigh());
    bool transposed = false;
    for (auto [d, phases] : llvm::enumerate(op.getInputDilations())) {
      int64_t window = filterType.getDimSize(d);
      bool split = phases != 1;
      if (split && (op.getStrides()[d] != 1 || op.getDilations()[d] != 1 || ShapedType::isDynamic(window)))
        return rewriter.notifyMatchFailure(op, "strided, dilated or of unknown window along the same axis");
      transposed |= split;
      axes.push_back(split ? splitAxis(phases, window, low[d], high[d]) : Axis());
      if (split)
        std::tie(low[d], high[d]) = std::pair(axes.back().low, axes.back().high);
    }
    if (!transposed)
      return rewriter.notifyMatchFailure(op, "not a transposed convolution");

    CoreBuilder b(rewriter, op.getLoc());
    Value filter = op.getFilter();
    for (auto [d, a] : llvm::enumerate(axes))
      if (a.phases != 1)
        filter = splitFilter(b, filter, d, a);
    CoreBuilder::Values sizes = b.dims(filter);
    Value channels = sizes[axes.size() + 1];
    for (Value v : ArrayRef<Value>(sizes).drop_front(axes.size() + 2))
      channels = b.mulIndex(channels, v);
    sizes.resize(axes.size() + 1);
    sizes.push_back(channels);
    filter = b.reshape(filter, sizes);

    RankedTensorType input = tensorType(op.getInput());
    SmallVector<int64_t> shape{input.getDimSize(0)}, ones(axes.size(), 1);
    for (auto [d, a] : llvm::enumerate(axes)) {
      int64_t in = input.getDimSize(1 + d);
      int64_t span =
          a.phases != 1 ? a.window : (tensorType(filter).getDimSize(d) - 1) * op.getDilations()[d] + 1;
      bool known = !ShapedType::isDynamic(in) && !ShapedType::isDynamic(tensorType(filter).getDimSize(d));
      shape.push_back(known ? (in + low[d] + high[d] - span) / op.getStrides()[d] + 1 : ShapedType::kDynamic);
    }
    shape.push_back(tensorType(filter).getShape().back());
    auto type = RankedTensorType::get(shape, op.getType().getElementType());
    Value phases = ConvOp::create(rewriter, op.getLoc(), type, op.getInput(), filter, op.getStrides(),
                                  op.getDilations(), low, high, ones, 1);
    Value y = interleave(b, phases, axes, b.dim(op.getFilter(), filterType.getRank() - 1));
    for (auto [d, a] : llvm::enumerate(axes))
      if (!a.exact)
        y = b.slice(y, 1 + d, b.index(0), outputSize(b, op, d));
    rewriter.replaceOp(op, b.refine(y, op.getType()));
    return success();
  }

  /// The size of the result along one axis, from the operands' sizes.
  static Value outputSize(CoreBuilder &b, ConvOp op, int64_t d) {
    int64_t phases = op.getInputDilations()[d], window = tensorType(op.getFilter()).getDimSize(d);
    Value spread = b.mulIndex(b.dim(op.getInput(), 1 + d), b.index(phases));
    return b.addIndex(spread, b.index(2 - phases + op.getLow()[d] + op.getHigh()[d] - window));
  }
};

struct SplitTransposedConvPass : tenon::impl::SplitTransposedConvBase<SplitTransposedConvPass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<SplitConv>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
