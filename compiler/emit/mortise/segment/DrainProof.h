//===- DrainProof.h - requantization that the drain does exactly --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A quantized model says f32(sum) * scale, then perhaps a clamp, then round(x / step) + zero, then another
// clamp. The drain multiplies, divides, rounds and clamps once, at the end. Every operation rises with the
// sum, so that clamps may wait: the results are equal for every sum.
//
//===----------------------------------------------------------------------===//
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace tenon::npu {

/// An operation of a computation in f32 with one number.
struct RequantizeStep {
  enum class Kind : uint8_t { Multiply, Divide, Maximum, Minimum, Round, Add };
  Kind kind = Kind::Round;
  float value = 0;
};

/// What becomes of a sum: f32(sum) * scale, then the steps, whose result is a byte.
struct Requantization {
  std::vector<float> scale; ///< one, or one for each channel
  std::vector<RequantizeStep> steps;
  /// The byte, for a channel's scale.
  float evaluate(int32_t sum, float channelScale) const;
};

/// The drain's fields that give the same bytes.
struct ExactDrain {
  float step = 0; ///< 0: no division
  int64_t zero = 0, low = 0, high = 0;
};

/// Nothing where the steps are no such computation.
std::optional<ExactDrain> exactDrain(const Requantization &requantization);

} // namespace tenon::npu
