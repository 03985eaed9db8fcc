//===- Bf16Pairs.h - f32 rounded to bf16 in groups of two
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/KernelBuilder.h"

namespace tenon::cpu {

/// Each lane, an i32, holds the lanes of two vectors (or scalars) of f32 rounded to bf16: `even` in its low
/// half.
mlir::Value bf16Pairs(KernelBuilder &k, mlir::Value even, mlir::Value odd, unsigned lanes);

} // namespace tenon::cpu
