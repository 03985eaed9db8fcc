//===- ChannelConstants.h - what is the same for every pixel
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/SizeRules.h"
#include "compiler/dialect/tenon/TenonDialect.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/SetVector.h"

namespace tenon {

/// True for values that are known when the model is compiled: weights, constants, and what is computed from
/// these alone.
inline bool isConstantMath(mlir::Value v) {
  llvm::SetVector<mlir::Value> open;
  open.insert(v);
  for (size_t i = 0; i < open.size(); ++i) { // `open` grows
    mlir::Operation *op = open[i].getDefiningOp();
    if (!op)
      return false;
    if (mlir::isa<ConstantOp, GetWeightOp>(op) || (mlir::isa<IotaOp>(op) && op->getNumOperands() == 0))
      continue;
    if (op->getNumRegions() > 0 || op->getNumOperands() == 0 || !mlir::isPure(op))
      return false;
    open.insert_range(op->getOperands());
  }
  return true;
}

/// The operand, [1, .., 1, C] or a single element, of a broadcast that repeats its elements along the last
/// axis only; null where `v` is none.
inline mlir::Value perChannel(mlir::Value v) {
  auto broadcast = v.getDefiningOp<BroadcastOp>();
  if (!broadcast)
    return {};
  mlir::RankedTensorType type = tensorType(broadcast.getInput());
  bool along = type.getRank() > 0 && type.hasStaticShape() &&
               llvm::all_of(type.getShape().drop_back(), [](int64_t d) { return d == 1; });
  return along ? broadcast.getInput() : mlir::Value();
}

/// True if one operation uses the elements of `v`, besides those that ask for its sizes.
inline bool isReadOnce(mlir::Value v) {
  auto asksForSize = [](mlir::OpOperand &use) { return mlir::isa<mlir::tensor::DimOp>(use.getOwner()); };
  return llvm::count_if(v.getUses(), [&](mlir::OpOperand &use) { return !asksForSize(use); }) == 1;
}

} // namespace tenon
