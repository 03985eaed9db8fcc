//===- PoolingOps.cpp - verification and sizes of pooling -------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/defects/PlantedDefect.h"
#include "compiler/dialect/tenon/CoreBuilder.h"
#include "compiler/dialect/tenon/SizeRules.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace tenon;

template <typename PoolOpTy> static LogicalResult verifyPool(PoolOpTy op) {
  RankedTensorType type = tensorType(op.getInput());
  if (type.getRank() < 3)
    return op.emitOpError() << "expected rank 3 or more for the input, [batch, spatial..., channels], found "
                            << type.getRank();
  size_t spatial = type.getRank() - 2;
  if (failed(verifyElementType(op, "the result", op.getType().getElementType(), type.getElementType())) ||
      failed(verifyLength(op, "window", op.getWindow().size(), spatial)) ||
      failed(verifyLength(op, "strides", op.getStrides().size(), spatial)) ||
      failed(verifyLength(op, "dilations", op.getDilations().size(), spatial)) ||
      failed(verifyLength(op, "low", op.getLow().size(), spatial)) ||
      failed(verifyLength(op, "high", op.getHigh().size(), spatial)) ||
      failed(verifyAtLeast(op, "window", op.getWindow(), 1)) ||
      failed(verifyAtLeast(op, "strides", op.getStrides(), 1)) ||
      failed(verifyAtLeast(op, "dilations", op.getDilations(), 1)) ||
      failed(verifyAtLeast(op, "low", op.getLow(), 0)) || failed(verifyAtLeast(op, "high", op.getHigh(), 0)))
    return failure();
  return verifyInferred(op);
}

template <typename PoolOpTy>
static LogicalResult inferPool(PoolOpTy op, SizeContext &context, const Dims &input,
                               SmallVectorImpl<Dims> &results) {
  size_t spatial = op.getWindow().size();
  if (input.size() != spatial + 2)
    return failure();
  Dims dims = {input[0]};
  for (size_t d = 0; d < spatial; ++d)
    dims.push_back(windowPositions(input[d + 1], context.constant(op.getWindow()[d]), op.getStrides()[d],
                                   op.getDilations()[d], op.getLow()[d], op.getHigh()[d], op.getCeilMode()));
  dims.push_back(input.back());
  results.push_back(dims);
  return success();
}

LogicalResult MaxPoolOp::verify() { return verifyPool(*this); }
LogicalResult AvgPoolOp::verify() { return verifyPool(*this); }

LogicalResult MaxPoolOp::inferSizes(SizeContext &context, ArrayRef<Dims> operands, IndexFn,
                                    SmallVectorImpl<Dims> &results) {
  return inferPool(*this, context, operands[0], results);
}

LogicalResult AvgPoolOp::inferSizes(SizeContext &context, ArrayRef<Dims> operands, IndexFn,
                                    SmallVectorImpl<Dims> &results) {
  return inferPool(*this, context, operands[0], results);
}

//===----------------------------------------------------------------------===//
// Decomposition
//===----------------------------------------------------------------------===//

using Decomposed = FailureOr<SmallVector<Value>>;

namespace {

/// A reduce_window whose number of positions is that of the pooling operation.
template <typename PoolOpTy> class Windows {
public:
  Windows(PoolOpTy op, OpBuilder &builder) : op(op), b(builder, op.getLoc()) {}

  /// `x` is [N or 1, spatial..., C or 1] and already holds `low` and `high` when `padded`.
  Value reduce(ReduceKind kind, Value x, bool padded) {
    auto ends = [](ArrayRef<int64_t> inner, int64_t outer) {
      SmallVector<int64_t> all = {outer};
      llvm::append_range(all, inner);
      all.push_back(outer);
      return all;
    };
    SmallVector<int64_t> low = ends(op.getLow(), 0), high = ends(op.getHigh(), 0);
    if (padded) {
      std::fill(low.begin(), low.end(), 0);
      std::fill(high.begin(), high.end(), 0);
    }
    SmallVector<int64_t> strides = ends(op.getStrides(), 1);
    // One stride less one more room rounds the number of positions up.
    if (op.getCeilMode())
      for (auto [h, s] : llvm::zip_equal(high, strides))
        h += s - 1;
    auto window = b.builder.getDenseI64ArrayAttr(ends(op.getWindow(), 1));
    auto dilations = b.builder.getDenseI64ArrayAttr(ends(op.getDilations(), 1));
    RankedTensorType type = positionsType(tensorType(x), window, strides, dilations, low, high);
    Value y = ReduceWindowOp::create(
        b.builder, b.loc, type, kind, x, window, b.builder.getDenseI64ArrayAttr(strides), dilations,
        b.builder.getDenseI64ArrayAttr(low), b.builder.getDenseI64ArrayAttr(high));
    return op.getCeilMode() ? withoutLate(y) : y;
  }

  CoreBuilder &core() { return b; }

private:
  static RankedTensorType positionsType(RankedTensorType from, ArrayRef<int64_t> window,
                                        ArrayRef<int64_t> strides, ArrayRef<int64_t> dilations,
                                        ArrayRef<int64_t> low, ArrayRef<int64_t> high) {
    SmallVector<int64_t> shape(from.getShape());
    for (auto [d, size] : llvm::enumerate(shape))
      if (size != kDynamic)
        size = (size + low[d] + high[d] - dilations[d] * (window[d] - 1) - 1) / strides[d] + 1;
    return from.clone(shape);
  }

  /// Without the positions whose window starts in the high padding.
  Value withoutLate(Value y) {
    for (size_t d = 0; d < op.getWindow().size(); ++d) {
      Value size = b.addIndex(b.dim(op.getInput(), d + 1), b.index(op.getLow()[d]));
      Value starts = b.ceilDivIndex(size, b.index(op.getStrides()[d])), found = b.dim(y, d + 1);
      Value keep = b.minIndex(found, starts);
      auto before = getConstantIntValue(found), after = getConstantIntValue(keep);
      if (!before || !after || *before != *after)
        y = b.slice(y, d + 1, b.index(0), keep);
    }
    return y;
  }

  PoolOpTy op;
  CoreBuilder b;
};

} // namespace

Decomposed MaxPoolOp::decompose(OpBuilder &builder) {
  Windows<MaxPoolOp> windows(*this, builder);
  return SmallVector<Value>{
      windows.core().refine(windows.reduce(ReduceKind::max, getInput(), false), getType())};
}

Decomposed AvgPoolOp::decompose(OpBuilder &builder) {
  Windows<AvgPoolOp> windows(*this, builder);
  CoreBuilder &b = windows.core();
  auto isZero = [](int64_t v) { return v == 0; };
  bool padded = !llvm::all_of(getLow(), isZero) || !llvm::all_of(getHigh(), isZero);
  Value sum = windows.reduce(ReduceKind::sum, getInput(), false);
  Type element = tensorType(sum).getElementType();
  if (!getCeilMode() && (getIncludePad() || !padded || planted(Defect::AveragePoolCountsPadding))) {
    double area = 1;
    for (int64_t w : getWindow())
      area *= static_cast<double>(w);
    return SmallVector<Value>{b.refine(b.div(sum, b.splat(area, sum)), getType())};
  }
  // Counts the elements under each window with a window over ones.
  CoreBuilder::Values sizes = b.dims(getInput());
  sizes.front() = sizes.back() = b.index(1);
  if (getIncludePad())
    for (size_t d = 0; d < getWindow().size(); ++d)
      sizes[d + 1] = b.addIndex(sizes[d + 1], b.index(getLow()[d] + getHigh()[d]));
  Value ones = b.broadcast(b.constant(1, element, sizes.size()), sizes);
  Value count = windows.reduce(ReduceKind::sum, ones, getIncludePad());
  return SmallVector<Value>{b.refine(b.div(sum, b.broadcastLike(count, sum)), getType())};
}
