//===- ShapeOps.cpp - symbols, constants, weights and states ----------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/SizeRules.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace tenon;

/// The sizes of a result whose type says all: constants, weights and states are static.
static LogicalResult staticSizes(SizeContext &context, Value v, SmallVectorImpl<Dims> &results) {
  if (!tensorType(v).hasStaticShape())
    return failure();
  Dims &dims = results.emplace_back();
  for (int64_t d : tensorType(v).getShape())
    dims.push_back(context.constant(d));
  return success();
}

//===----------------------------------------------------------------------===//
// symbol, read_scalar, from_index
//===----------------------------------------------------------------------===//

LogicalResult SymbolOp::verify() {
  int64_t min = static_cast<int64_t>(getMin()), multiple = static_cast<int64_t>(getMultipleOf());
  if (getName().empty())
    return emitOpError("expected a name, found an empty string");
  if (min < 0)
    return emitOpError() << "expected a minimum that is not negative, found " << min;
  if (multiple < 1)
    return emitOpError() << "expected 'multiple_of' of at least 1, found " << multiple;
  if (getMax() && static_cast<int64_t>(*getMax()) < min)
    return emitOpError() << "expected a maximum of at least the minimum " << min << ", found " << *getMax();
  return success();
}

LogicalResult ReadScalarOp::verify() {
  RankedTensorType type = tensorType(getInput());
  int64_t position = static_cast<int64_t>(getPosition());
  int64_t count = type.hasStaticShape() ? type.getNumElements() : std::numeric_limits<int64_t>::max();
  if (position < 0 || position >= count)
    return emitOpError() << "expected a position from 0 up to and without " << count << ", found "
                         << position;
  if (getMin() && getMax() && static_cast<int64_t>(*getMax()) < static_cast<int64_t>(*getMin()))
    return emitOpError() << "expected a maximum of at least the minimum " << *getMin() << ", found "
                         << *getMax();
  return success();
}

LogicalResult ReadScalarOp::inferSizes(SizeContext &, ArrayRef<Dims>, IndexFn,
                                       SmallVectorImpl<Dims> &results) {
  results.emplace_back();
  return success();
}

OpFoldResult ReadScalarOp::fold(FoldAdaptor adaptor) {
  // With an upper bound the read is also a check, and what bounds the memory of tensors of that size.
  if (auto values = getInput().getDefiningOp<FromIndexOp>(); values && !getMax())
    return values.getValues()[getPosition()];
  auto elements = dyn_cast_if_present<DenseElementsAttr>(adaptor.getInput());
  if (!elements)
    return {};
  APInt value = elements.getValues<APInt>()[getPosition()];
  Type element = elements.getElementType();
  bool isUnsigned = element.isUnsignedInteger() || element.isInteger(1);
  int64_t v = isUnsigned ? static_cast<int64_t>(value.getZExtValue()) : value.getSExtValue();
  // A constant out of bounds stays, to fail when it is reached.
  if ((getMin() && v < static_cast<int64_t>(*getMin())) || (getMax() && v > static_cast<int64_t>(*getMax())))
    return {};
  return IntegerAttr::get(IndexType::get(getContext()), v);
}

LogicalResult FromIndexOp::verify() {
  int64_t count = getValues().size();
  ArrayRef<int64_t> shape = getType().getShape();
  if ((shape.empty() && count == 1) || (shape.size() == 1 && shape[0] == count))
    return success();
  return emitOpError() << "expected a result of one dimension with " << count << " elements, found "
                       << getType();
}

LogicalResult FromIndexOp::inferSizes(SizeContext &context, ArrayRef<Dims>, IndexFn,
                                      SmallVectorImpl<Dims> &results) {
  return staticSizes(context, getResult(), results);
}

OpFoldResult FromIndexOp::fold(FoldAdaptor adaptor) {
  SmallVector<APInt> values;
  unsigned width = getType().getElementTypeBitWidth();
  for (Attribute a : adaptor.getValues()) {
    auto value = dyn_cast_if_present<IntegerAttr>(a);
    if (!value)
      return {};
    values.push_back(value.getValue().sextOrTrunc(width));
  }
  return DenseElementsAttr::get(getType(), values);
}

//===----------------------------------------------------------------------===//
// constant, weight, state
//===----------------------------------------------------------------------===//

LogicalResult ConstantOp::verify() {
  if (tensorType(getResult()).hasStaticShape())
    return success();
  return emitOpError() << "expected a static shape, found " << getType();
}

LogicalResult ConstantOp::inferSizes(SizeContext &context, ArrayRef<Dims>, IndexFn,
                                     SmallVectorImpl<Dims> &results) {
  return staticSizes(context, getResult(), results);
}

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }

static LogicalResult verifyStatic(Operation *op, Type type) {
  if (cast<RankedTensorType>(type).hasStaticShape())
    return success();
  return op->emitOpError() << "expected a static shape, found " << type;
}

LogicalResult WeightOp::verify() {
  if (failed(verifyStatic(*this, getType())))
    return failure();
  auto type = cast<RankedTensorType>(getType());
  int64_t bits = type.getElementTypeBitWidth(), bytes = type.getNumElements() * (bits == 1 ? 1 : bits / 8);
  if (static_cast<int64_t>(getOffset()) < 0)
    return emitOpError() << "expected an offset that is not negative, found "
                         << static_cast<int64_t>(getOffset());
  if (static_cast<int64_t>(getLength()) != bytes)
    return emitOpError() << "expected " << bytes << " bytes for " << type << ", found " << getLength();
  return success();
}

LogicalResult StateOp::verify() { return verifyStatic(*this, getType()); }

template <typename SymbolOpTy>
static LogicalResult verifyUse(Operation *op, FlatSymbolRefAttr name, Type type,
                               SymbolTableCollection &tables) {
  auto target = tables.lookupNearestSymbolFrom<SymbolOpTy>(op, name);
  if (!target)
    return op->emitOpError() << "expected " << name << " to name a " << SymbolOpTy::getOperationName()
                             << ", found none";
  if (target.getType() == type)
    return success();
  return op->emitOpError() << "expected type " << target.getType() << " of " << name << ", found " << type;
}

LogicalResult GetWeightOp::verifySymbolUses(SymbolTableCollection &tables) {
  return verifyUse<WeightOp>(*this, getWeightAttr(), getType(), tables);
}

LogicalResult GetWeightOp::inferSizes(SizeContext &context, ArrayRef<Dims>, IndexFn,
                                      SmallVectorImpl<Dims> &results) {
  return staticSizes(context, getResult(), results);
}

LogicalResult ReadStateOp::verifySymbolUses(SymbolTableCollection &tables) {
  return verifyUse<StateOp>(*this, getStateAttr(), getType(), tables);
}

LogicalResult ReadStateOp::inferSizes(SizeContext &context, ArrayRef<Dims>, IndexFn,
                                      SmallVectorImpl<Dims> &results) {
  return staticSizes(context, getResult(), results);
}

LogicalResult WriteStateOp::verifySymbolUses(SymbolTableCollection &tables) {
  return verifyUse<StateOp>(*this, getStateAttr(), getValue().getType(), tables);
}
