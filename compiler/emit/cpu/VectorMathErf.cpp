//===- VectorMathErf.cpp - the error functions --------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compiler/emit/cpu/VectorMathFunctions.h"

using namespace mlir;

namespace tenon::cpu::vmath {

// erf(x)/x as P(x^2)/Q(x^2) on [0, 3.93], beyond which erf is 1 in f32. A minimax fit (1.9e-9), whose
// coefficients were then moved by units of the last place to lower the error after rounding.
static constexpr double kErfP[] = {1.128379225730896,     0.18514832854270935,    0.05425463244318962,
                                   0.0038402897771447897, 0.00037715944927185774, 4.619842457032064e-06,
                                   -1.285692352581691e-08};
static constexpr double kErfQ[] = {1.0,
                                   0.4974169433116913,
                                   0.11388704925775528,
                                   0.015434805303812027,
                                   0.001302397926338017,
                                   6.249875150388107e-05};

// erf(x)/x in x^2 on [0, 1], for f64.
static constexpr double kErfSmall[] = {
    1.12837916709551257,    -0.376126389031835404,    0.112837916709450063,    -0.0268661706432377704,
    0.00522397760711642273, -0.000854832597538969208, 0.000120552949048397079, -0.0000149247369074196603,
    1.64474247033173624e-6, -1.62084838018717059e-7,  1.37200645467776856e-8,  -7.79589882700214224e-10};

// erfc(z) exp(z^2) / t with t = 2/(2+z), in (t - middle)/half, for z in [0.9, 28].
static constexpr double kErfcMiddle = 0.37816091954022988506, kErfcHalf = 0.31149425287356321839;
static constexpr double kErfc[] = {
    0.435067231283271193,     0.173990168859478627,     0.0477866154155889205,    0.00638339942898770541,
    -0.000861690306559845015, -0.000444121537749900733, 0.0000209495848407118771, 0.000032529098932890088,
    -1.98581727710045239e-6,  -2.76483629570093762e-6,  4.08001115059567898e-7,   2.36023724777697438e-7,
    -7.68068737888324859e-8,  -1.42037890794204258e-8,  1.18786692973666223e-8,   -6.8259476299636957e-10,
    -1.38428438462719754e-9,  3.72814486781416143e-10,  9.23768706363372326e-11,  -4.58562776623369143e-11};

/// erfc(z) for z >= 0.9, in f64; zero from 28.
static Real erfcOfLarge(Real z) {
  z = z.atLeast(0.9).atMost(28.0);
  Real t = z.constant(2.0) / (z + 2.0);
  Real g = polynomial((t - kErfcMiddle) * (1.0 / kErfcHalf), kErfc);
  // exp(-z^2) with the rounding error of the square put back.
  Real square = z * z;
  Real rest = fma(z, z, -square);
  Real e = exp(-square);
  return t * g * fma(e, -rest, e);
}

static Real erfOfSmall(Real x) { return x * polynomial(x * x, kErfSmall); }

/// The coefficients of a polynomial in the square of a number, for one that is smaller by `factor`.
static SmallVector<double> ofScaled(ArrayRef<double> coefficients, double factor, double all) {
  SmallVector<double> scaled;
  for (double c : coefficients) {
    scaled.push_back(c * all);
    all *= factor * factor;
  }
  return scaled;
}

Real erfOfScaled(Real x, double factor) {
  // Up to 5.3 ULP; as a part of a gate that counts for less than how long it takes.
  double end = 3.93 / factor;
  Real u = (x * x).atMost(end * end);
  // Near the ends rounding errors reach beyond 1, and further out the quotient grows with x.
  return (x * polynomialByPairs(u, ofScaled(kErfP, factor, factor)) /
          polynomialByPairs(u, ofScaled(kErfQ, factor, 1)))
      .atLeast(-1.0)
      .atMost(1.0);
}

Real erf(Real x) {
  if (!x.e->isDouble()) {
    Real c = x.atLeast(-3.93).atMost(3.93);
    Real u = c * c;
    // Near the ends rounding errors would reach beyond 1.
    return (c * polynomial(u, kErfP) / polynomial(u, kErfQ)).atLeast(-1.0).atMost(1.0);
  }
  Real a = x.abs();
  Real large = (x.constant(1.0) - erfcOfLarge(a)).withSign(x);
  return select(a < 1.0, erfOfSmall(x), large);
}

Real erfc(Real x) {
  Real one = x.constant(1.0);
  Real large = erfcOfLarge(x.abs());
  Real outer = select(x < 0.0, x.constant(2.0) - large, large);
  return select(x.abs() < 0.95, one - erfOfSmall(x), outer);
}

} // namespace tenon::cpu::vmath
