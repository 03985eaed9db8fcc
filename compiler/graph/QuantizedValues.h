//===- QuantizedValues.h - what passes ask of quantized tensors
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/SizeRules.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

namespace tenon {

/// True for a scale or zero point that is one number.
inline bool isPerTensor(mlir::Value parameter) {
  mlir::RankedTensorType type = tensorType(parameter);
  return type.hasStaticShape() && type.getNumElements() == 1;
}

/// The elements of a constant in row-major order, also when it is given another shape.
inline mlir::DenseElementsAttr constantElements(mlir::Value v) {
  while (mlir::Operation *op = v.getDefiningOp()) {
    bool ordered = mlir::isa<ReshapeOp, mlir::tensor::CastOp>(op);
    // A transpose of what extends along one dimension only.
    if (auto transpose = mlir::dyn_cast<TransposeOp>(op))
      ordered = llvm::count_if(transpose.getType().getShape(), [](int64_t d) { return d != 1; }) <= 1;
    if (!ordered)
      break;
    v = op->getOperand(0);
  }
  mlir::DenseElementsAttr elements;
  mlir::matchPattern(v, mlir::m_Constant(&elements));
  return elements;
}

/// The one value of an integer constant whose elements are equal; 0 for an absent zero point.
inline std::optional<int64_t> uniformInteger(mlir::Value v) {
  if (!v)
    return 0;
  mlir::DenseElementsAttr elements = constantElements(v);
  if (!elements || elements.empty() || !mlir::isa<mlir::IntegerType>(elements.getElementType()))
    return std::nullopt;
  auto values = elements.getValues<llvm::APInt>();
  if (!llvm::all_equal(values))
    return std::nullopt;
  llvm::APInt first = *values.begin();
  return elements.getElementType().isUnsignedInteger() ? static_cast<int64_t>(first.getZExtValue())
                                                       : first.getSExtValue();
}

/// Equal numbers: the same value, or equal constants; absent ones are equal.
inline bool sameParameter(mlir::Value a, mlir::Value b) {
  if (a == b)
    return true;
  if (!a || !b)
    return false;
  mlir::DenseElementsAttr x = constantElements(a), y = constantElements(b);
  return x && y && x.getElementType() == y.getElementType() && x.getNumElements() == y.getNumElements() &&
         x.getRawData() == y.getRawData();
}

} // namespace tenon
