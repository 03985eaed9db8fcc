//===- ActivationOps.cpp - decomposition of activations ---------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/CoreBuilder.h"
#include "compiler/dialect/tenon/SizeRules.h"
#include "llvm/Support/MathExtras.h"
#include <numbers>

using namespace mlir;
using namespace tenon;

using Decomposed = FailureOr<SmallVector<Value>>;

static Decomposed one(Value v) { return SmallVector<Value>{v}; }

static Value sigmoid(CoreBuilder &b, Value x) { return b.div(b.splat(1, x), b.add(b.exp(b.neg(x)), 1.0)); }
static Value hardSigmoid(CoreBuilder &b, Value x, double alpha, double beta) {
  return b.min(b.max(b.add(b.mul(x, alpha), beta), 0.0), 1.0);
}
/// exp(x) - 1
static Value expMinusOne(CoreBuilder &b, Value x) { return b.add(b.exp(x), -1.0); }
static Value softplus(CoreBuilder &b, Value x) {
  Value tail = b.unary<LogOp>(b.add(b.exp(b.neg(b.unary<AbsOp>(x))), 1.0));
  return b.add(b.max(x, 0.0), tail);
}

Decomposed ReluOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  return one(b.max(getInput(), 0.0));
}
Decomposed LeakyReluOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  Value x = getInput();
  return one(b.select(b.compare(CmpPredicate::lt, x, 0.0), b.mul(x, getAlpha().convertToDouble()), x));
}
Decomposed ClipOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  return one(b.min(b.max(getInput(), getLow().convertToDouble()), getHigh().convertToDouble()));
}
Decomposed SigmoidOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  return one(sigmoid(b, getInput()));
}
Decomposed HardSigmoidOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  return one(hardSigmoid(b, getInput(), getAlpha().convertToDouble(), getBeta().convertToDouble()));
}
Decomposed HardSwishOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  return one(b.mul(getInput(), hardSigmoid(b, getInput(), 1.0 / 6.0, 0.5)));
}
Decomposed SiluOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  double alpha = getAlpha().convertToDouble();
  Value inner = alpha == 1.0 ? Value(getInput()) : b.mul(getInput(), alpha);
  return one(b.mul(getInput(), sigmoid(b, inner)));
}
Decomposed GeluOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  Value x = getInput(), bell;
  if (getTanhApproximation()) {
    Value cube = b.mul(b.mul(x, x), x);
    Value inner = b.mul(b.add(x, b.mul(cube, 0.044715)), std::sqrt(2.0 / std::numbers::pi));
    bell = b.unary<TanhOp>(inner);
  } else {
    bell = b.unary<ErfOp>(b.mul(x, 1.0 / std::numbers::sqrt2));
  }
  return one(b.mul(b.mul(x, 0.5), b.add(bell, 1.0)));
}
Decomposed EluOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  Value x = getInput(), low = b.mul(expMinusOne(b, x), getAlpha().convertToDouble());
  return one(b.select(b.compare(CmpPredicate::lt, x, 0.0), low, x));
}
Decomposed SeluOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  Value x = getInput(), low = b.mul(expMinusOne(b, x), getAlpha().convertToDouble());
  return one(b.mul(b.select(b.compare(CmpPredicate::gt, x, 0.0), x, low), getGamma().convertToDouble()));
}
Decomposed CeluOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  Value x = getInput();
  double alpha = getAlpha().convertToDouble();
  Value low = b.mul(expMinusOne(b, b.div(x, b.splat(alpha, x))), alpha);
  return one(b.add(b.max(x, 0.0), b.min(low, 0.0)));
}
Decomposed SoftplusOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  return one(softplus(b, getInput()));
}
Decomposed SoftsignOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  return one(b.div(getInput(), b.add(b.unary<AbsOp>(getInput()), 1.0)));
}
Decomposed MishOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  return one(b.mul(getInput(), b.unary<TanhOp>(softplus(b, getInput()))));
}
Decomposed ThresholdedReluOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  Value x = getInput();
  return one(b.select(b.compare(CmpPredicate::gt, x, getAlpha().convertToDouble()), x, b.splat(0, x)));
}
Decomposed TanOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  return one(b.div(b.unary<SinOp>(getInput()), b.unary<CosOp>(getInput())));
}
Decomposed AcosOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  Value angle = b.unary<AsinOp>(getInput());
  return one(b.sub(b.splat(std::numbers::pi / 2, angle), angle));
}

//===----------------------------------------------------------------------===//
// Hyperbolic functions
//===----------------------------------------------------------------------===//

/// From here on sqrt(x * x + 1) and sqrt(x * x - 1) are |x| in the precision of the type.
static double largeArgument(Value x) {
  unsigned precision =
      APFloat::semanticsPrecision(cast<FloatType>(tensorType(x).getElementType()).getFloatSemantics());
  return std::ldexp(1.0, static_cast<int>(precision / 2 + 1));
}

Decomposed SinhOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  Value x = getInput();
  Value wide = b.mul(b.sub(b.exp(x), b.exp(b.neg(x))), 0.5);
  // The difference cancels near 0; there 2 t / (1 - t * t) with t = tanh(x / 2) is exact.
  Value t = b.unary<TanhOp>(b.mul(x, 0.5));
  Value close = b.div(b.mul(t, 2.0), b.sub(b.splat(1, t), b.mul(t, t)));
  return one(b.select(b.compare(CmpPredicate::lt, b.unary<AbsOp>(x), 1.0), close, wide));
}
Decomposed CoshOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  return one(b.mul(b.add(b.exp(getInput()), b.exp(b.neg(getInput()))), 0.5));
}
Decomposed AsinhOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  Value x = getInput(), size = b.unary<AbsOp>(x);
  Value large = b.add(b.unary<LogOp>(size), std::numbers::ln2);
  Value root = b.unary<SqrtOp>(b.add(b.mul(size, size), 1.0));
  Value small = b.unary<LogOp>(b.add(size, root));
  Value value = b.select(b.compare(CmpPredicate::gt, size, largeArgument(x)), large, small);
  return one(b.mul(value, b.unary<SignOp>(x)));
}
Decomposed AcoshOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  Value x = getInput();
  Value large = b.add(b.unary<LogOp>(x), std::numbers::ln2);
  Value root = b.unary<SqrtOp>(b.mul(b.add(x, -1.0), b.add(x, 1.0)));
  Value small = b.unary<LogOp>(b.add(x, root));
  return one(b.select(b.compare(CmpPredicate::gt, x, largeArgument(x)), large, small));
}
Decomposed AtanhOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  Value x = getInput(), unit = b.splat(1, x);
  return one(b.mul(b.unary<LogOp>(b.div(b.add(unit, x), b.sub(unit, x))), 0.5));
}
Decomposed ReciprocalOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  return one(b.div(b.splat(1, getInput()), getInput()));
}

Decomposed ModOp::decompose(OpBuilder &builder) {
  CoreBuilder b(builder, getLoc());
  Value remainder = b.binary<RemOp>(getLhs(), getRhs());
  if (tensorType(getLhs()).getElementType().isUnsignedInteger())
    return one(remainder);
  // rem has the sign of the dividend; one divisor more where the signs differ.
  Value below = b.compare(CmpPredicate::lt, remainder, 0.0),
        divisorBelow = b.compare(CmpPredicate::lt, getRhs(), 0.0);
  Value differ = b.binary<XorOp>(below, divisorBelow);
  Value wrong = b.binary<AndOp>(differ, b.compare(CmpPredicate::ne, remainder, 0.0));
  return one(b.select(wrong, b.add(remainder, getRhs()), remainder));
}
