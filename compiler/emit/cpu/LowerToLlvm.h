//===- LowerToLlvm.h - kernel functions to the LLVM dialect -------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/CpuTarget.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Support/LLVM.h"

namespace tenon::cpu {

/// Turns func/scf/cf/arith/index/math/vector(1-D)/ub operations into the LLVM dialect; math functions become
/// arithmetic. Fails with a diagnostic on what it does not know.
mlir::LogicalResult lowerToLlvm(mlir::ModuleOp module, const CpuTarget &target);

} // namespace tenon::cpu
