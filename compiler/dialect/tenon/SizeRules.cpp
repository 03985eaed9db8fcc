//===- SizeRules.cpp - rules about sizes that operations share --------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/SizeRules.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace tenon;

RankedTensorType tenon::tensorType(Value v) { return cast<RankedTensorType>(v.getType()); }

bool tenon::movesElements(RankedTensorType from, ArrayRef<int64_t> permutation) {
  int64_t previous = -1;
  for (int64_t d : permutation) {
    if (from.getDimSize(d) == 1)
      continue;
    if (d < previous)
      return true;
    previous = d;
  }
  return false;
}

bool tenon::movesInnermost(RankedTensorType from, ArrayRef<int64_t> permutation) {
  auto isUnit = [&](int64_t d) { return from.getDimSize(d) == 1; };
  auto last = llvm::find_if_not(llvm::reverse(permutation), isUnit);
  auto all = llvm::seq<int64_t>(0, from.getRank());
  auto before = llvm::find_if_not(llvm::reverse(all), isUnit);
  return last != permutation.rend() && *last != *before;
}

Size tenon::sameSize(Size a, Size b) { return b.constant() && !a.constant() ? b : a; }

LogicalResult tenon::inferSameSizes(ArrayRef<Dims> operands, SmallVectorImpl<Dims> &results) {
  if (operands.empty())
    return failure();
  Dims dims = operands.front();
  for (const Dims &other : operands.drop_front()) {
    if (other.size() != dims.size())
      return failure();
    for (auto [a, b] : llvm::zip_equal(dims, other))
      a = sameSize(a, b);
  }
  results.push_back(std::move(dims));
  return success();
}

Dims tenon::namedDims(SizeContext &context, RankedTensorType type, ValueRange sizes, IndexFn index) {
  Dims dims;
  auto next = sizes.begin();
  for (int64_t d : type.getShape())
    dims.push_back(d != kDynamic ? context.constant(d) : index(*next++));
  return dims;
}

Size tenon::windowPositions(Size size, Size window, int64_t stride, int64_t dilation, int64_t low,
                            int64_t high, bool ceilMode) {
  Size reach = (window - 1) * dilation + 1;
  Size room = size + (low + high) - reach;
  if (!ceilMode)
    return room.floorDiv(stride) + 1;
  // The last window starts inside the input or the low padding: (positions - 1) * stride < size + low.
  return (room.ceilDiv(stride) + 1).min((size + low).ceilDiv(stride));
}

LogicalResult tenon::verifySizeCount(Operation *op, RankedTensorType type, ValueRange sizes) {
  if (static_cast<int64_t>(sizes.size()) == static_cast<int64_t>(type.getNumDynamicDims()))
    return success();
  return op->emitOpError() << "expected one size operand for each of the " << type.getNumDynamicDims()
                           << " dynamic dimensions of " << type << ", found " << sizes.size();
}

LogicalResult tenon::verifyAxis(Operation *op, int64_t axis, int64_t rank) {
  if (axis >= 0 && axis < rank)
    return success();
  return op->emitOpError() << "expected an axis from 0 up to and without " << rank << ", found " << axis;
}

LogicalResult tenon::verifyRank(Operation *op, StringRef what, int64_t found, int64_t expected) {
  if (found == expected)
    return success();
  return op->emitOpError() << "expected rank " << expected << " for " << what << ", found " << found;
}

static std::string dimText(int64_t d) { return d == kDynamic ? "?" : std::to_string(d); }

LogicalResult tenon::verifyDim(Operation *op, const Twine &what, int64_t found, int64_t expected) {
  if (mayEqual(found, expected))
    return success();
  return op->emitOpError() << "expected size " << dimText(expected) << " for " << what << ", found "
                           << dimText(found);
}

LogicalResult tenon::verifyElementType(Operation *op, StringRef what, Type found, Type expected) {
  if (found == expected)
    return success();
  return op->emitOpError() << "expected element type " << expected << " for " << what << ", found " << found;
}

LogicalResult tenon::verifyShape(Operation *op, StringRef what, ArrayRef<int64_t> found,
                                 ArrayRef<int64_t> expected) {
  if (failed(verifyRank(op, what, found.size(), expected.size())))
    return failure();
  for (auto [d, f, e] : llvm::enumerate(found, expected))
    if (failed(verifyDim(op, "dimension " + Twine(d) + " of " + what, f, e)))
      return failure();
  return success();
}

LogicalResult tenon::verifyLength(Operation *op, StringRef what, size_t found, size_t expected) {
  if (found == expected)
    return success();
  return op->emitOpError() << "expected " << expected << " entries in '" << what << "', found " << found;
}

LogicalResult tenon::verifyAtLeast(Operation *op, StringRef what, ArrayRef<int64_t> found, int64_t least) {
  for (int64_t v : found)
    if (v < least)
      return op->emitOpError() << "expected entries of at least " << least << " in '" << what << "', found "
                               << v;
  return success();
}

LogicalResult tenon::verifyPadValue(Operation *op, Type inputElement, int64_t value) {
  if (value == 0)
    return success();
  auto type = dyn_cast<IntegerType>(inputElement);
  if (!type)
    return op->emitOpError() << "expected integer inputs with 'pad_value' " << value << ", found "
                             << inputElement;
  if (type.isUnsigned() ? value < 0 || !llvm::isUIntN(type.getWidth(), value)
                        : !llvm::isIntN(type.getWidth(), value))
    return op->emitOpError() << "expected a 'pad_value' that is an element of the input, " << inputElement
                             << ", found " << value;
  return success();
}

/// Sizes for inference from types alone: dynamic dimensions and index values are symbols of their own.
LogicalResult tenon::verifyInferred(Operation *op) {
  SizeContext context;
  SmallVector<Dims> operands, results;
  for (Value v : op->getOperands()) {
    Dims &dims = operands.emplace_back();
    if (auto type = dyn_cast<RankedTensorType>(v.getType()))
      for (int64_t d : type.getShape())
        dims.push_back(d == kDynamic ? context.fresh("?", 0, std::nullopt) : context.constant(d));
  }
  auto index = [&](Value) { return context.fresh("?", 0, std::nullopt); };
  if (failed(cast<SizeInferenceOpInterface>(op).inferSizes(context, operands, index, results)))
    return op->emitOpError("has operands whose shapes do not fit together");
  for (auto [i, v, dims] : llvm::enumerate(op->getResults(), results)) {
    auto type = dyn_cast<RankedTensorType>(v.getType());
    if (!type)
      continue;
    SmallVector<int64_t> expected =
        llvm::map_to_vector(dims, [](Size s) { return s.constant().value_or(kDynamic); });
    if (failed(verifyShape(op, ("result " + Twine(i)).str(), type.getShape(), expected)))
      return failure();
  }
  return success();
}

DictionaryAttr tenon::symbolAttr(MLIRContext *context, const SymbolInfo &info) {
  Builder b(context);
  NamedAttrList list;
  list.append("name", b.getStringAttr(info.name));
  list.append("min", b.getI64IntegerAttr(info.min));
  if (info.max)
    list.append("max", b.getI64IntegerAttr(*info.max));
  list.append("multiple_of", b.getI64IntegerAttr(info.multipleOf));
  list.append("likely", b.getDenseI64ArrayAttr(info.likely));
  return list.getDictionary(context);
}

SymbolInfo tenon::symbolInfo(DictionaryAttr attr) {
  SymbolInfo info;
  if (auto name = attr.getAs<StringAttr>("name"))
    info.name = name.str();
  if (auto min = attr.getAs<IntegerAttr>("min"))
    info.min = min.getInt();
  if (auto max = attr.getAs<IntegerAttr>("max"))
    info.max = max.getInt();
  if (auto multiple = attr.getAs<IntegerAttr>("multiple_of"))
    info.multipleOf = std::max<int64_t>(multiple.getInt(), 1);
  if (auto likely = attr.getAs<DenseI64ArrayAttr>("likely"))
    info.likely.assign(likely.asArrayRef().begin(), likely.asArrayRef().end());
  return info;
}
