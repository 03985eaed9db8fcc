//===- CoreBuilder.cpp - core operations with types worked out --------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/CoreBuilder.h"

#include "compiler/dialect/tenon/SizeRules.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace tenon;
using Values = CoreBuilder::Values;

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

Value CoreBuilder::index(int64_t v) { return arith::ConstantIndexOp::create(builder, loc, v); }

Value CoreBuilder::dim(Value tensor, int64_t d) {
  int64_t size = tensorType(tensor).getDimSize(d);
  return size != kDynamic ? index(size) : tensor::DimOp::create(builder, loc, tensor, d).getResult();
}

Values CoreBuilder::dims(Value tensor) {
  Values sizes;
  for (int64_t d = 0, rank = tensorType(tensor).getRank(); d < rank; ++d)
    sizes.push_back(dim(tensor, d));
  return sizes;
}

Value CoreBuilder::addIndex(Value a, Value b) { return builder.createOrFold<arith::AddIOp>(loc, a, b); }
Value CoreBuilder::subIndex(Value a, Value b) { return builder.createOrFold<arith::SubIOp>(loc, a, b); }
Value CoreBuilder::mulIndex(Value a, Value b) { return builder.createOrFold<arith::MulIOp>(loc, a, b); }
Value CoreBuilder::ceilDivIndex(Value a, Value b) {
  return builder.createOrFold<arith::CeilDivSIOp>(loc, a, b);
}
Value CoreBuilder::floorDivIndex(Value a, Value b) {
  return builder.createOrFold<arith::FloorDivSIOp>(loc, a, b);
}
Value CoreBuilder::minIndex(Value a, Value b) { return builder.createOrFold<arith::MinSIOp>(loc, a, b); }

Value CoreBuilder::product(ArrayRef<Value> sizes) {
  if (sizes.empty())
    return index(1);
  Value result = sizes.front();
  for (Value size : sizes.drop_front())
    result = mulIndex(result, size);
  return result;
}

/// The type with these sizes, and the values of those that are not constant.
static RankedTensorType typeOf(ArrayRef<Value> sizes, Type element, Values &dynamic) {
  SmallVector<int64_t> shape;
  for (Value size : sizes) {
    shape.push_back(getConstantIntValue(size).value_or(kDynamic));
    if (shape.back() == kDynamic)
      dynamic.push_back(size);
  }
  return RankedTensorType::get(shape, element);
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

/// The element that is nearest to `v`.
static Attribute elementFor(double v, Type element) {
  if (auto type = dyn_cast<FloatType>(element)) {
    APFloat value(v);
    bool lossy;
    value.convert(type.getFloatSemantics(), APFloat::rmNearestTiesToEven, &lossy);
    return FloatAttr::get(type, value);
  }
  unsigned width = element.getIntOrFloatBitWidth();
  bool isUnsigned = element.isUnsignedInteger() || width == 1;
  llvm::APSInt value(width, isUnsigned);
  bool exact;
  // Saturates out of range and gives 0 for NaN.
  APFloat(v).convertToInteger(value, APFloat::rmTowardZero, &exact);
  return IntegerAttr::get(element, value);
}

Value CoreBuilder::constant(double v, Type element, int64_t rank) {
  auto type = RankedTensorType::get(SmallVector<int64_t>(rank, 1), element);
  return ConstantOp::create(builder, loc, type, DenseElementsAttr::get(type, elementFor(v, element)));
}

Value CoreBuilder::splat(double v, Value like, Type element) {
  RankedTensorType type = tensorType(like);
  return broadcastLike(constant(v, element ? element : type.getElementType(), type.getRank()), like);
}

Value CoreBuilder::fromIndex(Value size, Type element, int64_t rank) {
  Type i64 = builder.getI64Type();
  Value scalar = FromIndexOp::create(builder, loc, RankedTensorType::get({}, i64), ValueRange{size});
  return reshape(cast(scalar, element), Values(rank, rank ? index(1) : Value()));
}

//===----------------------------------------------------------------------===//
// Elementwise operations
//===----------------------------------------------------------------------===//

Value CoreBuilder::refine(Value x, Type type) {
  return x.getType() == type ? x : tensor::CastOp::create(builder, loc, type, x).getResult();
}

void CoreBuilder::unify(Value &a, Value &b) {
  RankedTensorType ta = tensorType(a), tb = tensorType(b);
  assert(ta.getRank() == tb.getRank() && "operands of elementwise operations have one rank");
  SmallVector<int64_t> shape;
  for (auto [x, y] : llvm::zip_equal(ta.getShape(), tb.getShape()))
    shape.push_back(x == kDynamic ? y : x);
  a = refine(a, ta.clone(shape));
  b = refine(b, tb.clone(shape));
}

Value CoreBuilder::compare(CmpPredicate predicate, Value a, Value b) {
  unify(a, b);
  return CmpOp::create(builder, loc, tensorType(a).clone(builder.getI1Type()), predicate, a, b);
}

Value CoreBuilder::select(Value condition, Value a, Value b) {
  unify(a, b);
  unify(condition, a);
  unify(a, b);
  return SelectOp::create(builder, loc, a.getType(), condition, a, b);
}

Value CoreBuilder::cast(Value x, Type element) {
  RankedTensorType type = tensorType(x);
  return type.getElementType() == element ? x
                                          : CastOp::create(builder, loc, type.clone(element), x).getResult();
}

//===----------------------------------------------------------------------===//
// Movement
//===----------------------------------------------------------------------===//

Value CoreBuilder::reshape(Value x, ArrayRef<Value> sizes) {
  Values dynamic;
  RankedTensorType type = typeOf(sizes, tensorType(x).getElementType(), dynamic);
  if (type == x.getType() && dynamic.empty())
    return x;
  return ReshapeOp::create(builder, loc, type, x, dynamic);
}

Value CoreBuilder::broadcast(Value x, ArrayRef<Value> sizes) {
  Values dynamic;
  RankedTensorType type = typeOf(sizes, tensorType(x).getElementType(), dynamic);
  return type == x.getType() ? x : BroadcastOp::create(builder, loc, type, x, dynamic).getResult();
}

Value CoreBuilder::transpose(Value x, ArrayRef<int64_t> permutation) {
  RankedTensorType type = tensorType(x);
  SmallVector<int64_t> shape =
      llvm::map_to_vector(permutation, [&](int64_t p) { return type.getDimSize(p); });
  return TransposeOp::create(builder, loc, type.clone(shape), x, permutation);
}

Value CoreBuilder::slice(Value x, int64_t axis, Value offset, Value size) {
  Values sizes = dims(x), dynamic, offsets;
  sizes[axis] = size;
  RankedTensorType type = typeOf(sizes, tensorType(x).getElementType(), dynamic);
  SmallVector<int64_t> constants(type.getRank(), 0), strides(type.getRank(), 1);
  constants[axis] = getConstantIntValue(offset).value_or(kDynamic);
  if (constants[axis] == kDynamic)
    offsets.push_back(offset);
  return SliceOp::create(builder, loc, type, x, offsets, dynamic, constants, strides);
}

Value CoreBuilder::concat(ArrayRef<Value> inputs, int64_t axis) {
  SmallVector<int64_t> shape(tensorType(inputs.front()).getShape());
  for (Value input : inputs.drop_front()) {
    int64_t more = tensorType(input).getDimSize(axis);
    shape[axis] = shape[axis] == kDynamic || more == kDynamic ? kDynamic : shape[axis] + more;
  }
  return ConcatOp::create(builder, loc, tensorType(inputs.front()).clone(shape), inputs, axis);
}

Value CoreBuilder::iota(Type element, ArrayRef<Value> sizes, int64_t axis) {
  Values dynamic;
  RankedTensorType type = typeOf(sizes, element, dynamic);
  return IotaOp::create(builder, loc, type, dynamic, axis);
}

Value CoreBuilder::gather(Value x, Value indices, int64_t axis) {
  ArrayRef<int64_t> from = tensorType(x).getShape();
  SmallVector<int64_t> shape(from.take_front(axis));
  llvm::append_range(shape, tensorType(indices).getShape());
  llvm::append_range(shape, from.drop_front(axis + 1));
  return GatherOp::create(builder, loc, tensorType(x).clone(shape), x, indices, axis, 0);
}

Value CoreBuilder::updateSlice(Value x, Value update, ArrayRef<Value> offsets) {
  return UpdateSliceOp::create(builder, loc, x.getType(), x, update, offsets);
}

//===----------------------------------------------------------------------===//
// Reductions and contractions
//===----------------------------------------------------------------------===//

Value CoreBuilder::reduce(ReduceKind kind, Value x, ArrayRef<int64_t> axes) {
  SmallVector<int64_t> shape(tensorType(x).getShape());
  for (int64_t axis : axes)
    shape[axis] = 1;
  return ReduceOp::create(builder, loc, tensorType(x).clone(shape), kind, x, axes);
}

Value CoreBuilder::contract(Value lhs, Value rhs, bool transposeRhs, Type element) {
  RankedTensorType l = tensorType(lhs), r = tensorType(rhs);
  SmallVector<int64_t> shape(l.getShape());
  shape.back() = r.getDimSize(r.getRank() - (transposeRhs ? 2 : 1));
  Type type = RankedTensorType::get(shape, element ? element : l.getElementType());
  return ContractOp::create(builder, loc, type, lhs, rhs, transposeRhs);
}
