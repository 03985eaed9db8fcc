//===- DrainChain.h - what the drain does of a product's epilogue --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/segment/KernelConstants.h"
#include "compiler/emit/mortise/tile/Product.h"

namespace tenon::npu {

/// The longest chain of operations behind a product that the drain computes exactly.
struct DrainChain {
  DrainForm form;
  mlir::Value result;
  std::vector<uint32_t> bias, scale; ///< words of the tables, one or one for each channel; empty: none
};
DrainChain drainChain(mlir::Value product, const KernelConstants &constants);

} // namespace tenon::npu
