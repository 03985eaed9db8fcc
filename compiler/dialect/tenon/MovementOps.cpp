//===- MovementOps.cpp - verification, sizes and folding of moving elements -===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/SizeRules.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace tenon;

static LogicalResult verifySameElements(Operation *op, Value input) {
  return verifyElementType(op, "the result", tensorType(op->getResult(0)).getElementType(),
                           tensorType(input).getElementType());
}

/// True when `size` is written as dimension `d` of `tensor`.
static bool isDimOf(Value size, Value tensor, int64_t d) {
  auto dim = size.getDefiningOp<tensor::DimOp>();
  return dim && dim.getSource() == tensor && dim.getConstantIndex() == d;
}

/// True when types are equal and each dynamic dimension is written as that of `input`.
static bool keepsShape(Value input, RankedTensorType type, ValueRange sizes) {
  if (input.getType() != type)
    return false;
  auto next = sizes.begin();
  for (auto [d, size] : llvm::enumerate(type.getShape()))
    if (size == kDynamic && !isDimOf(*next++, input, d))
      return false;
  return true;
}

//===----------------------------------------------------------------------===//
// reshape
//===----------------------------------------------------------------------===//

LogicalResult ReshapeOp::verify() {
  RankedTensorType from = tensorType(getInput());
  if (failed(verifySameElements(*this, getInput())) || failed(verifySizeCount(*this, getType(), getSizes())))
    return failure();
  if (from.hasStaticShape() && getType().hasStaticShape() &&
      from.getNumElements() != getType().getNumElements())
    return emitOpError() << "expected " << from.getNumElements() << " elements in the result, found "
                         << getType().getNumElements();
  return success();
}

LogicalResult ReshapeOp::inferSizes(SizeContext &context, ArrayRef<Dims>, IndexFn index,
                                    SmallVectorImpl<Dims> &results) {
  results.push_back(namedDims(context, getType(), getSizes(), index));
  return success();
}

OpFoldResult ReshapeOp::fold(FoldAdaptor adaptor) {
  RankedTensorType type = getType();
  if (getInput().getType() == type) {
    // Equal element counts leave one dynamic dimension no choice, unless there are no elements.
    if (type.getNumDynamicDims() <= 1 && !llvm::is_contained(type.getShape(), 0))
      return getInput();
    if (keepsShape(getInput(), type, getSizes()))
      return getInput();
  }
  if (auto elements = dyn_cast_if_present<DenseElementsAttr>(adaptor.getInput()))
    if (type.hasStaticShape())
      return elements.reshape(type);
  return {};
}

//===----------------------------------------------------------------------===//
// broadcast
//===----------------------------------------------------------------------===//

LogicalResult BroadcastOp::verify() {
  RankedTensorType from = tensorType(getInput());
  if (failed(verifySameElements(*this, getInput())) ||
      failed(verifySizeCount(*this, getType(), getSizes())) ||
      failed(verifyRank(*this, "the result", getType().getRank(), from.getRank())))
    return failure();
  for (auto [d, f, t] : llvm::enumerate(from.getShape(), getType().getShape()))
    if (f != 1 && !mayEqual(f, t))
      return verifyDim(*this, "dimension " + Twine(d) + " of the result", t, f);
  return success();
}

LogicalResult BroadcastOp::inferSizes(SizeContext &context, ArrayRef<Dims>, IndexFn index,
                                      SmallVectorImpl<Dims> &results) {
  results.push_back(namedDims(context, getType(), getSizes(), index));
  return success();
}

OpFoldResult BroadcastOp::fold(FoldAdaptor) {
  // A dynamic dimension of the input equals the result's: only a constant 1 is repeated.
  return getInput().getType() == getType() ? getInput() : Value();
}

//===----------------------------------------------------------------------===//
// transpose
//===----------------------------------------------------------------------===//

LogicalResult TransposeOp::verify() {
  RankedTensorType from = tensorType(getInput());
  if (failed(verifySameElements(*this, getInput())) ||
      failed(verifyLength(*this, "permutation", getPermutation().size(), from.getRank())))
    return failure();
  SmallVector<bool> seen(from.getRank(), false);
  for (int64_t p : getPermutation()) {
    if (failed(verifyAxis(*this, p, from.getRank())))
      return failure();
    if (std::exchange(seen[p], true))
      return emitOpError() << "expected a permutation, found axis " << p << " twice";
  }
  return verifyInferred(*this);
}

LogicalResult TransposeOp::inferSizes(SizeContext &, ArrayRef<Dims> operands, IndexFn,
                                      SmallVectorImpl<Dims> &results) {
  Dims dims;
  for (int64_t p : getPermutation())
    dims.push_back(operands[0][p]);
  results.push_back(dims);
  return success();
}

OpFoldResult TransposeOp::fold(FoldAdaptor adaptor) {
  if (llvm::equal(getPermutation(), llvm::seq<int64_t>(0, getType().getRank())))
    return getInput();
  if (auto splat = dyn_cast_if_present<SplatElementsAttr>(adaptor.getInput()))
    if (getType().hasStaticShape())
      return splat.resizeSplat(getType());
  return {};
}

//===----------------------------------------------------------------------===//
// slice
//===----------------------------------------------------------------------===//

LogicalResult SliceOp::verify() {
  RankedTensorType from = tensorType(getInput());
  size_t rank = from.getRank();
  if (failed(verifySameElements(*this, getInput())) ||
      failed(verifySizeCount(*this, getType(), getSizes())) ||
      failed(verifyRank(*this, "the result", getType().getRank(), rank)) ||
      failed(verifyLength(*this, "static_offsets", getStaticOffsets().size(), rank)) ||
      failed(verifyLength(*this, "strides", getStrides().size(), rank)))
    return failure();
  size_t dynamic = llvm::count(getStaticOffsets(), kDynamic);
  if (dynamic != getOffsets().size())
    return emitOpError() << "expected " << dynamic << " dynamic offsets, found " << getOffsets().size();
  for (auto [d, f, t, offset, stride] :
       llvm::enumerate(from.getShape(), getType().getShape(), getStaticOffsets(), getStrides())) {
    if (stride == 0)
      return emitOpError() << "expected a stride other than 0 for dimension " << d;
    if (offset == kDynamic || t == kDynamic || t == 0)
      continue;
    int64_t last = offset + (t - 1) * stride;
    int64_t least = std::min(offset, last), most = std::max(offset, last);
    if (least < 0 || (f != kDynamic && most >= f))
      return emitOpError() << "expected elements 0 up to and without " << f << " of dimension " << d
                           << ", found elements " << least << " to " << most;
  }
  return success();
}

LogicalResult SliceOp::inferSizes(SizeContext &context, ArrayRef<Dims>, IndexFn index,
                                  SmallVectorImpl<Dims> &results) {
  results.push_back(namedDims(context, getType(), getSizes(), index));
  return success();
}

OpFoldResult SliceOp::fold(FoldAdaptor adaptor) {
  bool plain = getOffsets().empty() && llvm::all_of(getStaticOffsets(), [](int64_t o) { return o == 0; }) &&
               llvm::all_of(getStrides(), [](int64_t s) { return s == 1; });
  if (plain && keepsShape(getInput(), getType(), getSizes()))
    return getInput();
  if (auto splat = dyn_cast_if_present<SplatElementsAttr>(adaptor.getInput()))
    if (getType().hasStaticShape())
      return splat.resizeSplat(getType());
  return {};
}

//===----------------------------------------------------------------------===//
// concat
//===----------------------------------------------------------------------===//

LogicalResult ConcatOp::verify() {
  if (getInputs().empty())
    return emitOpError("expected one input or more, found none");
  if (failed(verifyAxis(*this, getAxis(), getType().getRank())))
    return failure();
  for (Value input : getInputs()) {
    if (failed(verifySameElements(*this, input)))
      return failure();
    SmallVector<int64_t> shape(tensorType(input).getShape());
    if (static_cast<int64_t>(shape.size()) == getType().getRank())
      shape[getAxis()] = kDynamic;
    if (failed(verifyShape(*this, "an input", shape, getType().getShape())))
      return failure();
  }
  return verifyInferred(*this);
}

LogicalResult ConcatOp::inferSizes(SizeContext &, ArrayRef<Dims> operands, IndexFn,
                                   SmallVectorImpl<Dims> &results) {
  Dims dims = operands[0];
  for (const Dims &other : operands.drop_front())
    for (auto [d, size] : llvm::enumerate(other))
      dims[d] = static_cast<int64_t>(d) == static_cast<int64_t>(getAxis()) ? dims[d] + size
                                                                           : sameSize(dims[d], size);
  results.push_back(dims);
  return success();
}

OpFoldResult ConcatOp::fold(FoldAdaptor) {
  return getInputs().size() == 1 && getInputs()[0].getType() == getType() ? getInputs()[0] : Value();
}

//===----------------------------------------------------------------------===//
// pad and iota
//===----------------------------------------------------------------------===//

LogicalResult PadOp::verify() {
  RankedTensorType from = tensorType(getInput()), value = tensorType(getValue());
  size_t rank = from.getRank();
  if (failed(verifySameElements(*this, getInput())) ||
      failed(verifyRank(*this, "value", value.getRank(), 0)) ||
      failed(verifyElementType(*this, "value", value.getElementType(), from.getElementType())) ||
      failed(verifyLength(*this, "static_low", getStaticLow().size(), rank)) ||
      failed(verifyLength(*this, "static_high", getStaticHigh().size(), rank)))
    return failure();
  auto check = [&](StringRef name, ArrayRef<int64_t> amounts, ValueRange dynamic) -> LogicalResult {
    if (static_cast<size_t>(llvm::count(amounts, kDynamic)) != dynamic.size())
      return emitOpError() << "expected " << llvm::count(amounts, kDynamic) << " operands '" << name
                           << "', found " << dynamic.size();
    for (int64_t amount : amounts)
      if (amount < 0 && amount != kDynamic)
        return emitOpError() << "expected amounts that are not negative in '" << name << "', found "
                             << amount;
    return success();
  };
  if (failed(check("low", getStaticLow(), getLow())) || failed(check("high", getStaticHigh(), getHigh())))
    return failure();
  return verifyInferred(*this);
}

LogicalResult PadOp::inferSizes(SizeContext &context, ArrayRef<Dims> operands, IndexFn index,
                                SmallVectorImpl<Dims> &results) {
  Dims dims = operands[0];
  auto widen = [&](ArrayRef<int64_t> amounts, ValueRange dynamic) {
    auto next = dynamic.begin();
    for (auto [dim, amount] : llvm::zip_equal(dims, amounts))
      dim = dim + (amount == kDynamic ? index(*next++) : context.constant(amount));
  };
  widen(getStaticLow(), getLow());
  widen(getStaticHigh(), getHigh());
  results.push_back(dims);
  return success();
}

LogicalResult IotaOp::verify() {
  if (failed(verifyAxis(*this, getAxis(), getType().getRank())))
    return failure();
  return verifySizeCount(*this, getType(), getSizes());
}

LogicalResult IotaOp::inferSizes(SizeContext &context, ArrayRef<Dims>, IndexFn index,
                                 SmallVectorImpl<Dims> &results) {
  results.push_back(namedDims(context, getType(), getSizes(), index));
  return success();
}
