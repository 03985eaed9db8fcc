//===- VectorMathTrig.cpp - trigonometric functions ---------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compiler/emit/cpu/VectorMathFunctions.h"
#include <limits>

using namespace mlir;

namespace tenon::cpu::vmath {

static constexpr double kHalfPi = 1.57079632679489661923;

// (sin(r)/r - 1) / r^2 and (cos(r) - 1 + r^2/2) / r^4, in r^2, for |r| <= 0.8.
static constexpr double kSinF32[] = {-0.166666666634098667, 0.00833333170472415577, -0.000198399966076443232,
                                     2.72384546289453533e-6};
static constexpr double kCosF32[] = {0.0416666666639494827, -0.0013888887530147357, 0.0000248005251537899572,
                                     -2.72913847366621192e-7};
static constexpr double kSinF64[] = {
    -0.166666666666666667,   0.00833333333333333104,  -0.000198412698412641002, 2.75573192186025762e-6,
    -2.50521059813507513e-8, 1.60584925567298915e-10, -7.58443688417030133e-13};
static constexpr double kCosF64[] = {
    0.0416666666666666667,  -0.00138888888888888876, 0.00002480158730158411, -2.75573192209932938e-7,
    2.08767556514744029e-9, -1.1470439169481705e-11, 4.74461523518364247e-14};

namespace {
/// x = r + quadrant * pi/2.
struct Reduced {
  Real r;
  Bits quadrant; // its low two bits count
};
} // namespace

/// Cody and Waite's reduction with fused operations, in f64 also for f32 (`x` is f64 here). The first product
/// leaves no rounding error, so what remains is that of pi/2 in three parts.
static Reduced reduce(Real x) {
  constexpr double magic = 6755399441055744.0; // 1.5 * 2^52: the integer ends up in the low bits
  // Larger arguments have no meaningful phase here; they stay bounded.
  Real bounded = select(x.abs() > 1e15, x - x, x);
  Real shifted = fma(bounded, 0.63661977236758134308, magic);
  Real n = shifted - magic;
  Real r = fma(n, -kHalfPi, bounded);
  r = fma(n, -6.123233995736766e-17, r);
  r = fma(n, 1.4973849048591698e-33, r);
  return {r, shifted.bits()};
}

static Real sinPolynomial(Real r) {
  ArrayRef<double> table = r.e->isDouble() ? ArrayRef<double>(kSinF64) : ArrayRef<double>(kSinF32);
  Real u = r * r;
  return fma(polynomial(u, table) * u, r, r);
}

static Real cosPolynomial(Real r) {
  ArrayRef<double> table = r.e->isDouble() ? ArrayRef<double>(kCosF64) : ArrayRef<double>(kCosF32);
  Real u = r * r;
  return fma(polynomial(u, table), u * u, fma(u, -0.5, 1.0));
}

/// The sine of quadrant * pi/2 + r.
static Real sinOfQuadrant(Real r, Bits quadrant) {
  Emitter &e = *r.e;
  Real value = select((quadrant & 1).isZero(), sinPolynomial(r), cosPolynomial(r));
  // Bit 1 of the quadrant becomes the sign.
  Bits sign = (quadrant & 2).shl(e.width() - 2);
  return asReal({&e, e.make<arith::XOrIOp>(value.bits().v, sign.v)});
}

static Real sinWithPhase(Real x, int64_t quarterTurns) {
  Emitter &e = *x.e;
  if (e.isDouble()) {
    Reduced reduced = reduce(x);
    return sinOfQuadrant(reduced.r, reduced.quadrant + quarterTurns);
  }
  Emitter wide(e.builder, e.loc, e.withElement(e.builder.getF64Type()));
  Reduced reduced = reduce({&wide, wide.make<arith::ExtFOp>(wide.type, x.v)});
  Real r{&e, e.make<arith::TruncFOp>(e.type, reduced.r.v)};
  Bits quadrant{&e, e.make<arith::TruncIOp>(e.bitsType(), reduced.quadrant.v)};
  return sinOfQuadrant(r, quadrant + quarterTurns);
}

// The reduction adds +0 to -0, which loses the sign.
Real sin(Real x) { return select(x == 0.0, x, sinWithPhase(x, 0)); }
Real cos(Real x) { return sinWithPhase(x, 1); }

Real tan(Real x) {
  Reduced reduced = reduce(x);
  Real s = sinPolynomial(reduced.r), c = cosPolynomial(reduced.r);
  Mask even = (reduced.quadrant & 1).isZero();
  return select(x == 0.0, x, select(even, s, -c) / select(even, c, s));
}

// (atan(x)/x - 1) / x^2 in x^2 on [0, 1].
static constexpr double kAtan[] = {
    -0.333333333333333303,   0.199999999999975322,   -0.142857142853841315,    0.111111110934908281,
    -0.0909090859089193423,  0.0769229897103321692,  -0.0666656469928910421,   0.0588150687779365607,
    -0.0525797333428411081,  0.0473774957952777897,  -0.0426035663260165213,   0.0374948681253524711,
    -0.0312771890669963848,  0.023696731580048622,   -0.0155351524754141761,   0.00836893117845016214,
    -0.00349588597391630952, 0.00104960350849685151, -0.000199961893779013821, 0.0000180619546186121522};

/// The angle in [0, pi/2] whose tangent, or cotangent where `steep`, is smaller/larger.
static Real quarterAngle(Real smaller, Real larger, Mask steep) {
  Real q = smaller / larger;
  Real u = q * q;
  Real first = fma(polynomial(u, kAtan) * u, q, q);
  return select(steep, first.constant(kHalfPi) - first, first);
}

Real atan(Real x) {
  Real a = x.abs(), one = x.constant(1.0);
  Mask steep = a > 1.0;
  return quarterAngle(select(steep, one, a), select(steep, a, one), steep).withSign(x);
}

Real atan2(Real y, Real x) {
  Real ax = x.abs(), ay = y.abs();
  Mask steep = ay > ax;
  Real smaller = select(steep, ax, ay), larger = select(steep, ay, ax);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  // 0/0 and infinity/infinity stand for the axes and the diagonals.
  larger = select(larger == 0.0, 1.0, larger);
  Mask diagonal = smaller == infinity;
  smaller = select(diagonal, 1.0, smaller);
  larger = select(diagonal, 1.0, larger);
  // The sign bit, so that -0 is to the left.
  Mask left = x.constant(1.0).withSign(x) < 0.0;
  Real quarter = quarterAngle(smaller, larger, steep);
  Real result = select(left, x.constant(2 * kHalfPi) - quarter, quarter).withSign(y);
  return select(x.isNan(), x, select(y.isNan(), y, result));
}

Real asin(Real x) {
  Real one = x.constant(1.0);
  return atan2(x, ((one - x) * (x + 1.0)).sqrt());
}

Real acos(Real x) {
  Real one = x.constant(1.0);
  return atan2(((one - x) * (x + 1.0)).sqrt(), x);
}

} // namespace tenon::cpu::vmath
