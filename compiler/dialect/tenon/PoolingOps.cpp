//===- PoolingOps.cpp - verification and sizes of pooling -------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/SizeRules.h"

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
