//===- QuantizationOps.cpp - floating numbers as integers, and back
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/defects/PlantedDefect.h"
#include "compiler/dialect/tenon/CoreBuilder.h"
#include "compiler/dialect/tenon/SizeRules.h"

using namespace mlir;
using namespace tenon;

using Decomposed = FailureOr<SmallVector<Value>>;

/// Scale and zero point: the input's rank, and along each dimension its size, or 1.
static LogicalResult verifyParameters(Operation *op, RankedTensorType input, Value scale, Value zero,
                                      Type integer) {
  ArrayRef<int64_t> factors = tensorType(scale).getShape();
  if (failed(verifyRank(op, "the scale", factors.size(), input.getRank())))
    return failure();
  for (auto [d, size] : llvm::enumerate(factors))
    if (size != 1 &&
        failed(verifyDim(op, "dimension " + Twine(d) + " of the scale", size, input.getDimSize(d))))
      return failure();
  if (!zero)
    return success();
  if (failed(verifyElementType(op, "the zero point", tensorType(zero).getElementType(), integer)))
    return failure();
  return verifyShape(op, "the zero point", tensorType(zero).getShape(), factors);
}

LogicalResult QuantizeOp::verify() {
  Type element = getType().getElementType();
  if (element.getIntOrFloatBitWidth() > 16)
    return emitOpError() << "expected a result of 8 or 16 bits, found " << element;
  if (failed(verifyParameters(*this, tensorType(getInput()), getScale(), getZero(), element)))
    return failure();
  return verifyInferred(*this);
}

LogicalResult DequantizeOp::verify() {
  RankedTensorType input = tensorType(getInput());
  if (failed(verifyParameters(*this, input, getScale(), getZero(), input.getElementType())))
    return failure();
  return verifyInferred(*this);
}

LogicalResult QuantizeOp::inferSizes(SizeContext &, ArrayRef<Dims> operands, IndexFn,
                                     SmallVectorImpl<Dims> &results) {
  results.push_back(operands[0]);
  return success();
}

LogicalResult DequantizeOp::inferSizes(SizeContext &, ArrayRef<Dims> operands, IndexFn,
                                       SmallVectorImpl<Dims> &results) {
  results.push_back(operands[0]);
  return success();
}

Decomposed QuantizeOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  Type f32 = builder.getF32Type();
  auto element = cast<IntegerType>(getType().getElementType());
  bool isUnsigned = element.isUnsigned();
  double span = std::ldexp(1.0, static_cast<int>(element.getWidth())), low = isUnsigned ? 0 : -span / 2;
  Value x = b.cast(getInput(), f32);
  Value q = b.unary<RoundOp>(b.div(x, b.broadcastLike(b.cast(getScale(), f32), x)));
  if (getZero())
    q = b.add(q, b.broadcastLike(b.cast(getZero(), f32), q));
  double high = planted(Defect::SaturationShort) ? low + span - 2 : low + span - 1;
  q = b.min(b.max(q, low), high);
  return SmallVector<Value>{b.refine(b.cast(b.cast(q, builder.getI32Type()), element), getType())};
}

Decomposed DequantizeOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  Type i32 = builder.getI32Type(), f32 = builder.getF32Type();
  Value q = b.cast(getInput(), i32);
  if (getZero())
    q = b.sub(q, b.broadcastLike(b.cast(getZero(), i32), q));
  Value x = b.cast(q, f32);
  x = b.mul(x, b.broadcastLike(b.cast(getScale(), f32), x));
  return SmallVector<Value>{b.refine(b.cast(x, getType().getElementType()), getType())};
}
