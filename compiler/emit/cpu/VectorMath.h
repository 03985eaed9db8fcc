//===- VectorMath.h - math operations become arithmetic -----------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/CpuTarget.h"
#include "mlir/IR/Operation.h"
#include "mlir/Support/LLVM.h"

namespace tenon::cpu {

/// On a `math.exp`: its argument is never positive, and results below the smallest normal number may be 0.
inline constexpr llvm::StringLiteral kAtMostZeroAttr = "tenon.at_most_zero";

/// Replaces every `math` operation under `root` that is not one instruction, `arith.remf`, and conversions
/// that x86 has no instruction for, on scalars and 1-D vectors. Arithmetic on f16 and bf16 is done in f32.
/// What remains maps to instructions without library calls. Fails on an operation or type that it does not
/// know (diagnostic on the operation).
mlir::LogicalResult expandVectorMath(mlir::Operation *root, const CpuTarget &target);

} // namespace tenon::cpu
