//===- VectorMathBuilder.cpp - values with operators for math expansions ------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compiler/emit/cpu/VectorMathBuilder.h"

using namespace mlir;

namespace tenon::cpu::vmath {

static Value splat(Emitter &e, Type type, TypedAttr element) {
  if (auto vector = dyn_cast<VectorType>(type))
    return e.make<arith::ConstantOp>(DenseElementsAttr::get(vector, Attribute(element)));
  return e.make<arith::ConstantOp>(element);
}

Value Emitter::floatConstant(double value) {
  Type element = getElementTypeOrSelf(type);
  // Rounded to the element type here: an attribute of an f32 must hold an f32.
  if (element.isF32())
    value = static_cast<float>(value);
  return splat(*this, type, builder.getFloatAttr(element, value));
}

Value Emitter::intConstant(int64_t value) {
  Type element = getElementTypeOrSelf(bitsType());
  llvm::APInt bits(width(), static_cast<uint64_t>(value), /*isSigned=*/true, /*implicitTrunc=*/true);
  return splat(*this, bitsType(), builder.getIntegerAttr(element, bits));
}

Mask Mask::operator!() const {
  Type type = e->withElement(e->builder.getI1Type());
  return {e, e->make<arith::XOrIOp>(v, splat(*e, type, e->builder.getBoolAttr(true)))};
}

// The second operand of maxps/minps is the result where one operand is a NaN; this form selects them.
Real Real::atLeast(double bound) const {
  Real limit = constant(bound);
  return select(limit > *this, limit, *this);
}
Real Real::atMost(double bound) const {
  Real limit = constant(bound);
  return select(limit < *this, limit, *this);
}

Real fma(Real a, Real b, Real c) { return {a.e, a.e->make<math::FmaOp>(a.v, b.v, c.v)}; }

Real select(Mask mask, Real a, Real b) { return {a.e, a.e->make<arith::SelectOp>(mask.v, a.v, b.v)}; }

Bits select(Mask mask, Bits a, Bits b) { return {a.e, a.e->make<arith::SelectOp>(mask.v, a.v, b.v)}; }

Real asReal(Bits bits) { return {bits.e, bits.e->make<arith::BitcastOp>(bits.e->type, bits.v)}; }

Real toReal(Bits bits) { return {bits.e, bits.e->make<arith::SIToFPOp>(bits.e->type, bits.v)}; }

Real polynomial(Real x, ArrayRef<double> coefficients) {
  Real sum = x.constant(coefficients.back());
  for (double coefficient : llvm::reverse(coefficients.drop_back()))
    sum = fma(sum, x, coefficient);
  return sum;
}

Real polynomialByPairs(Real x, ArrayRef<double> coefficients) {
  Real square = x * x;
  std::optional<Real> sum;
  for (size_t i = (coefficients.size() - 1) / 2 * 2;; i -= 2) {
    bool whole = i + 1 < coefficients.size();
    Real pair = whole ? fma(x, x.constant(coefficients[i + 1]), x.constant(coefficients[i]))
                      : x.constant(coefficients[i]);
    sum = sum ? fma(*sum, square, pair) : pair;
    if (i == 0)
      return *sum;
  }
}

} // namespace tenon::cpu::vmath
