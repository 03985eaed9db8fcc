//===- NormOps.cpp - softmax and normalizations ------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/SizeRules.h"

using namespace mlir;
using namespace tenon;

LogicalResult SoftmaxOp::verify() { return verifyAxis(*this, getAxis(), getType().getRank()); }
LogicalResult LogSoftmaxOp::verify() { return verifyAxis(*this, getAxis(), getType().getRank()); }

/// scale and bias of a layer norm: rank of the input, 1 before the axis, the input's sizes from it on.
static LogicalResult verifyFactor(Operation *op, StringRef what, Value factor, RankedTensorType input,
                                  int64_t axis) {
  SmallVector<int64_t> expected(input.getShape());
  std::fill(expected.begin(), expected.begin() + axis, 1);
  return verifyShape(op, what, tensorType(factor).getShape(), expected);
}

LogicalResult LayerNormOp::verify() {
  RankedTensorType input = tensorType(getInput());
  if (failed(verifyAxis(*this, getAxis(), input.getRank())) ||
      failed(verifyFactor(*this, "scale", getScale(), input, getAxis())))
    return failure();
  return getBias() ? verifyFactor(*this, "bias", getBias(), input, getAxis()) : success();
}

LogicalResult LayerNormOp::inferSizes(SizeContext &, ArrayRef<Dims> operands, IndexFn,
                                      SmallVectorImpl<Dims> &results) {
  results.push_back(operands[0]);
  return success();
}

LogicalResult RmsNormOp::verify() {
  RankedTensorType input = tensorType(getInput());
  if (failed(verifyAxis(*this, getAxis(), input.getRank())))
    return failure();
  return verifyFactor(*this, "scale", getScale(), input, getAxis());
}

LogicalResult RmsNormOp::inferSizes(SizeContext &, ArrayRef<Dims> operands, IndexFn,
                                    SmallVectorImpl<Dims> &results) {
  results.push_back(operands[0]);
  return success();
}

LogicalResult GroupNormOp::verify() {
  RankedTensorType input = tensorType(getInput());
  if (input.getRank() < 2)
    return emitOpError() << "expected rank 2 or more for the input, [batch, channels, ...], found "
                         << input.getRank();
  int64_t channels = input.getDimSize(1), groups = getGroups();
  if (groups < 1 || (channels != kDynamic && channels % groups != 0))
    return emitOpError() << "expected a number of groups that divides the channels (" << channels
                         << "), found " << groups;
  if (failed(verifyShape(*this, "scale", tensorType(getScale()).getShape(), {channels})))
    return failure();
  return verifyShape(*this, "bias", tensorType(getBias()).getShape(), {channels});
}

LogicalResult GroupNormOp::inferSizes(SizeContext &, ArrayRef<Dims> operands, IndexFn,
                                      SmallVectorImpl<Dims> &results) {
  results.push_back(operands[0]);
  return success();
}

LogicalResult BatchNormOp::verify() {
  RankedTensorType input = tensorType(getInput());
  if (failed(verifyAxis(*this, getAxis(), input.getRank())))
    return failure();
  return verifyShape(*this, "scale", tensorType(getScale()).getShape(), {input.getDimSize(getAxis())});
}

LogicalResult BatchNormOp::inferSizes(SizeContext &, ArrayRef<Dims> operands, IndexFn,
                                      SmallVectorImpl<Dims> &results) {
  results.push_back(operands[0]);
  return success();
}
