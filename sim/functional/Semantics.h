// The functions that the expressions of the instruction table use. Integers wrap; shifts take their amount
// modulo the width; nothing is undefined.
#pragma once

#include "sim/functional/Numbers.h"

#include <type_traits>

namespace tenon::sim::semantics {

template <typename T> using Unsigned = std::make_unsigned_t<T>;
template <typename T> T wrapAdd(T a, std::type_identity_t<T> b) { return T(Unsigned<T>(a) + Unsigned<T>(b)); }
template <typename T> T wrapSub(T a, std::type_identity_t<T> b) { return T(Unsigned<T>(a) - Unsigned<T>(b)); }
template <typename T> T wrapMul(T a, std::type_identity_t<T> b) { return T(Unsigned<T>(a) * Unsigned<T>(b)); }
template <typename T> T shiftLeft(T a, std::type_identity_t<T> b) {
  return T(Unsigned<T>(a) << (b & (sizeof(T) * 8 - 1)));
}
template <typename T> T shiftRight(T a, std::type_identity_t<T> b) {
  return T(Unsigned<T>(a) >> (b & (sizeof(T) * 8 - 1)));
}
template <typename T> T shiftRightSigned(T a, std::type_identity_t<T> b) {
  return a >> (b & (sizeof(T) * 8 - 1));
}

inline int64_t joinHalves(int64_t high, int64_t low) { return shiftLeft(high, 32) | (low & 0xffffffff); }
inline int64_t divide(int64_t a, int64_t b) { return b == 0 ? 0 : b == -1 ? wrapSub(int64_t(0), a) : a / b; }
inline int64_t remainder(int64_t a, int64_t b) { return b == 0 ? a : b == -1 ? 0 : a % b; }

/// NaN loses against a number.
inline float maximum(float a, float b) { return std::fmax(a, b); }
inline float minimum(float a, float b) { return std::fmin(a, b); }
inline float absolute(float a) { return std::fabs(a); }
inline float floor(float a) { return std::floor(a); }
inline float roundEven(float a) { return std::nearbyint(a); }
inline float fma(float a, float b, float c) { return std::fma(a, b, c); }
inline float exp2(float a) { return std::exp2(a); }
inline float log2(float a) { return std::log2(a); }
inline float squareRoot(float a) { return std::sqrt(a); }
inline float tanh(float a) { return std::tanh(a); }

inline float asFloat(int32_t bits) { return std::bit_cast<float>(bits); }
inline int32_t asBits(float value) { return std::bit_cast<int32_t>(value); }
/// Nearest, ties to even, saturated; NaN gives 0.
inline int32_t toInteger(float a) { return saturate<int32_t>(std::nearbyint(double(a))); }

/// c + the four products of the signed bytes of a and b.
inline int32_t dotOfBytes(int32_t a, int32_t b, int32_t c) {
  for (int byte = 0; byte < 4; ++byte)
    c = wrapAdd(c, int32_t(int8_t(a >> (8 * byte))) * int8_t(b >> (8 * byte)));
  return c;
}

} // namespace tenon::sim::semantics
