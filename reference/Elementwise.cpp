//===- Elementwise.cpp - the meaning of elementwise operations -----------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "reference/Evaluators.h"
#include <cmath>
#include <limits>

using namespace mlir;
using namespace tenon;
using namespace tenon::reference;

namespace {
using FloatUnary = double (*)(double);
using FloatBinary = double (*)(double, double);
using IntUnary = int64_t (*)(int64_t, DType);
using IntBinary = int64_t (*)(int64_t, int64_t, DType);
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t kLowest = std::numeric_limits<int64_t>::min();
} // namespace

static FailureOr<Tensor> unary(Operation *op, const Tensor &x, FloatUnary onFloat, IntUnary onInt) {
  if (isFloat(x.dtype())) {
    std::vector<double> values = x.doubles();
    for (double &v : values)
      v = onFloat(v);
    return Tensor::fromDoubles(x.dtype(), x.dims(), values);
  }
  std::vector<int64_t> values = x.ints();
  for (int64_t &v : values)
    v = onInt(v, x.dtype());
  return Tensor::fromInts(x.dtype(), x.dims(), values);
}

static FailureOr<Tensor> binary(Operation *op, const Tensor &a, const Tensor &b, FloatBinary onFloat,
                                IntBinary onInt) {
  if (isFloat(a.dtype())) {
    std::vector<double> x = a.doubles(), y = b.doubles();
    for (size_t i = 0; i < x.size(); ++i)
      x[i] = onFloat(x[i], y[i]);
    return Tensor::fromDoubles(a.dtype(), a.dims(), x);
  }
  std::vector<int64_t> x = a.ints(), y = b.ints();
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = onInt(x[i], y[i], a.dtype());
  return Tensor::fromInts(a.dtype(), a.dims(), x);
}

template <typename Op> static void addUnary(EvaluatorTable &table, FloatUnary onFloat, IntUnary onInt) {
  table.add<Op>([=](Op op, Values in) { return unary(op, in[0], onFloat, onInt); });
}

template <typename Op> static void addBinary(EvaluatorTable &table, FloatBinary onFloat, IntBinary onInt) {
  table.add<Op>([=](Op op, Values in) -> FailureOr<Tensor> {
    if (in[0].dims() != in[1].dims())
      return op->emitError() << "TN0712: the operands of '" << op->getName() << "' have the sizes "
                             << in[0].typeText() << " and " << in[1].typeText()
                             << " where equal ones are needed; broadcast one of them";
    return binary(op, in[0], in[1], onFloat, onInt);
  });
}

//===----------------------------------------------------------------------===//
// Integers: two's complement, wrapping; operands are extended to 64 bits, results are truncated when stored.
//===----------------------------------------------------------------------===//

static int64_t wrapAdd(int64_t a, int64_t b, DType) { return int64_t(uint64_t(a) + uint64_t(b)); }
static int64_t wrapSub(int64_t a, int64_t b, DType) { return int64_t(uint64_t(a) - uint64_t(b)); }
static int64_t wrapMul(int64_t a, int64_t b, DType) { return int64_t(uint64_t(a) * uint64_t(b)); }

static int64_t divide(int64_t a, int64_t b, DType t) {
  if (b == 0)
    return 0;
  if (isUnsigned(t))
    return int64_t(uint64_t(a) / uint64_t(b));
  return a == kLowest && b == -1 ? a : a / b;
}

static int64_t remainder(int64_t a, int64_t b, DType t) {
  if (b == 0)
    return 0;
  if (isUnsigned(t))
    return int64_t(uint64_t(a) % uint64_t(b));
  return b == -1 ? 0 : a % b;
}

/// A negative exponent gives the quotient 1 / a^-b, truncated.
static int64_t power(int64_t a, int64_t b, DType t) {
  if (!isUnsigned(t) && b < 0) {
    if (a == -1)
      return b % 2 == 0 ? 1 : -1;
    return a == 1 ? 1 : 0;
  }
  uint64_t result = 1, factor = a;
  for (uint64_t left = b; left != 0; left >>= 1) {
    if (left & 1)
      result *= factor;
    factor *= factor;
  }
  return int64_t(result);
}

static bool isLess(int64_t a, int64_t b, DType t) {
  return isUnsigned(t) ? uint64_t(a) < uint64_t(b) : a < b;
}
static int64_t larger(int64_t a, int64_t b, DType t) { return isLess(a, b, t) ? b : a; }
static int64_t smaller(int64_t a, int64_t b, DType t) { return isLess(b, a, t) ? b : a; }

static bool isBelowWidth(int64_t amount, DType t) { return uint64_t(amount) < 8 * byteWidth(t); }
static int64_t shiftLeft(int64_t a, int64_t b, DType t) {
  return isBelowWidth(b, t) ? int64_t(uint64_t(a) << b) : 0;
}
static int64_t shiftRight(int64_t a, int64_t b, DType t) {
  if (isUnsigned(t))
    return isBelowWidth(b, t) ? int64_t(uint64_t(a) >> b) : 0;
  return isBelowWidth(b, t) ? a >> b : (a < 0 ? -1 : 0);
}

static int64_t absolute(int64_t v, DType t) { return !isUnsigned(t) && v < 0 ? wrapSub(0, v, t) : v; }
static int64_t signOf(int64_t v, DType t) { return v == 0 ? 0 : (!isUnsigned(t) && v < 0 ? -1 : 1); }
static int64_t complement(int64_t v, DType t) { return t == DType::Bool ? !v : ~v; }

//===----------------------------------------------------------------------===//
// Floats: in double, rounded when stored
//===----------------------------------------------------------------------===//

static double largerFloat(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? kNaN : std::fmax(a, b);
}
static double smallerFloat(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? kNaN : std::fmin(a, b);
}
static double signOfFloat(double v) { return std::isnan(v) || v == 0 ? v : (v < 0 ? -1.0 : 1.0); }

static bool compareFloats(CmpPredicate predicate, double a, double b) {
  switch (predicate) {
  case CmpPredicate::eq:
    return a == b;
  case CmpPredicate::ne:
    return a != b;
  case CmpPredicate::lt:
    return a < b;
  case CmpPredicate::le:
    return a <= b;
  case CmpPredicate::gt:
    return a > b;
  case CmpPredicate::ge:
    return a >= b;
  }
  llvm_unreachable("unknown predicate");
}

static bool compareInts(CmpPredicate predicate, int64_t a, int64_t b, DType t) {
  switch (predicate) {
  case CmpPredicate::eq:
    return a == b;
  case CmpPredicate::ne:
    return a != b;
  case CmpPredicate::lt:
    return isLess(a, b, t);
  case CmpPredicate::le:
    return !isLess(b, a, t);
  case CmpPredicate::gt:
    return isLess(b, a, t);
  case CmpPredicate::ge:
    return !isLess(a, b, t);
  }
  llvm_unreachable("unknown predicate");
}

static FailureOr<Tensor> evaluateCmp(CmpOp op, Values in) {
  if (in[0].dims() != in[1].dims())
    return op->emitError() << "TN0712: 'tenon.cmp' compares " << in[0].typeText() << " with "
                           << in[1].typeText() << " where equal sizes are needed; broadcast one of them";
  std::vector<int64_t> result(in[0].size());
  if (isFloat(in[0].dtype())) {
    std::vector<double> a = in[0].doubles(), b = in[1].doubles();
    for (size_t i = 0; i < a.size(); ++i)
      result[i] = compareFloats(op.getPredicate(), a[i], b[i]);
  } else {
    std::vector<int64_t> a = in[0].ints(), b = in[1].ints();
    for (size_t i = 0; i < a.size(); ++i)
      result[i] = compareInts(op.getPredicate(), a[i], b[i], in[0].dtype());
  }
  return Tensor::fromInts(DType::Bool, in[0].dims(), result);
}

static FailureOr<Tensor> evaluateSelect(SelectOp op, Values in) {
  if (in[0].dims() != in[1].dims() || in[0].dims() != in[2].dims())
    return op->emitError() << "TN0712: 'tenon.select' has operands of the sizes " << in[0].typeText() << ", "
                           << in[1].typeText() << " and " << in[2].typeText()
                           << " where equal ones are needed; broadcast the smaller ones";
  Tensor result = in[2];
  std::vector<int64_t> condition = in[0].ints();
  for (size_t i = 0; i < condition.size(); ++i)
    if (condition[i])
      result.copyElement(i, in[1], i);
  return result;
}

static void addFloatFunctions(EvaluatorTable &table) {
  addUnary<SqrtOp>(table, [](double v) { return std::sqrt(v); }, nullptr);
  addUnary<RsqrtOp>(table, [](double v) { return 1.0 / std::sqrt(v); }, nullptr);
  addUnary<ExpOp>(table, [](double v) { return std::exp(v); }, nullptr);
  addUnary<LogOp>(table, [](double v) { return std::log(v); }, nullptr);
  addUnary<SinOp>(table, [](double v) { return std::sin(v); }, nullptr);
  addUnary<CosOp>(table, [](double v) { return std::cos(v); }, nullptr);
  addUnary<AsinOp>(table, [](double v) { return std::asin(v); }, nullptr);
  addUnary<AtanOp>(table, [](double v) { return std::atan(v); }, nullptr);
  addUnary<TanhOp>(table, [](double v) { return std::tanh(v); }, nullptr);
  addUnary<ErfOp>(table, [](double v) { return std::erf(v); }, nullptr);
  addUnary<FloorOp>(table, [](double v) { return std::floor(v); }, nullptr);
  addUnary<CeilOp>(table, [](double v) { return std::ceil(v); }, nullptr);
  // The rounding mode is never changed from nearest, ties to even.
  addUnary<RoundOp>(table, [](double v) { return std::nearbyint(v); }, nullptr);
}

void tenon::reference::addElementwise(EvaluatorTable &table) {
  addFloatFunctions(table);
  addUnary<AbsOp>(table, [](double v) { return std::fabs(v); }, absolute);
  addUnary<NegOp>(table, [](double v) { return -v; }, [](int64_t v, DType t) { return wrapSub(0, v, t); });
  addUnary<SignOp>(table, signOfFloat, signOf);
  addUnary<NotOp>(table, nullptr, complement);
  addBinary<AddOp>(table, [](double a, double b) { return a + b; }, wrapAdd);
  addBinary<SubOp>(table, [](double a, double b) { return a - b; }, wrapSub);
  addBinary<MulOp>(table, [](double a, double b) { return a * b; }, wrapMul);
  addBinary<DivOp>(table, [](double a, double b) { return a / b; }, divide);
  addBinary<RemOp>(table, [](double a, double b) { return std::fmod(a, b); }, remainder);
  addBinary<PowOp>(table, [](double a, double b) { return std::pow(a, b); }, power);
  addBinary<MaxOp>(table, largerFloat, larger);
  addBinary<MinOp>(table, smallerFloat, smaller);
  addBinary<AndOp>(table, nullptr, [](int64_t a, int64_t b, DType) { return a & b; });
  addBinary<OrOp>(table, nullptr, [](int64_t a, int64_t b, DType) { return a | b; });
  addBinary<XorOp>(table, nullptr, [](int64_t a, int64_t b, DType) { return a ^ b; });
  addBinary<ShlOp>(table, nullptr, shiftLeft);
  addBinary<ShrOp>(table, nullptr, shiftRight);
  table.add<CmpOp>(evaluateCmp);
  table.add<SelectOp>(evaluateSelect);
}
