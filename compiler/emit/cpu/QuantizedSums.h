//===- QuantizedSums.h - sums of two bytes to one byte
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A sum of two dequantized bytes has no more than 65536 values. Quantized again it is
//
//   byte = nearest integer of a * A + (b * B + C), clamped
//
// with bytes a and b, if some A and B beside the quotients of the scales prove right for all pairs when the
// code is made.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/QuantizeCode.h"

namespace tenon::cpu {

/// A sum of dequantized bytes that is quantized.
struct QuantizedSum {
  struct Part {
    mlir::Value bytes; ///< what is dequantized
    int64_t zero = 0;  ///< its zero point
    bool isUnsigned = true;
    std::optional<Quantization> fresh; ///< how `bytes` come about, where no memory has them
    float factor = 1;                  ///< A or B
  };
  Part a, b;
  float offset = 0; ///< C
  bool isUnsigned = true;
};
/// The sum that `how` quantizes; none where its parts are others or no factors prove right. `inKernel` tells
/// the bytes that have no other form than their computation.
std::optional<QuantizedSum> matchQuantizedSum(const Quantization &how,
                                              llvm::function_ref<bool(mlir::Value)> inKernel);

/// The bytes (i8) of a sum; `x` and `y` are, of either part, the values that it quantizes or the bytes.
mlir::Value emitQuantizedSum(KernelBuilder &k, const QuantizedSum &sum, mlir::Value x, mlir::Value y,
                             unsigned lanes);

} // namespace tenon::cpu
