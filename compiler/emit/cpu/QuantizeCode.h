//===- QuantizeCode.h - floating numbers to bytes in few instructions
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Quantizing is min(max(round(x / scale) + zero, low), high) in f32, converted to a byte. With a constant
// scale and zero point the same bytes come from
//
//   y = clamp(x, scale * (low - zero), scale * (high - zero))
//   c = y * r + y * (1 / scale - r)   with r = 1 / scale and a fused multiply-add
//   byte = nearest integer of c, which the conversion itself takes, + zero
//
// c is the quotient but for a last bit, which matters only beside the middle between two integers: every
// float there is tried when the code is made, and where one differs, the division stays.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/KernelBuilder.h"

namespace tenon::cpu {

/// The operations that quantize x, from the cast to a byte backwards.
struct Quantization {
  mlir::Value x;                        ///< f32 tensor
  float scale = 1, least = 0, most = 0; ///< bounds of x beyond which the result does not change
  int64_t zero = 0;
  bool isUnsigned = true;
};
/// What `cast` is the end of; none where the parts are others, are not constant, or the proof fails.
std::optional<Quantization> matchQuantization(mlir::Operation *cast);

/// What `cast` widens to i32, where that is a byte that was quantized without a sign and has no other form in
/// memory: the integers are at hand before they become bytes.
std::optional<Quantization> matchWidenedQuantization(mlir::Operation *cast);

/// x / scale, for x within the bounds beyond which the byte does not change.
mlir::Value emitQuotient(KernelBuilder &k, const Quantization &how, mlir::Value x, unsigned lanes);
/// The nearest integer, in i32; in the middle the even one.
mlir::Value emitNearest(KernelBuilder &k, mlir::Value x, unsigned lanes);
/// The integers, in i32, of a scalar or vector of x. Only without a sign: signed, NaN becomes its 0 as a
/// byte.
mlir::Value emitQuantizedIntegers(KernelBuilder &k, const Quantization &how, mlir::Value x, unsigned lanes);
/// The bytes (i8) of a scalar or vector of x. Those of several registers narrow best.
mlir::Value emitQuantization(KernelBuilder &k, const Quantization &how, mlir::Value x, unsigned lanes);
/// Whether so many integers narrow together, by instructions that saturate.
bool packsBytes(const CpuTarget &target, unsigned lanes);
/// The bytes (i8) of i32 integers after `zero` is added: the least or the most one for what lies beyond.
mlir::Value packBytes(KernelBuilder &k, mlir::Value integers, int64_t zero, bool isUnsigned, unsigned lanes);

} // namespace tenon::cpu
