// Element types as numbers, with the rounding that the machine has: nearest, ties to even.
#pragma once

#include "isa/mortise/Isa.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace tenon::sim {

inline float fromBf16(uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); }

inline uint16_t toBf16(float value) {
  auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return uint16_t(bits >> 16 | 0x40); // a NaN stays one
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline float fromF16(uint16_t bits) {
  uint32_t sign = uint32_t(bits & 0x8000) << 16, exponent = bits >> 10 & 31, mantissa = bits & 0x3ff;
  if (exponent == 31)
    return std::bit_cast<float>(sign | 0x7f800000 | mantissa << 13);
  if (exponent == 0) {
    float value = std::ldexp(float(mantissa), -24);
    return sign ? -value : value;
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
}

inline uint16_t toF16(float value) {
  auto bits = std::bit_cast<uint32_t>(value);
  auto sign = uint16_t(bits >> 16 & 0x8000);
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000)
    return uint16_t(sign | 0x7e00);
  if (magnitude >= 0x477ff000) // 65520 and more round to infinity
    return uint16_t(sign | 0x7c00);
  if (magnitude < 0x38800000) // below the smallest normal: multiples of 2^-24
    return uint16_t(sign | uint16_t(std::nearbyint(std::ldexp(std::bit_cast<float>(magnitude), 24))));
  uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
  return uint16_t(sign | (rounded - (uint32_t(112) << 23)) >> 13);
}

template <typename T> T loadAs(const uint8_t *from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <typename T> void storeAs(uint8_t *to, T value) { std::memcpy(to, &value, sizeof value); }

/// `value` within the range of T; NaN gives 0.
template <typename T> T saturate(double value) {
  if (!(value == value))
    return 0;
  if (value <= double(std::numeric_limits<T>::min()))
    return std::numeric_limits<T>::min();
  return value >= double(std::numeric_limits<T>::max()) ? std::numeric_limits<T>::max() : T(value);
}

} // namespace tenon::sim
