//===- NormOps.cpp - softmax and normalizations ------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/CoreBuilder.h"
#include "compiler/dialect/tenon/SizeRules.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

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

//===----------------------------------------------------------------------===//
// Decomposition
//===----------------------------------------------------------------------===//

using Decomposed = FailureOr<SmallVector<Value>>;

/// Sums over many elements are taken in f32 at least.
static Value widen(CoreBuilder &b, Value x) {
  Type element = tensorType(x).getElementType();
  return element.getIntOrFloatBitWidth() < 32 ? b.cast(x, b.builder.getF32Type()) : x;
}

/// Narrows to the element type of the composite's result.
static SmallVector<Value> finish(CoreBuilder &b, Value y, Value result) {
  return {b.refine(b.cast(y, tensorType(result).getElementType()), result.getType())};
}

/// The mean over the axes from `axis` on, with those axes kept.
static Value mean(CoreBuilder &b, Value x, int64_t axis) {
  int64_t rank = tensorType(x).getRank();
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq(axis, rank));
  Value sum = b.reduce(ReduceKind::sum, x, axes);
  Value count = b.product(ArrayRef(b.dims(x)).drop_front(axis));
  Type element = tensorType(x).getElementType();
  if (auto n = getConstantIntValue(count))
    return b.div(sum, b.splat(static_cast<double>(*n), sum));
  return b.div(sum, b.broadcastLike(b.fromIndex(count, element, rank), sum));
}

/// (x - mean) / sqrt(variance + epsilon) over the axes from `axis` on.
static Value standardize(CoreBuilder &b, Value x, int64_t axis, double epsilon) {
  Value centered = b.sub(x, b.broadcastLike(mean(b, x, axis), x));
  Value variance = mean(b, b.mul(centered, centered), axis);
  Value factor = b.unary<RsqrtOp>(b.add(variance, epsilon));
  return b.mul(centered, b.broadcastLike(factor, x));
}

Decomposed SoftmaxOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  int64_t axis = getAxis();
  Value x = widen(b, getInput());
  Value e = b.exp(b.sub(x, b.broadcastLike(b.reduce(ReduceKind::max, x, axis), x)));
  return finish(b, b.div(e, b.broadcastLike(b.reduce(ReduceKind::sum, e, axis), x)), getResult());
}

Decomposed LogSoftmaxOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  int64_t axis = getAxis();
  Value x = widen(b, getInput());
  Value shifted = b.sub(x, b.broadcastLike(b.reduce(ReduceKind::max, x, axis), x));
  Value sum = b.unary<LogOp>(b.reduce(ReduceKind::sum, b.exp(shifted), axis));
  return finish(b, b.sub(shifted, b.broadcastLike(sum, x)), getResult());
}

Decomposed LayerNormOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  Value x = widen(b, getInput());
  Type element = tensorType(x).getElementType();
  Value y = standardize(b, x, getAxis(), getEpsilon().convertToDouble());
  y = b.mul(y, b.broadcastLike(b.cast(getScale(), element), x));
  if (getBias())
    y = b.add(y, b.broadcastLike(b.cast(getBias(), element), x));
  return finish(b, y, getResult());
}

Decomposed RmsNormOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  Value x = widen(b, getInput());
  Value power = mean(b, b.mul(x, x), getAxis());
  Value factor = b.unary<RsqrtOp>(b.add(power, getEpsilon().convertToDouble()));
  Value y = b.mul(x, b.broadcastLike(factor, x));
  y = b.mul(y, b.broadcastLike(b.cast(getScale(), tensorType(x).getElementType()), x));
  return finish(b, y, getResult());
}

/// A vector as a tensor of `rank` dimensions with its elements along `axis`.
static Value alongAxis(CoreBuilder &b, Value vector, int64_t rank, int64_t axis) {
  CoreBuilder::Values sizes(rank, b.index(1));
  sizes[axis] = b.dim(vector, 0);
  return b.reshape(vector, sizes);
}

Decomposed GroupNormOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  Value x = widen(b, getInput());
  int64_t rank = tensorType(x).getRank(), groups = getGroups();
  Type element = tensorType(x).getElementType();
  CoreBuilder::Values sizes = b.dims(x);
  Value perGroup = b.floorDivIndex(b.product(ArrayRef(sizes).drop_front(1)), b.index(groups));
  Value y = b.reshape(x, {sizes[0], b.index(groups), perGroup});
  y = b.reshape(standardize(b, y, 2, getEpsilon().convertToDouble()), sizes);
  y = b.mul(y, b.broadcastLike(alongAxis(b, b.cast(getScale(), element), rank, 1), x));
  y = b.add(y, b.broadcastLike(alongAxis(b, b.cast(getBias(), element), rank, 1), x));
  return finish(b, y, getResult());
}

Decomposed BatchNormOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  Value x = widen(b, getInput());
  Type element = tensorType(x).getElementType();
  int64_t rank = tensorType(x).getRank(), axis = getAxis();
  auto wide = [&](Value v) { return b.cast(v, element); };
  Value root = b.unary<RsqrtOp>(b.add(wide(getVariance()), getEpsilon().convertToDouble()));
  Value factor = b.mul(wide(getScale()), root);
  Value shift = b.sub(wide(getBias()), b.mul(wide(getMean()), factor));
  Value y = b.mul(x, b.broadcastLike(alongAxis(b, factor, rank, axis), x));
  y = b.add(y, b.broadcastLike(alongAxis(b, shift, rank, axis), x));
  return finish(b, y, getResult());
}
