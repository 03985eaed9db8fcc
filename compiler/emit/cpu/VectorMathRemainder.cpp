//===- VectorMathRemainder.cpp - the exact floating-point remainder -----------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compiler/emit/cpu/VectorMathFunctions.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include <limits>

using namespace mlir;

namespace tenon::cpu::vmath {

static constexpr int64_t kStepBits = 51; // keeps 2^s below within two factors

/// The biased exponent of a positive number, below 1 for a denormal one.
static Bits exponentOf(Real x) {
  Mask denormal = x < std::numeric_limits<double>::min();
  Bits field = select(denormal, x * 0x1p54, x).bits().shr(52);
  return select(denormal, field - 54, field);
}

/// r modulo d, both positive and r/d below 2^52. The fused operation leaves r - q*d without a rounding error,
/// as q is the quotient's integral part or, where the division rounds up, one more; the sign of the result
/// tells.
static Real divideOnce(Real r, Real d) {
  Real rest = fma(-(r / d).trunc(), d, r);
  return select(rest < 0.0, rest + d, rest);
}

/// One step of long division: by d * 2^s, with the largest s for which the quotient is below 2^52.
static Real divideStep(Real r, Real d) {
  Emitter &e = *r.e;
  Bits excess = r.bits().shr(52) - exponentOf(d) - kStepBits;
  Bits s{&e, e.make<arith::MaxSIOp>(excess.v, excess.constant(0).v)};
  // 2^s in two factors: s is up to 2046.
  Bits half = s.shr(1);
  Real low = asReal((half + 1023).shl(52)), high = asReal((s - half + 1023).shl(52));
  return divideOnce(r, d * low * high);
}

Real remainder(Real x, Real y, int steps) {
  Emitter &e = *x.e;
  Real divisor = y.abs();
  auto index = [&](int64_t value) { return e.make<arith::ConstantIndexOp>(value); };
  auto loop = scf::ForOp::create(e.builder, e.loc, index(0), index(steps), index(1), ValueRange{x.abs().v},
                                 [&](OpBuilder &builder, Location loc, Value, ValueRange carried) {
                                   Emitter inner(builder, loc, e.type);
                                   Real rest = divideStep({&inner, carried[0]}, {&inner, divisor.v});
                                   scf::YieldOp::create(builder, loc, rest.v);
                                 });
  // Denormal remainders have no exponent to compare; they are within one quotient of any divisor.
  Real rest = divideOnce({&e, loop.getResult(0)}, divisor).withSign(x);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  Real finite =
      select((x.abs() < infinity) & (divisor > 0.0), rest, std::numeric_limits<double>::quiet_NaN());
  return select((divisor == infinity) & (x.abs() < infinity), x, select(y.isNan(), y, finite));
}

} // namespace tenon::cpu::vmath
