//===- RegionNumbers.h - a region's value for given numbers --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/TenonDialect.h"
#include "compiler/emit/mortise/segment/ByteProof.h"

#include <vector>

namespace tenon::npu {

/// `result` as a function of bytes: one or two leaves, and steps of f32 and i32 arithmetic with constants.
/// `rounded` is what the last rounding takes. Nothing for other computations.
std::optional<ByteFunction> byteFunction(mlir::Value result, llvm::ArrayRef<mlir::Value> leaves);

/// What a value is for each value of the byte that it depends on alone, by its lowest eight bits: floats, or
/// integers, of 32 bits. Nothing for computations without a form here.
std::optional<std::vector<uint32_t>> byteTable(mlir::Value value, mlir::Value byte);

} // namespace tenon::npu
