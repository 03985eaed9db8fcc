//===- ProductKernel.h - a kernel of multiply-accumulates as the matrix unit sees it --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/segment/KernelConstants.h"
#include "compiler/emit/mortise/tile/Product.h"

namespace tenon::npu {

/// The product of a region, and how much of what follows it the drain does.
struct ProductKernel {
  Product layer;
  mlir::Operation *product = nullptr; ///< in the region
  mlir::Value image;                  ///< the left operand, in the region
  mlir::Value filter;                 ///< the right operand, in the region
  mlir::Value drained;                ///< what the drain stores
  std::vector<uint8_t> weights;       ///< packed for the machine
};

/// Reads a kernel of the families contraction and conv. Where it does not fit the machine, `why` says what
/// is in the way.
std::optional<ProductKernel> readProduct(KernelOp kernel, const mortise::Hardware &hardware,
                                         const WeightBytes &weights, std::string &why);

} // namespace tenon::npu
