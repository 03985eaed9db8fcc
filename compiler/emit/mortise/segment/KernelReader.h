//===- KernelReader.h - what readers of kernel regions share --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/TenonDialect.h"
#include "isa/mortise/Hardware.h"

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
  /// What the region yields first.
  mlir::Value result() { return kernel.getBody().front().getTerminator()->getOperand(0); }

  KernelOp kernel;
  const mortise::Hardware &hardware;
  std::string &why;
};

} // namespace tenon::npu
