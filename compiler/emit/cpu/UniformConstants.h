//===- UniformConstants.h - constants of one number in a kernel's region
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/TenonDialect.h"

namespace tenon::cpu {

/// The elements of the constant that `v` is, repeated or in another shape, where they are all the same.
inline mlir::DenseElementsAttr uniformElements(mlir::Value v) {
  while (mlir::isa_and_nonnull<BroadcastOp, ReshapeOp>(v.getDefiningOp()))
    v = v.getDefiningOp()->getOperand(0);
  auto constant = v.getDefiningOp<ConstantOp>();
  auto elements =
      constant ? mlir::dyn_cast<mlir::DenseElementsAttr>(constant.getValue()) : mlir::DenseElementsAttr();
  return elements && elements.isSplat() ? elements : mlir::DenseElementsAttr();
}

/// The f32 number that all elements of a constant are.
inline std::optional<float> uniformNumber(mlir::Value v) {
  mlir::DenseElementsAttr elements = uniformElements(v);
  return elements && elements.getElementType().isF32() ? std::optional(elements.getSplatValue<float>())
                                                       : std::nullopt;
}

/// The operand of a binary operation beside one that is a known number.
template <typename OpTy>
std::optional<std::pair<mlir::Value, float>> withNumber(mlir::Value v, bool commutes) {
  auto op = v.getDefiningOp<OpTy>();
  if (!op)
    return std::nullopt;
  if (std::optional<float> right = uniformNumber(op.getRhs()))
    return std::pair(op.getLhs(), *right);
  if (std::optional<float> left = uniformNumber(op.getLhs()); left && commutes)
    return std::pair(op.getRhs(), *left);
  return std::nullopt;
}

} // namespace tenon::cpu
