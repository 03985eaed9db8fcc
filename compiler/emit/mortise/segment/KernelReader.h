//===- KernelReader.h - what readers of kernel regions share --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/TenonDialect.h"
#include "compiler/emit/mortise/segment/LaneCode.h"
#include "compiler/emit/mortise/segment/TensorShape.h"
#include "compiler/emit/mortise/tile/Product.h"
#include "isa/mortise/Hardware.h"
#include "llvm/ADT/SetVector.h"

#include <optional>
#include <string>

namespace tenon::npu {

/// Reads a kernel for a machine; `why` gets the reason where the machine does not take it.
class KernelReader {
protected:
  KernelReader(KernelOp kernel, const mortise::Hardware &hardware, std::string &why)
      : kernel(kernel), hardware(hardware), why(why) {}

  std::nullopt_t refuse(const llvm::Twine &reason) {
    why = reason.str();
    return std::nullopt;
  }
  bool decline(const llvm::Twine &reason) {
    why = reason.str();
    return false;
  }
  /// Declines operations whose results have sizes that are not known.
  bool hasKnownSizes(mlir::Operation &op) {
    for (mlir::Value v : op.getResults())
      if (auto type = llvm::dyn_cast<mlir::RankedTensorType>(v.getType()); type && !type.hasStaticShape())
        return decline("sizes are not known when compiling");
    return true;
  }
  /// Calls `addLeaf` for each argument that a value is computed from, as far as values that are `known`.
  /// Declines operations that the vector core lacks.
  bool collectLeaves(mlir::Value root, llvm::function_ref<bool(mlir::Value)> isKnown,
                     llvm::function_ref<bool(mlir::Value)> addLeaf) {
    llvm::SetVector<mlir::Value> open;
    open.insert(root);
    for (size_t i = 0; i < open.size(); ++i) {
      mlir::Value value = open[i];
      if (isKnown(value))
        continue;
      if (llvm::isa<mlir::BlockArgument>(value)) {
        if (!addLeaf(value))
          return false;
        continue;
      }
      mlir::Operation *op = value.getDefiningOp();
      if (std::string reason = LaneCode::whyNot(op); !reason.empty())
        return decline(reason);
      if (!llvm::isa<ConstantOp>(op))
        for (mlir::Value operand : op->getOperands())
          if (llvm::isa<mlir::RankedTensorType>(operand.getType()))
            open.insert(operand);
    }
    return true;
  }
  /// The types that the array multiplies. Declines those that it lacks.
  bool readFactors(mlir::Type left, mlir::Type right, Product &product) {
    std::optional<mortise::Type> l = factorType(left), r = factorType(right);
    if (!l || !r)
      return decline(
          "the array multiplies 8-bit integers and bf16; quantize the model, or use --precision bf16");
    product.left = *l;
    product.right = *r;
    bool has = hardware.rate(*l) != 0 && hardware.rate(*r) != 0;
    return has || decline("the machine's array does not multiply this type");
  }
  /// What the region yields first.
  mlir::Value result() { return yieldedBy(kernel); }

  KernelOp kernel;
  const mortise::Hardware &hardware;
  std::string &why;

private:
  static std::optional<mortise::Type> factorType(mlir::Type element) {
    if (element.isUnsignedInteger(8))
      return mortise::Type::U8;
    if (element.isInteger(8))
      return mortise::Type::I8;
    if (element.isBF16())
      return mortise::Type::Bf16;
    return std::nullopt;
  }
};

} // namespace tenon::npu
