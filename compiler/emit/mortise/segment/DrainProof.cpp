//===- DrainProof.cpp - requantization that the drain does exactly --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/DrainProof.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tenon::npu {

using Kind = RequantizeStep::Kind;

float Requantization::evaluate(int32_t sum, float channelScale) const {
  float x = static_cast<float>(sum) * channelScale;
  for (const RequantizeStep &step : steps)
    switch (step.kind) {
    case Kind::Multiply:
      x *= step.value;
      break;
    case Kind::Divide:
      x /= step.value;
      break;
    case Kind::Maximum:
      x = std::max(x, step.value);
      break;
    case Kind::Minimum:
      x = std::min(x, step.value);
      break;
    case Kind::Round:
      x = std::nearbyint(x);
      break;
    case Kind::Add:
      x += step.value;
      break;
    }
  return x;
}

std::optional<ExactDrain> exactDrain(const Requantization &r) {
  constexpr int32_t least = std::numeric_limits<int32_t>::min(), most = std::numeric_limits<int32_t>::max();
  ExactDrain drain;
  bool rounded = false;
  for (const RequantizeStep &step : r.steps)
    switch (step.kind) {
    case Kind::Divide:
      if (rounded || drain.step != 0 || !(step.value > 0) || !std::isfinite(step.value))
        return std::nullopt;
      drain.step = step.value;
      break;
    case Kind::Round:
      if (rounded)
        return std::nullopt;
      rounded = true;
      break;
    case Kind::Add:
      if (!rounded || step.value != std::nearbyint(step.value))
        return std::nullopt;
      drain.zero += int64_t(step.value);
      break;
    case Kind::Multiply:
      return std::nullopt; // a second product rounds a second time
    case Kind::Maximum:
    case Kind::Minimum:
      break;
    }
  bool rises = !r.scale.empty() && std::all_of(r.scale.begin(), r.scale.end(),
                                               [](float scale) { return scale > 0 && std::isfinite(scale); });
  if (!rounded || !rises)
    return std::nullopt;
  // The clamps are where the function ends; a channel of small scale may not reach as far.
  float largest = *std::max_element(r.scale.begin(), r.scale.end());
  float low = r.evaluate(least, largest), high = r.evaluate(most, largest);
  if (!(low >= -128 && high <= 255 && low <= high))
    return std::nullopt;
  drain.low = int64_t(low);
  drain.high = int64_t(high);
  return drain;
}

} // namespace tenon::npu
