//===- VectorMathFunctions.h - the expansions of math functions ---------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Branch-free expansions of elementary functions into arithmetic on f32 and f64. The functions marked (f32,
// f64) have a form of their own for each; the others are for f64 only, and single precision goes through
// them, which makes it correctly rounded but for rare ties. Polynomials are minimax or Chebyshev fits to at
// least the precision of the type, made at 50 digits with mpmath. ObjectCodeTest states and checks the
// errors.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/VectorMathBuilder.h"

namespace tenon::cpu::vmath {

// VectorMathExp.cpp: exponentials and what is made of them.
Real exp(Real x); // (f32, f64)
/// Of arguments that are at most 0, as the differences to a row's largest element are: results below 2^-126
/// are 0.
Real expAtMostZero(Real x); // (f32, f64)
Real exp2(Real x);          // (f32, f64)
Real expm1(Real x);         // (f32, f64)
Real sinh(Real x);
Real cosh(Real x);
Real tanh(Real x); // (f32, f64)

// VectorMathLog.cpp: logarithms and powers.
Real log(Real x); // (f32, f64)
Real log2(Real x);
Real log10(Real x);
Real log1p(Real x);
Real asinh(Real x);
Real acosh(Real x);
Real atanh(Real x);
Real cbrt(Real x);
Real pow(Real x, Real y);

// VectorMathTrig.cpp: correct for |x| <= 1e15, bounded beyond.
Real sin(Real x); // (f32, f64)
Real cos(Real x); // (f32, f64)
Real tan(Real x);
Real asin(Real x);
Real acos(Real x);
Real atan(Real x);
Real atan2(Real y, Real x);

// VectorMathErf.cpp: the error functions.
Real erf(Real x);                        // (f32, f64)
Real erfOfScaled(Real x, double factor); // erf(x * factor), in f32
Real erfc(Real x);

// VectorMathRemainder.cpp: C's fmod, exact; a loop (scf.for) of `steps` iterations, each of which takes up to
// 52 bits off the quotient. 6 serve for values that came from f32, 41 for all of f64.
Real remainder(Real x, Real y, int steps);

} // namespace tenon::cpu::vmath
