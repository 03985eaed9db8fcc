//===- MatricesKernel.h - a product of computed matrices as the machine sees it --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/segment/KernelConstants.h"
#include "compiler/emit/mortise/tile/Matrices.h"

namespace tenon::npu {

/// The product of a region whose right operand is computed, what its sums begin with, and how much of what
/// follows the drain does.
struct MatricesKernel {
  Matrices matrices;
  mlir::Operation *product = nullptr;     ///< in the region
  mlir::Value left, right;                ///< operands, in the region
  mlir::Value drained;                    ///< what the drain stores
  std::vector<mlir::Value> startOperands; ///< in the region, as the start stage has them
  std::optional<CompiledKernel> startKernel;
  std::vector<uint32_t> bias, scale; ///< words of the drain's tables, one or one for each column

  /// The drain's tables as `Matrices` wants them; empty where there are none.
  std::vector<uint8_t> tables(const mortise::Hardware &hardware) const;
};

/// Whether the product of a kernel's region has a right operand that is no weight.
bool hasComputedRight(KernelOp kernel, const WeightBytes &weights);

/// Reads such a kernel. Where it does not fit the machine, `why` says what is in the way.
std::optional<MatricesKernel> readMatrices(KernelOp kernel, const mortise::Hardware &hardware,
                                           const WeightBytes &weights, std::string &why);

} // namespace tenon::npu
