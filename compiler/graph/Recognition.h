//===- Recognition.h - matching of what exporters make of composites -------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/TenonDialect.h"
#include "mlir/IR/PatternMatch.h"

namespace tenon {

/// The number that every element of `v` is, seen through broadcasts, reshapes and casts.
std::optional<double> scalarOf(mlir::Value v);
/// True when every element of `v` is `expected`, up to the rounding of f16 weights.
bool isScalar(mlir::Value v, double expected);
/// `v` without broadcasts and type casts around it.
mlir::Value withoutBroadcast(mlir::Value v);

/// The operand that is not the number, for OpTy(x, c) and, where OpTy commutes, OpTy(c, x).
template <typename OpTy> mlir::Value matchWithScalar(mlir::Value v, double &c) {
  auto op = v.getDefiningOp<OpTy>();
  if (!op)
    return {};
  if (auto found = scalarOf(op.getRhs()))
    return c = *found, op.getLhs();
  if (op->template hasTrait<mlir::OpTrait::IsCommutative>())
    if (auto found = scalarOf(op.getLhs()))
      return c = *found, op.getRhs();
  return {};
}

/// Patterns of `--tenon-recognize-composites`, by family.
void populateActivationRecognition(mlir::RewritePatternSet &patterns);
void populateNormRecognition(mlir::RewritePatternSet &patterns);
void populateAttentionRecognition(mlir::RewritePatternSet &patterns);

} // namespace tenon
