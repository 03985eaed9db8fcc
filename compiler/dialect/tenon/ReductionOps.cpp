//===- ReductionOps.cpp - reductions, scans and sliding windows -------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/SizeRules.h"

using namespace mlir;
using namespace tenon;

//===----------------------------------------------------------------------===//
// reduce
//===----------------------------------------------------------------------===//

LogicalResult ReduceOp::verify() {
  RankedTensorType type = tensorType(getInput());
  if (failed(verifyElementType(*this, "the result", getType().getElementType(), type.getElementType())))
    return failure();
  int64_t previous = -1;
  for (int64_t axis : getAxes()) {
    if (failed(verifyAxis(*this, axis, type.getRank())))
      return failure();
    if (axis <= previous)
      return emitOpError() << "expected axes in rising order, found " << axis << " after " << previous;
    previous = axis;
  }
  if (type.getElementType().isInteger(1) && getKind() != ReduceKind::max && getKind() != ReduceKind::min)
    return emitOpError("expected kind max or min for booleans");
  return verifyInferred(*this);
}

LogicalResult ReduceOp::inferSizes(SizeContext &context, ArrayRef<Dims> operands, IndexFn,
                                   SmallVectorImpl<Dims> &results) {
  Dims dims = operands[0];
  for (int64_t axis : getAxes())
    dims[axis] = context.constant(1);
  results.push_back(dims);
  return success();
}

OpFoldResult ReduceOp::fold(FoldAdaptor) {
  if (getInput().getType() != getType())
    return {};
  // Along an axis of one element every kind gives the element itself.
  bool trivial = llvm::all_of(getAxes(), [&](int64_t axis) { return getType().getDimSize(axis) == 1; });
  return trivial ? getInput() : Value();
}

//===----------------------------------------------------------------------===//
// arg_reduce and scan
//===----------------------------------------------------------------------===//

static LogicalResult verifyExtremeKind(Operation *op, ReduceKind kind) {
  if (kind == ReduceKind::max || kind == ReduceKind::min)
    return success();
  return op->emitOpError() << "expected kind max or min, found " << stringifyReduceKind(kind);
}

LogicalResult ArgReduceOp::verify() {
  if (failed(verifyExtremeKind(*this, getKind())) ||
      failed(verifyAxis(*this, getAxis(), tensorType(getInput()).getRank())))
    return failure();
  return verifyInferred(*this);
}

LogicalResult ArgReduceOp::inferSizes(SizeContext &context, ArrayRef<Dims> operands, IndexFn,
                                      SmallVectorImpl<Dims> &results) {
  Dims dims = operands[0];
  dims[getAxis()] = context.constant(1);
  results.push_back(dims);
  return success();
}

LogicalResult ScanOp::verify() { return verifyAxis(*this, getAxis(), getType().getRank()); }

//===----------------------------------------------------------------------===//
// reduce_window
//===----------------------------------------------------------------------===//

LogicalResult ReduceWindowOp::verify() {
  RankedTensorType type = tensorType(getInput());
  size_t rank = type.getRank();
  if (failed(verifyElementType(*this, "the result", getType().getElementType(), type.getElementType())) ||
      failed(verifyLength(*this, "window", getWindow().size(), rank)) ||
      failed(verifyLength(*this, "strides", getStrides().size(), rank)) ||
      failed(verifyLength(*this, "dilations", getDilations().size(), rank)) ||
      failed(verifyLength(*this, "low", getLow().size(), rank)) ||
      failed(verifyLength(*this, "high", getHigh().size(), rank)) ||
      failed(verifyAtLeast(*this, "window", getWindow(), 1)) ||
      failed(verifyAtLeast(*this, "strides", getStrides(), 1)) ||
      failed(verifyAtLeast(*this, "dilations", getDilations(), 1)) ||
      failed(verifyAtLeast(*this, "low", getLow(), 0)) || failed(verifyAtLeast(*this, "high", getHigh(), 0)))
    return failure();
  return verifyInferred(*this);
}

LogicalResult ReduceWindowOp::inferSizes(SizeContext &context, ArrayRef<Dims> operands, IndexFn,
                                         SmallVectorImpl<Dims> &results) {
  Dims dims;
  for (auto [d, size] : llvm::enumerate(operands[0]))
    dims.push_back(windowPositions(size, context.constant(getWindow()[d]), getStrides()[d], getDilations()[d],
                                   getLow()[d], getHigh()[d], /*ceilMode=*/false));
  results.push_back(dims);
  return success();
}
