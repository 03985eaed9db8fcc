//===- ResizeOp.cpp - verification and sizes of interpolation ---------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/SizeRules.h"

using namespace mlir;
using namespace tenon;

LogicalResult ResizeOp::verify() {
  RankedTensorType from = tensorType(getInput());
  if (failed(verifyElementType(*this, "the result", getType().getElementType(), from.getElementType())) ||
      failed(verifyRank(*this, "the result", getType().getRank(), from.getRank())) ||
      failed(verifySizeCount(*this, getType(), getSizes())) ||
      failed(verifyLength(*this, "scales", getScales().size(), getAxes().size())))
    return failure();
  SmallVector<int64_t> expected(from.getShape());
  for (int64_t axis : getAxes()) {
    if (failed(verifyAxis(*this, axis, from.getRank())))
      return failure();
    expected[axis] = kDynamic;
  }
  for (double scale : getScales())
    if (!(scale >= 0))
      return emitOpError() << "expected scales that are not negative, found " << scale;
  return verifyShape(*this, "the result", getType().getShape(), expected);
}

LogicalResult ResizeOp::inferSizes(SizeContext &context, ArrayRef<Dims> operands, IndexFn index,
                                   SmallVectorImpl<Dims> &results) {
  Dims dims = namedDims(context, getType(), getSizes(), index);
  for (auto [d, size] : llvm::enumerate(dims))
    if (!llvm::is_contained(getAxes(), static_cast<int64_t>(d)))
      size = sameSize(operands[0][d], size);
  results.push_back(dims);
  return success();
}
