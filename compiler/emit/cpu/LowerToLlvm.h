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

/// Expands everything of bf16 into f32 arithmetic and 16-bit integers, for CPUs without instructions for it;
/// part of `lowerToLlvm`. Conversions round to nearest even, arithmetic rounds after each operation.
void lowerBf16(mlir::ModuleOp module);

} // namespace tenon::cpu
