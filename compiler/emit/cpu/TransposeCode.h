//===- TransposeCode.h - matrices in registers
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/KernelBuilder.h"

namespace tenon::cpu {

/// Lane c of row r becomes lane r of row c; as many rows as lanes. Swaps blocks of 1, 2, 4, ... (Eklundh, "A
/// fast computer method for matrix transposing", 1972).
llvm::SmallVector<mlir::Value> transposed(KernelBuilder &k, llvm::SmallVector<mlir::Value> rows);

} // namespace tenon::cpu
