//===- RegionNumbers.h - a region's value for given numbers --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/TenonDialect.h"
#include "compiler/emit/mortise/segment/ByteProof.h"

namespace tenon::npu {

/// `result` as a function of bytes: one or two leaves, and steps of f32 and i32 arithmetic with constants.
/// `rounded` is what the last rounding takes. Nothing for other computations.
std::optional<ByteFunction> byteFunction(mlir::Value result, llvm::ArrayRef<mlir::Value> leaves);

} // namespace tenon::npu
