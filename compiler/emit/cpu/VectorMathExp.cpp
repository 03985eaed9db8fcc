//===- VectorMathExp.cpp - exponentials ---------------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compiler/defects/PlantedDefect.h"
#include "compiler/emit/cpu/VectorMathFunctions.h"
#include <cmath>

using namespace mlir;

namespace tenon::cpu::vmath {

namespace {
/// e^x = (1 + fraction) * scale * scale. The power of two is split into two equal factors, each of which is
/// always a normal number: results overflow and underflow as they should, for two multiplications instead of
/// one.
struct SplitExp {
  Real fraction; // e^r - 1 with |r| <= ln 2
  Real scale;
};
} // namespace

// (e^r - 1 - r) / r^2 on [-ln 2, ln 2].
static constexpr double kExpF32[] = {0.500000343640410999,   0.166666142500685306,   0.0416612886139164449,
                                     0.00833610264142253205, 0.00141041394178471134, 0.0001961106486352836};
static constexpr double kExpF64[] = {
    0.499999999999999987,   0.166666666666666534,   0.0416666666666672549,    0.00833333333333780161,
    0.00138888888888053175, 0.00019841269835913957, 0.0000248015873542289453, 2.75573222808468815e-6,
    2.75573030355817516e-7, 2.50512077022171635e-8, 2.08790484674685801e-9,   1.61913104605110743e-10,
    1.13783274083916567e-11};

static Real expFraction(Real r) {
  ArrayRef<double> table = r.e->isDouble() ? ArrayRef<double>(kExpF64) : ArrayRef<double>(kExpF32);
  SmallVector<double> coefficients(table);
  if (planted(Defect::ExpCoefficient))
    coefficients[1] *= 1.001;
  return fma(polynomial(r, coefficients), r * r, r);
}

/// x * `factor`, rounded to an integer n; 2^n is made by shifting n, which the addition of a large constant
/// leaves in the low bits, into the exponent.
static std::pair<Real, Real> roundedExponent(Real x, double factor) {
  Emitter &e = *x.e;
  double magic = 1.5 * std::ldexp(1.0, e.fractionBits()) + e.exponentBias();
  Real shifted = fma(x, factor, magic);
  Real scale = asReal(shifted.bits().shl(e.fractionBits()));
  return {shifted - magic, scale};
}

static SplitExp splitExp(Real x) {
  constexpr double twoLn2 = 1.3862943611198906188;
  // The high parts have as many bits as the type; the products are exact inside the fused operation.
  double high = x.e->isDouble() ? twoLn2 : static_cast<double>(static_cast<float>(twoLn2));
  double low = x.e->isDouble() ? 4.638093627692599e-17 : twoLn2 - high;
  auto [n, scale] = roundedExponent(x, 0.72134752044448170368);
  Real r = fma(n, -low, fma(n, -high, x));
  return {expFraction(r), scale};
}

Real exp(Real x) {
  Real clamped = x.e->isDouble() ? x.atLeast(-746.0).atMost(710.0) : x.atLeast(-104.0).atMost(89.0);
  SplitExp s = splitExp(clamped);
  return fma(s.fraction, s.scale, s.scale) * s.scale;
}

// (e^r - 1 - r) / r^2 on [-ln 2 / 2, ln 2 / 2]: a minimax fit of the relative error of e^r (3.1e-9).
static constexpr double kExpHalfRangeF32[] = {0.49999993432066564, 0.166665203981671728,
                                              0.0416683907929740333, 0.00836874521282406775,
                                              0.00138145400785322572};

Real expAtMostZero(Real x) {
  if (x.e->isDouble())
    return exp(x);
  SmallVector<double> coefficients = {1.0, 1.0};
  llvm::append_range(coefficients, kExpHalfRangeF32);
  if (planted(Defect::ExpCoefficient))
    coefficients[2] *= 1.001;
  // x * log2 e, rounded to an integer n. Its product with ln 2 rounded to f32 is off by 2e-9 n: less than the
  // polynomial is where results count beside 1. Below 2^-126 the power of two has no normal number.
  auto [n, scale] = roundedExponent(x, 1.44269504088896340736);
  Real r = fma(n, -0.693147180559945309417, x);
  return select(x < -87.3365, 0.0, polynomial(r, coefficients) * scale);
}

Real exp2(Real x) {
  Real clamped = x.e->isDouble() ? x.atLeast(-1076.0).atMost(1025.0) : x.atLeast(-151.0).atMost(129.0);
  auto [n, scale] = roundedExponent(clamped, 0.5);
  Real r = fma(n, -2.0, clamped) * 0.69314718055994530942;
  return fma(expFraction(r), scale, scale) * scale;
}

Real expm1(Real x) {
  // scale * (scale * fraction + (scale - 1/scale)); for large x, where that overflows early, exp(x) itself.
  Real bounded = x.e->isDouble() ? x.atLeast(-40.0).atMost(600.0) : x.atLeast(-20.0).atMost(80.0);
  SplitExp s = splitExp(bounded);
  Real inverse = x.constant(1.0) / s.scale;
  Real small = s.scale * fma(s.scale, s.fraction, s.scale - inverse);
  // A result of -0 keeps its sign.
  return select(x > (x.e->isDouble() ? 500.0 : 40.0), exp(x), small).withSign(x);
}

Real sinh(Real x) {
  Real a = x.abs();
  Real m = expm1(a.atMost(30.0));
  Real small = (m + m / (m + 1.0)) * 0.5;
  Real half = exp(a * 0.5);
  return select(a > 25.0, half * (half * 0.5), small).withSign(x);
}

Real cosh(Real x) {
  Real half = exp(x.abs() * 0.5);
  Real e = half * half;
  return select(half > 1e150, half * (half * 0.5), (e + x.constant(1.0) / e) * 0.5);
}

// tanh(x)/x as P(x^2)/Q(x^2) on [0, 9.02]. A minimax fit (1.3e-9), whose coefficients were then moved by
// units of the last place to lower the error after rounding.
static constexpr double kTanhP[] = {1.0,
                                    0.13679909706115723,
                                    0.0038683207239955664,
                                    2.80073127214564e-05,
                                    3.058471875760915e-08,
                                    -1.220320546002629e-11};
static constexpr double kTanhQ[] = {1.0, 0.47013238072395325, 0.027245817705988884, 0.0003938617592211813,
                                    1.2873572359239915e-06};

Real tanh(Real x) {
  if (x.e->isDouble()) {
    Real m = expm1((x.abs() * 2.0).atMost(44.0));
    return (m / (m + 2.0)).withSign(x);
  }
  Real c = x.atLeast(-9.02).atMost(9.02);
  Real u = c * c;
  // Near the ends rounding errors would reach beyond 1.
  return (c * polynomial(u, kTanhP) / polynomial(u, kTanhQ)).atLeast(-1.0).atMost(1.0);
}

} // namespace tenon::cpu::vmath
