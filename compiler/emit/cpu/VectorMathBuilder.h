//===- VectorMathBuilder.h - values with operators for math expansions --------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Lets an expansion be written as a formula. A Real is an SSA value of f32 or f64, or of a 1-D vector of one
// of them; a Bits is an integer of the same width and shape; a Mask is i1 of the same shape. All operations
// create arith and math operations that lower to single instructions; none has fast-math flags.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Value.h"

namespace tenon::cpu::vmath {

/// Where operations are created, and the types in use.
class Emitter {
public:
  /// `type`: f32, f64 or a 1-D vector of one of them.
  Emitter(mlir::OpBuilder &builder, mlir::Location loc, mlir::Type type)
      : builder(builder), loc(loc), type(type) {}

  mlir::OpBuilder &builder;
  mlir::Location loc;
  mlir::Type type;

  bool isDouble() const { return mlir::getElementTypeOrSelf(type).isF64(); }
  unsigned width() const { return isDouble() ? 64 : 32; }
  /// Bits of the fraction, 23 or 52.
  unsigned fractionBits() const { return isDouble() ? 52 : 23; }
  int64_t exponentBias() const { return isDouble() ? 1023 : 127; }

  /// `type` with another element type.
  mlir::Type withElement(mlir::Type element) const {
    if (auto vector = mlir::dyn_cast<mlir::VectorType>(type))
      return vector.clone(element);
    return element;
  }
  mlir::Type bitsType() const { return withElement(builder.getIntegerType(width())); }

  template <typename Op, typename... Args> mlir::Value make(Args &&...args) {
    return Op::create(builder, loc, std::forward<Args>(args)...);
  }
  mlir::Value floatConstant(double value);
  mlir::Value intConstant(int64_t value);
};

struct Mask {
  Emitter *e;
  mlir::Value v;
  Mask operator&(Mask o) const { return {e, e->make<mlir::arith::AndIOp>(v, o.v)}; }
  Mask operator|(Mask o) const { return {e, e->make<mlir::arith::OrIOp>(v, o.v)}; }
  Mask operator!() const;
};

struct Bits {
  Emitter *e;
  mlir::Value v;
  Bits operator+(Bits o) const { return {e, e->make<mlir::arith::AddIOp>(v, o.v)}; }
  Bits operator-(Bits o) const { return {e, e->make<mlir::arith::SubIOp>(v, o.v)}; }
  Bits operator&(Bits o) const { return {e, e->make<mlir::arith::AndIOp>(v, o.v)}; }
  Bits operator|(Bits o) const { return {e, e->make<mlir::arith::OrIOp>(v, o.v)}; }
  Bits constant(int64_t value) const { return {e, e->intConstant(value)}; }
  Bits operator+(int64_t o) const { return *this + constant(o); }
  Bits operator-(int64_t o) const { return *this - constant(o); }
  Bits operator&(int64_t o) const { return *this & constant(o); }
  Bits operator|(int64_t o) const { return *this | constant(o); }
  Bits shl(int64_t n) const { return {e, e->make<mlir::arith::ShLIOp>(v, constant(n).v)}; }
  Bits sar(int64_t n) const { return {e, e->make<mlir::arith::ShRSIOp>(v, constant(n).v)}; }
  Bits shr(int64_t n) const { return {e, e->make<mlir::arith::ShRUIOp>(v, constant(n).v)}; }
  Mask isZero() const {
    return {e, e->make<mlir::arith::CmpIOp>(mlir::arith::CmpIPredicate::eq, v, constant(0).v)};
  }
};

struct Real {
  Emitter *e;
  mlir::Value v;
  Real constant(double value) const { return {e, e->floatConstant(value)}; }

  Real operator+(Real o) const { return {e, e->make<mlir::arith::AddFOp>(v, o.v)}; }
  Real operator-(Real o) const { return {e, e->make<mlir::arith::SubFOp>(v, o.v)}; }
  Real operator*(Real o) const { return {e, e->make<mlir::arith::MulFOp>(v, o.v)}; }
  Real operator/(Real o) const { return {e, e->make<mlir::arith::DivFOp>(v, o.v)}; }
  Real operator-() const { return {e, e->make<mlir::arith::NegFOp>(v)}; }
  Real operator+(double o) const { return *this + constant(o); }
  Real operator-(double o) const { return *this - constant(o); }
  Real operator*(double o) const { return *this * constant(o); }
  Real operator/(double o) const { return *this / constant(o); }

  // Ordered comparisons: false where an operand is a NaN.
  Mask compare(mlir::arith::CmpFPredicate predicate, Real o) const {
    return {e, e->make<mlir::arith::CmpFOp>(predicate, v, o.v)};
  }
  Mask operator<(Real o) const { return compare(mlir::arith::CmpFPredicate::OLT, o); }
  Mask operator>(Real o) const { return compare(mlir::arith::CmpFPredicate::OGT, o); }
  Mask operator==(Real o) const { return compare(mlir::arith::CmpFPredicate::OEQ, o); }
  Mask operator<(double o) const { return *this < constant(o); }
  Mask operator>(double o) const { return *this > constant(o); }
  Mask operator==(double o) const { return *this == constant(o); }
  Mask isNan() const { return compare(mlir::arith::CmpFPredicate::UNO, *this); }

  Real abs() const { return {e, e->make<mlir::math::AbsFOp>(v)}; }
  Real sqrt() const { return {e, e->make<mlir::math::SqrtOp>(v)}; }
  Real trunc() const { return {e, e->make<mlir::math::TruncOp>(v)}; }
  Real roundEven() const { return {e, e->make<mlir::math::RoundEvenOp>(v)}; }
  /// This magnitude with the sign of `sign`.
  Real withSign(Real sign) const { return {e, e->make<mlir::math::CopySignOp>(v, sign.v)}; }
  /// Clamps that keep a NaN; each is one instruction.
  Real atLeast(double bound) const;
  Real atMost(double bound) const;

  Bits bits() const { return {e, e->make<mlir::arith::BitcastOp>(e->bitsType(), v)}; }
};

Real fma(Real a, Real b, Real c);
inline Real fma(Real a, double b, Real c) { return fma(a, a.constant(b), c); }
inline Real fma(Real a, double b, double c) { return fma(a, a.constant(b), a.constant(c)); }
inline Real fma(Real a, Real b, double c) { return fma(a, b, a.constant(c)); }

Real select(Mask mask, Real a, Real b);
inline Real select(Mask mask, Real a, double b) { return select(mask, a, a.constant(b)); }
inline Real select(Mask mask, double a, Real b) { return select(mask, b.constant(a), b); }

Bits select(Mask mask, Bits a, Bits b);

/// The number with these bits.
Real asReal(Bits bits);
/// The integer converted to a number.
Real toReal(Bits bits);

/// c[0] + c[1] x + c[2] x^2 + ..., by Horner's rule with fused steps.
/// As `polynomial`, in about half of the steps that wait for each other (Estrin, 1960): coefficients in
/// pairs, which are a polynomial in x^2.
Real polynomialByPairs(Real x, llvm::ArrayRef<double> coefficients);
Real polynomial(Real x, llvm::ArrayRef<double> coefficients);

} // namespace tenon::cpu::vmath
