//===- SizedBuilders.cpp - operations built from size expressions -----------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/SizeAnalysis.h"
#include "compiler/dialect/tenon/SizeRules.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace tenon;

void tenon::castElementwiseOperands(OpBuilder &builder, Operation *op) {
  if (!op->hasTrait<ElementwiseTrait>() && !op->hasTrait<OpTrait::SameOperandsAndResultType>())
    return;
  ArrayRef<int64_t> shape = tensorType(op->getResult(0)).getShape();
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(op);
  for (OpOperand &operand : op->getOpOperands()) {
    auto type = dyn_cast<RankedTensorType>(operand.get().getType());
    if (type && type.getShape() != shape)
      operand.set(tensor::CastOp::create(builder, op->getLoc(), type.clone(shape), operand.get()));
  }
}

/// The marker and the operands of amounts that may be constant.
static void splitAmounts(OpBuilder &builder, Location loc, SizeAnalysis &sizes, ArrayRef<Size> amounts,
                         SmallVectorImpl<int64_t> &constants, SmallVectorImpl<Value> &values) {
  for (Size amount : amounts) {
    constants.push_back(amount.constant().value_or(kDynamic));
    if (!amount.constant())
      values.push_back(sizes.materialize(builder, loc, amount));
  }
}

static bool hasDims(SizeAnalysis &sizes, Value v, ArrayRef<Size> dims) {
  return sizes.dims(v) == dims && typeFor(dims, getElementTypeOrSelf(v)) == v.getType();
}

Value tenon::createReshape(OpBuilder &builder, Location loc, SizeAnalysis &sizes, Value input,
                           ArrayRef<Size> dims) {
  if (hasDims(sizes, input, dims))
    return input;
  SmallVector<Value> named = sizes.materializeDynamic(builder, loc, dims);
  return ReshapeOp::create(builder, loc, typeFor(dims, getElementTypeOrSelf(input)), input, named);
}

Value tenon::createBroadcast(OpBuilder &builder, Location loc, SizeAnalysis &sizes, Value input,
                             ArrayRef<Size> dims) {
  if (hasDims(sizes, input, dims))
    return input;
  SmallVector<Value> named = sizes.materializeDynamic(builder, loc, dims);
  return BroadcastOp::create(builder, loc, typeFor(dims, getElementTypeOrSelf(input)), input, named);
}

Value tenon::createSlice(OpBuilder &builder, Location loc, SizeAnalysis &sizes, Value input,
                         ArrayRef<Size> offsets, ArrayRef<Size> dims, ArrayRef<int64_t> strides) {
  bool plain = llvm::all_of(offsets, [](Size o) { return o.isConstant(0); }) &&
               llvm::all_of(strides, [](int64_t s) { return s == 1; });
  if (plain && hasDims(sizes, input, dims))
    return input;
  SmallVector<int64_t> constants;
  SmallVector<Value> values;
  splitAmounts(builder, loc, sizes, offsets, constants, values);
  SmallVector<Value> named = sizes.materializeDynamic(builder, loc, dims);
  return SliceOp::create(builder, loc, typeFor(dims, getElementTypeOrSelf(input)), input, values, named,
                         constants, strides);
}

Value tenon::createPad(OpBuilder &builder, Location loc, SizeAnalysis &sizes, Value input, Value value,
                       ArrayRef<Size> low, ArrayRef<Size> high) {
  auto isZero = [](Size s) { return s.isConstant(0); };
  if (llvm::all_of(low, isZero) && llvm::all_of(high, isZero))
    return input;
  SmallVector<int64_t> lowConstants, highConstants;
  SmallVector<Value> lowValues, highValues;
  splitAmounts(builder, loc, sizes, low, lowConstants, lowValues);
  splitAmounts(builder, loc, sizes, high, highConstants, highValues);
  Dims dims(sizes.dims(input));
  for (auto [d, l, h] : llvm::zip_equal(dims, low, high))
    d = d + l + h;
  return PadOp::create(builder, loc, typeFor(dims, getElementTypeOrSelf(input)), input, value, lowValues,
                       highValues, lowConstants, highConstants);
}

Value tenon::createIota(OpBuilder &builder, Location loc, SizeAnalysis &sizes, Type element,
                        ArrayRef<Size> dims, int64_t axis) {
  SmallVector<Value> named = sizes.materializeDynamic(builder, loc, dims);
  return IotaOp::create(builder, loc, typeFor(dims, element), named, axis);
}
