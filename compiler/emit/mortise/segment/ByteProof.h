//===- ByteProof.h - functions of one or two bytes in few operations --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A sum of two quantized tensors dequantizes both, adds, and quantizes: a dozen operations in f32. As there
// are 65536 pairs of bytes, all can be tried: two multiply-adds and a conversion are the same function where
// they agree on each of them.
//
//===----------------------------------------------------------------------===//
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

namespace tenon::npu {

/// clamp(nearest(fma(x, a, fma(y, b, c))), low, high), with ties to even.
struct ByteForm {
  float a = 0, b = 0, c = 0;
  int32_t low = 0, high = 0;

  int32_t operator()(int32_t x, int32_t y) const;
};

/// The values that a byte can have: 0 to 255, or -128 to 127.
struct ByteRange {
  int32_t low = 0, high = 255;
};

/// A function of two bytes: the byte, and the number that is rounded to it (plus a whole number) if nothing
/// before is rounded. A function of one byte has a second range of one value.
struct ByteFunction {
  std::function<int32_t(int32_t, int32_t)> byte;
  std::function<double(int32_t, int32_t)> rounded;
  ByteRange first, second;
};

/// The form that agrees with the function on all bytes; nothing where none near its slopes does.
std::optional<ByteForm> byteForm(const ByteFunction &function);

} // namespace tenon::npu
