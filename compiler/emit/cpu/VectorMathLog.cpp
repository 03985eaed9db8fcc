//===- VectorMathLog.cpp - logarithms and powers ------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compiler/emit/cpu/VectorMathFunctions.h"
#include <cmath>
#include <limits>

using namespace mlir;

namespace tenon::cpu::vmath {

static constexpr double kInfinity = std::numeric_limits<double>::infinity();
static constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

namespace {
/// x = mantissa * 2^exponent with the mantissa in [sqrt(1/2), sqrt 2); for positive finite x, denormal ones
/// included.
struct SplitNumber {
  Real exponent;
  Real fraction; // mantissa - 1
};
} // namespace

static SplitNumber splitNumber(Real x) {
  Emitter &e = *x.e;
  int64_t rootHalf = e.isDouble() ? 0x3fe6a09e667f3bcd : 0x3f3504f3;
  Mask tiny = x < (e.isDouble() ? 2.2250738585072014e-308 : 1.17549435e-38);
  double lift = std::ldexp(1.0, e.fractionBits() + 1);
  Bits offset = select(tiny, x * lift, x).bits() - rootHalf;
  Real mantissa = asReal((offset & ((int64_t{1} << e.fractionBits()) - 1)) + rootHalf);
  Real exponent = [&] {
    if (!e.isDouble())
      return toReal(offset.sar(e.fractionBits()));
    // Few instruction sets convert 64-bit integers: put the small number into the fraction of 1.5 * 2^52
    // instead.
    constexpr int64_t magic = 0x4338000000000000;
    return asReal(offset.sar(52) + magic) - 6755399441055744.0;
  }();
  return {exponent + select(tiny, x.constant(-1.0 - e.fractionBits()), 0.0), mantissa - 1.0};
}

/// The results for zero, negative numbers, infinity and NaN around `value`.
static Real logOfSpecial(Real x, Real value) {
  Real result = select(x < kInfinity, value, x); // infinity, NaN
  result = select(x == 0.0, -kInfinity, result);
  return select(x < 0.0, kNan, result);
}

// (log(1+f) - f + f^2/2) / f^3 on [sqrt(1/2) - 1, sqrt 2 - 1].
static constexpr double kLogF32[] = {0.333333168088444891,  -0.250007965767258193, 0.200022811610348454,
                                     -0.166249686552601081, 0.141814436175052136,  -0.131253273740693301,
                                     0.128790742162884275,  -0.0786522661850865955};
// (2 atanh(s)/s - 2) / s^2 in s^2, for log(1+f) = 2 atanh(f/(2+f)).
static constexpr double kLogF64[] = {0.666666666666666664, 0.400000000000009413, 0.285714285707644501,
                                     0.222222224005477573, 0.181817947008977996, 0.15386290534658992,
                                     0.132674185964748834, 0.131007213835034914};

/// log(1+f) for f64 as f - correction: the large term stays exact.
static Real logCorrection(Real f) {
  Real s = f / (f + 2.0);
  Real u = s * s;
  Real halfSquare = f * f * 0.5;
  // log(1+f) = f - (f^2/2 - s (f^2/2 + u R(u))); the form of fdlibm's e_log.c.
  return halfSquare - s * fma(u, polynomial(u, kLogF64), halfSquare);
}

Real log(Real x) {
  constexpr double ln2 = 0.69314718055994530942;
  SplitNumber n = splitNumber(x);
  Real f = n.fraction;
  if (x.e->isDouble()) {
    // The high part has 21 trailing zeros, so that its product with an exponent is exact.
    constexpr double high = 6.93147180369123816490e-01, low = 1.90821492927058770002e-10;
    Real tail = logCorrection(f) - n.exponent * low;
    return logOfSpecial(x, fma(n.exponent, high, f - tail));
  }
  Real u = f * f;
  Real tail = fma(u, -0.5, polynomial(f, kLogF32) * u * f);
  constexpr double high = 0.693359375, low = ln2 - high;
  return logOfSpecial(x, fma(n.exponent, high, f + fma(n.exponent, low, tail)));
}

/// exponent * perExponent + log(mantissa) * factor
static Real scaledLog(Real x, double perExponent, double factor) {
  SplitNumber n = splitNumber(x);
  Real mantissa = n.fraction - logCorrection(n.fraction);
  return logOfSpecial(x, fma(n.exponent, perExponent, mantissa * factor));
}

Real log2(Real x) { return scaledLog(x, 1.0, 1.4426950408889634074); }
Real log10(Real x) { return scaledLog(x, 0.30102999566398119521, 0.43429448190325182765); }

Real log1p(Real x) {
  // log(u) with u = 1 + x rounded, and what the rounding lost.
  Real u = x + 1.0;
  Real whole = log(u);
  Real lost = (x - (u - 1.0)) / u;
  return select((u > 0.0) & (u < kInfinity), whole + lost, whole).withSign(x);
}

Real asinh(Real x) {
  Real a = x.abs();
  Real square = a * a;
  Real moderate = log1p(a + square / ((square + 1.0).sqrt() + 1.0));
  return select(a > 1e9, log(a) + 0.69314718055994530942, moderate).withSign(x);
}

Real acosh(Real x) {
  Real t = x - 1.0;
  Real moderate = log1p(t + (t * (t + 2.0)).sqrt());
  Real result = select(x > 1e9, log(x) + 0.69314718055994530942, moderate);
  return select(x < 1.0, kNan, result);
}

Real atanh(Real x) {
  Real a = x.abs();
  return (log1p((a * 2.0) / (x.constant(1.0) - a)) * 0.5).withSign(x);
}

Real cbrt(Real x) {
  // Newton's step cubes: small numbers are scaled by 2^162, whose root is 2^54.
  Real magnitude = x.abs();
  Mask small = magnitude < 1e-290;
  Real a = select(small, magnitude * 0x1p162, magnitude);
  Real t = exp(log(a) * (1.0 / 3.0));
  Real root = t - (t * t * t - a) / (t * t * 3.0);
  Real result = select(small, root * 0x1p-54, root).withSign(x);
  return select((magnitude > 0.0) & (magnitude < kInfinity), result, x);
}

Real pow(Real x, Real y) {
  // An infinite y would meet log 1 = 0; a huge one does the same.
  constexpr double huge = 1e300;
  Real a = x.abs();
  Real power = exp(y.atLeast(-huge).atMost(huge) * log(a));
  // A negative base: the sign of odd powers, and no value for powers that are no integers.
  Mask negative = x < 0.0;
  Mask integer = y.trunc() == y;
  Real half = y * 0.5;
  Mask odd = integer & !(half.trunc() == half);
  Real signedPower = select(odd, power.withSign(x), power);
  Real noValue = select(negative & !integer & (a < kInfinity), kNan, signedPower);
  return select((y == 0.0) | (x == 1.0), 1.0, noValue);
}

} // namespace tenon::cpu::vmath
