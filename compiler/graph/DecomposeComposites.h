//===- DecomposeComposites.h - composites become core operations -----------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace tenon {

/// Replaces every composite of a function for which `keep` does not hold, until none is left. Fails with a
/// diagnostic at an operation that cannot be decomposed.
llvm::LogicalResult decomposeComposites(mlir::func::FuncOp function,
                                        llvm::function_ref<bool(mlir::Operation *)> keep);

} // namespace tenon
