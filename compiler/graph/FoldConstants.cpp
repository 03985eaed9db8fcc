//===- FoldConstants.cpp - evaluate operations on constants --------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compiler/graph/FoldConstants.h"
#include "compiler/graph/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Matchers.h"
#include "reference/Interpreter.h"

using namespace mlir;
using namespace tenon;
using reference::Tensor;

/// The value of a constant, also when its sizes are hidden by a cast.
static std::optional<Tensor> constantValue(Value v) {
  while (auto cast = v.getDefiningOp<tensor::CastOp>())
    v = cast.getSource();
  Attribute value;
  if (!matchPattern(v, m_Constant(&value)))
    return std::nullopt;
  if (auto elements = dyn_cast<ElementsAttr>(value))
    return Tensor::fromAttribute(elements);
  auto integer = dyn_cast<IntegerAttr>(value);
  std::optional<reference::DType> dtype = reference::dtypeOf(v.getType());
  if (!integer || !dtype)
    return std::nullopt;
  int64_t number = integer.getType().isInteger(1) ? integer.getValue().getZExtValue() : integer.getInt();
  return Tensor::fromInts(*dtype, {}, number);
}

/// The most bytes that the results take as far as their types tell; checked before the work is done.
static int64_t knownBytes(Operation *op) {
  int64_t bytes = 0;
  for (Type type : op->getResultTypes())
    if (auto shaped = dyn_cast<RankedTensorType>(type); shaped && shaped.hasStaticShape()) {
      int64_t size = (shaped.getElementTypeBitWidth() + 7) / 8;
      for (int64_t d : shaped.getShape())
        if (__builtin_mul_overflow(size, d, &size))
          return std::numeric_limits<int64_t>::max();
      if (__builtin_add_overflow(bytes, size, &bytes))
        return std::numeric_limits<int64_t>::max();
    }
  return bytes;
}

static TypedAttr attributeOf(const Tensor &value, Type type) {
  if (auto shaped = dyn_cast<RankedTensorType>(type))
    return value.toAttribute(RankedTensorType::get(value.dims(), shaped.getElementType()));
  return IntegerAttr::get(type, value.firstInt());
}

/// Dequantized constants stay: products want their integers (FormIntegerProducts), the rest folds once
/// decomposed.
static bool isFoldable(Operation *op, int64_t maxBytes) {
  bool isScalarOrTensor = llvm::all_of(op->getResultTypes(), [](Type t) {
    return isa<RankedTensorType>(t) || t.isIndex() || t.isSignlessInteger();
  });
  return op->getNumResults() > 0 && op->getNumRegions() == 0 && isScalarOrTensor &&
         !op->hasTrait<OpTrait::ConstantLike>() && !isa<tensor::CastOp, DequantizeOp>(op) &&
         isMemoryEffectFree(op) && reference::canEvaluate(op) && knownBytes(op) <= maxBytes;
}

FailureOr<llvm::SmallVector<TypedAttr>> tenon::evaluateOnConstants(Operation *op, int64_t maxBytes) {
  if (!isFoldable(op, maxBytes))
    return failure();
  llvm::SmallVector<Tensor> operands;
  for (Value operand : op->getOperands()) {
    std::optional<Tensor> value = constantValue(operand);
    if (!value)
      return failure();
    operands.push_back(*value);
  }
  // An operation that cannot be evaluated is not an error of the model: it may never run.
  ScopedDiagnosticHandler quiet(op->getContext(), [](Diagnostic &) { return success(); });
  FailureOr<llvm::SmallVector<Tensor>> results = reference::evaluateOp(op, operands);
  if (failed(results))
    return failure();
  int64_t bytes = 0;
  llvm::SmallVector<TypedAttr> attributes;
  for (auto [value, type] : llvm::zip_equal(*results, op->getResultTypes())) {
    bytes += value.bytes().size();
    attributes.push_back(attributeOf(value, type));
  }
  if (bytes > maxBytes)
    return failure();
  return attributes;
}

namespace tenon {
#define GEN_PASS_DEF_FOLDCONSTANTS
#include "compiler/graph/Passes.h.inc"
} // namespace tenon

namespace {

struct FoldConstantsPass : tenon::impl::FoldConstantsBase<FoldConstantsPass> {
  using FoldConstantsBase::FoldConstantsBase;

  /// Users rely on the type of the value, so a dynamic type is kept by a cast.
  static Value materialize(OpBuilder &builder, Location loc, TypedAttr value, Type type) {
    auto elements = dyn_cast<ElementsAttr>(value);
    if (!elements)
      return arith::ConstantOp::create(builder, loc, value);
    Value constant = ConstantOp::create(builder, loc, elements.getType(), elements);
    return constant.getType() == type ? constant
                                      : tensor::CastOp::create(builder, loc, type, constant).getResult();
  }

  void runOnOperation() override {
    // Definitions are visited before their users, so chains fold in one walk.
    getOperation().walk([&](Operation *op) {
      FailureOr<llvm::SmallVector<TypedAttr>> values = evaluateOnConstants(op, maxBytes);
      if (failed(values))
        return;
      OpBuilder builder(op);
      for (auto [result, value] : llvm::zip_equal(op->getResults(), *values))
        result.replaceAllUsesWith(materialize(builder, op->getLoc(), value, result.getType()));
      op->erase();
      ++folded;
    });
  }
};

} // namespace
