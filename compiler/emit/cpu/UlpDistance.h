//===- UlpDistance.h - errors in units of the last place ----------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

namespace tenon::cpu::test {

/// The unit of the last place of T's numbers of the size of `value`, which is finite; that of subnormal
/// numbers near zero.
template <typename T, typename Value> Value unitOfLastPlace(Value value) {
  using Limits = std::numeric_limits<T>;
  int exponent =
      value == 0 ? Limits::min_exponent - 1 : std::max(std::ilogb(value), Limits::min_exponent - 1);
  exponent = std::min(exponent, Limits::max_exponent - 1);
  return std::ldexp(Value(1), exponent - (Limits::digits - 1));
}

/// The distance of `found` from `truth` in units of the last place of T at `truth`. NaN for NaN is no
/// distance; the largest finite number is one unit away from infinity.
template <typename T, typename Truth> double ulpDistance(T found, Truth truth) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  T nearest = static_cast<T>(truth);
  if (std::isnan(truth) || std::isnan(found))
    return std::isnan(truth) && std::isnan(found) ? 0 : infinity;
  if (nearest == found && std::isinf(found))
    return 0;
  if (std::isinf(found))
    return std::abs(truth) > std::numeric_limits<T>::max() * (1 - 2 * std::numeric_limits<T>::epsilon())
               ? 1
               : infinity;
  return static_cast<double>(std::abs(found - truth) / unitOfLastPlace<T>(truth));
}

} // namespace tenon::cpu::test
