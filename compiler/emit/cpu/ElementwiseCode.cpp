//===- ElementwiseCode.cpp - elementwise operations on vector values
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/ElementwiseCode.h"

#include "compiler/defects/PlantedDefect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace tenon::cpu {
namespace {

class Code {
public:
  Code(KernelBuilder &k, Operation *op, unsigned lanes)
      : k(k), b(k.builder()), loc(k.loc()), op(op), lanes(lanes) {}

  Value run(ValueRange in);

private:
  template <typename OpTy> Value make(Value a) { return OpTy::create(b, loc, a); }
  template <typename OpTy> Value make(Value a, Value c) { return OpTy::create(b, loc, a, c); }
  Value constantLike(Value v, double d) {
    Type e = getElementTypeOrSelf(v.getType());
    TypedAttr a = isa<FloatType>(e) ? TypedAttr(b.getFloatAttr(e, d))
                                    : TypedAttr(b.getIntegerAttr(e, static_cast<int64_t>(d)));
    return splatAttr(v.getType(), a);
  }
  Value splatAttr(Type t, TypedAttr a) {
    if (auto v = dyn_cast<VectorType>(t))
      return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(v, a));
    return arith::ConstantOp::create(b, loc, a);
  }
  Value select(Value c, Value x, Value y) { return arith::SelectOp::create(b, loc, c, x, y); }
  Value cmpf(arith::CmpFPredicate p, Value a, Value c) { return arith::CmpFOp::create(b, loc, p, a, c); }
  Value cmpi(arith::CmpIPredicate p, Value a, Value c) { return arith::CmpIOp::create(b, loc, p, a, c); }

  /// Runs `f` in f32 when the type is narrower: math functions have no narrow form.
  template <typename F> Value inF32(Value a, F f) {
    Type e = getElementTypeOrSelf(a.getType());
    if (!e.isF16() && !e.isBF16())
      return f(a);
    Type wide = k.vectorOf(b.getF32Type(), lanes);
    Value r = f(arith::ExtFOp::create(b, loc, wide, a));
    return arith::TruncFOp::create(b, loc, a.getType(), r);
  }
  template <typename OpTy> Value math(Value a) {
    return inF32(a, [&](Value x) -> Value { return OpTy::create(b, loc, x); });
  }
  bool isSigned(Type element) { return !element.isUnsignedInteger() && !element.isInteger(1); }
  static bool isFinite(Value v);
  static bool isOne(Value v);
  Value notAboveOne(Value one, Value a);

  Value unary(Value a);
  Value binary(Value a, Value c);
  Value divide(Value a, Value c, bool remainder);
  Value shift(Value a, Value c, bool left);
  Value maxMin(Value a, Value c, bool max);
  Value compare(CmpPredicate p, Value a, Value c);
  Value cast(Value a, Type from, Type to);

  KernelBuilder &k;
  OpBuilder &b;
  Location loc;
  Operation *op;
  unsigned lanes;
};

Value Code::unary(Value a) {
  bool isFloat = isa<FloatType>(getElementTypeOrSelf(a.getType()));
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case([&](AbsOp) {
        if (isFloat)
          return make<math::AbsFOp>(a);
        return isSigned(getElementTypeOrSelf(op->getOperand(0).getType())) ? make<math::AbsIOp>(a) : a;
      })
      .Case([&](NegOp) {
        return isFloat ? make<arith::NegFOp>(a) : make<arith::SubIOp>(constantLike(a, 0), a);
      })
      .Case([&](SignOp) {
        Value zero = constantLike(a, 0), one = constantLike(a, 1);
        if (isFloat) {
          Value r = select(cmpf(arith::CmpFPredicate::OLT, a, zero), constantLike(a, -1), a);
          return select(cmpf(arith::CmpFPredicate::OGT, a, zero), one, r);
        }
        Value negative =
            isSigned(getElementTypeOrSelf(op->getOperand(0).getType())) ? constantLike(a, -1) : one;
        Value r = select(cmpi(arith::CmpIPredicate::slt, a, zero), negative, zero);
        return select(cmpi(arith::CmpIPredicate::sgt, a, zero), one, r);
      })
      .Case([&](SqrtOp) { return math<math::SqrtOp>(a); })
      .Case([&](RsqrtOp) { return math<math::RsqrtOp>(a); })
      .Case([&](ExpOp) { return math<math::ExpOp>(a); })
      .Case([&](LogOp) { return math<math::LogOp>(a); })
      .Case([&](SinOp) { return math<math::SinOp>(a); })
      .Case([&](CosOp) { return math<math::CosOp>(a); })
      .Case([&](AsinOp) { return math<math::AsinOp>(a); })
      .Case([&](AtanOp) { return math<math::AtanOp>(a); })
      .Case([&](TanhOp) { return math<math::TanhOp>(a); })
      .Case([&](ErfOp) { return math<math::ErfOp>(a); })
      .Case([&](FloorOp) { return math<math::FloorOp>(a); })
      .Case([&](CeilOp) { return math<math::CeilOp>(a); })
      .Case([&](RoundOp) { return math<math::RoundEvenOp>(a); })
      .Case([&](NotOp) { return make<arith::XOrIOp>(a, constantLike(a, -1)); })
      .Default(Value());
}

bool Code::isFinite(Value v) {
  APFloat number(0.0f);
  return matchPattern(v, m_ConstantFloat(&number)) && number.isFinite();
}

bool Code::isOne(Value v) {
  APFloat number(0.0f);
  return matchPattern(v, m_ConstantFloat(&number)) && number.isExactlyValue(1.0);
}

/// `one < a ? one : a` by the instruction itself; null where vectors are not made of whole registers. LLVM
/// makes x * (1 < a ? 1 : a) into 1 < a ? x : x * a, which takes an instruction more.
Value Code::notAboveOne(Value one, Value a) {
  const CpuTarget &target = k.target();
  auto type = dyn_cast<VectorType>(a.getType());
  if (!type || !type.getElementType().isF32() || target.emulate || type.getNumElements() % 8 != 0)
    return {};
  bool wide = target.vectorBits == 512 && type.getNumElements() % 16 == 0;
  int64_t native = wide ? 16 : 8;
  StringAttr name = b.getStringAttr(wide ? "llvm.x86.avx512.min.ps.512" : "llvm.x86.avx.min.ps.256");
  auto partType = VectorType::get({native}, type.getElementType());
  Value result = a;
  for (int64_t from = 0; from < type.getNumElements(); from += native) {
    auto part = [&](Value v) -> Value {
      return partType == type
                 ? v
                 : vector::ExtractStridedSliceOp::create(b, loc, v, ArrayRef<int64_t>{from},
                                                         ArrayRef<int64_t>{native}, ArrayRef<int64_t>{1});
    };
    SmallVector<Value> operands{part(one), part(a)};
    constexpr int32_t currentRounding = 4;
    if (wide)
      operands.push_back(arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(currentRounding)));
    Value least = LLVM::CallIntrinsicOp::create(b, loc, partType, name, operands).getResults();
    result = partType == type ? least
                              : vector::InsertStridedSliceOp::create(
                                    b, loc, least, result, ArrayRef<int64_t>{from}, ArrayRef<int64_t>{1});
  }
  return result;
}

Value Code::maxMin(Value a, Value c, bool max) {
  Type element = getElementTypeOrSelf(op->getResult(0).getType());
  if (isa<FloatType>(element)) {
    if (isFinite(a))
      std::swap(a, c);
    // Against a number, `number > x ? number : x` is the one instruction that also lets NaN through.
    if (!max && isOne(c))
      if (Value least = notAboveOne(c, a))
        return least;
    if (isFinite(c))
      return select(cmpf(max ? arith::CmpFPredicate::OGT : arith::CmpFPredicate::OLT, c, a), c, a);
    return max ? make<arith::MaximumFOp>(a, c) : make<arith::MinimumFOp>(a, c);
  }
  if (isSigned(element))
    return max ? make<arith::MaxSIOp>(a, c) : make<arith::MinSIOp>(a, c);
  return max ? make<arith::MaxUIOp>(a, c) : make<arith::MinUIOp>(a, c);
}

Value Code::divide(Value a, Value c, bool remainder) {
  Type element = getElementTypeOrSelf(op->getResult(0).getType());
  if (isa<FloatType>(element)) {
    if (!remainder)
      return make<arith::DivFOp>(a, c);
    return arith::RemFOp::create(b, loc, a, c);
  }
  Value zero = constantLike(a, 0), one = constantLike(a, 1);
  Value byZero = cmpi(arith::CmpIPredicate::eq, c, zero);
  Value divisor = select(byZero, one, c);
  if (!isSigned(element)) {
    Value r = remainder ? make<arith::RemUIOp>(a, divisor) : make<arith::DivUIOp>(a, divisor);
    return select(byZero, zero, r);
  }
  // The smallest integer divided by -1 traps on x86; the wrapped quotient is the negation.
  Value byMinusOne = cmpi(arith::CmpIPredicate::eq, c, constantLike(a, -1));
  divisor = select(byMinusOne, one, divisor);
  Value r = remainder ? make<arith::RemSIOp>(a, divisor) : make<arith::DivSIOp>(a, divisor);
  r = select(byMinusOne, remainder ? zero : make<arith::SubIOp>(zero, a), r);
  return select(byZero, zero, r);
}

Value Code::shift(Value a, Value c, bool left) {
  Type element = getElementTypeOrSelf(op->getResult(0).getType());
  unsigned width = element.getIntOrFloatBitWidth();
  Value limit = constantLike(a, width), zero = constantLike(a, 0);
  Value inRange = cmpi(arith::CmpIPredicate::ult, c, limit);
  if (!left && isSigned(element))
    return make<arith::ShRSIOp>(a, select(inRange, c, constantLike(a, width - 1)));
  Value amount = select(inRange, c, zero);
  Value r = left ? make<arith::ShLIOp>(a, amount) : make<arith::ShRUIOp>(a, amount);
  return select(inRange, r, zero);
}

Value Code::binary(Value a, Value c) {
  bool isFloat = isa<FloatType>(getElementTypeOrSelf(a.getType()));
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case([&](AddOp) { return isFloat ? make<arith::AddFOp>(a, c) : make<arith::AddIOp>(a, c); })
      .Case([&](SubOp) { return isFloat ? make<arith::SubFOp>(a, c) : make<arith::SubIOp>(a, c); })
      .Case([&](MulOp) { return isFloat ? make<arith::MulFOp>(a, c) : make<arith::MulIOp>(a, c); })
      .Case([&](DivOp) { return divide(a, c, false); })
      .Case([&](RemOp) { return divide(a, c, true); })
      .Case([&](PowOp) {
        if (isFloat) {
          Type type = a.getType(), wide = k.vectorOf(b.getF32Type(), lanes);
          bool narrow = getElementTypeOrSelf(type).isF16() || getElementTypeOrSelf(type).isBF16();
          if (narrow) {
            a = arith::ExtFOp::create(b, loc, wide, a);
            c = arith::ExtFOp::create(b, loc, wide, c);
          }
          Value r = make<math::PowFOp>(a, c);
          return narrow ? Value(arith::TruncFOp::create(b, loc, type, r)) : r;
        }
        Type wide = k.vectorOf(b.getF64Type(), lanes);
        bool sign = isSigned(getElementTypeOrSelf(op->getResult(0).getType()));
        auto toFloat = [&](Value v) -> Value {
          return sign ? Value(arith::SIToFPOp::create(b, loc, wide, v))
                      : Value(arith::UIToFPOp::create(b, loc, wide, v));
        };
        Value r = math::RoundEvenOp::create(b, loc, make<math::PowFOp>(toFloat(a), toFloat(c)));
        return sign ? Value(arith::FPToSIOp::create(b, loc, a.getType(), r))
                    : Value(arith::FPToUIOp::create(b, loc, a.getType(), r));
      })
      .Case([&](MaxOp) { return maxMin(a, c, true); })
      .Case([&](MinOp) { return maxMin(a, c, false); })
      .Case([&](AndOp) { return make<arith::AndIOp>(a, c); })
      .Case([&](OrOp) { return make<arith::OrIOp>(a, c); })
      .Case([&](XorOp) { return make<arith::XOrIOp>(a, c); })
      .Case([&](ShlOp) { return shift(a, c, true); })
      .Case([&](ShrOp) { return shift(a, c, false); })
      .Case([&](CmpOp cmp) { return compare(cmp.getPredicate(), a, c); })
      .Default(Value());
}

Value Code::compare(CmpPredicate p, Value a, Value c) {
  Type element = getElementTypeOrSelf(op->getOperand(0).getType());
  using F = arith::CmpFPredicate;
  using I = arith::CmpIPredicate;
  static const F floats[] = {F::OEQ, F::UNE, F::OLT, F::OLE, F::OGT, F::OGE};
  static const I ints[] = {I::eq, I::ne, I::slt, I::sle, I::sgt, I::sge};
  static const I unsignedInts[] = {I::eq, I::ne, I::ult, I::ule, I::ugt, I::uge};
  auto i = static_cast<unsigned>(p);
  if (p == CmpPredicate::lt && planted(Defect::LessIsLessEqual))
    i = static_cast<unsigned>(CmpPredicate::le);
  if (isa<FloatType>(element))
    return cmpf(floats[i], a, c);
  return cmpi(isSigned(element) ? ints[i] : unsignedInts[i], a, c);
}

Value Code::cast(Value a, Type from, Type to) {
  if (from == to)
    return a;
  Type target = k.vectorOf(k.valueType(to), lanes);
  if (isa<FloatType>(from)) {
    if (to.isInteger(1))
      return cmpf(arith::CmpFPredicate::UNE, a, constantLike(a, 0));
    if (isa<FloatType>(to)) {
      unsigned wf = from.getIntOrFloatBitWidth(), wt = to.getIntOrFloatBitWidth();
      if (wf < wt)
        return arith::ExtFOp::create(b, loc, target, a);
      if (wf > wt)
        return arith::TruncFOp::create(b, loc, target, a);
      Value wide = arith::ExtFOp::create(b, loc, k.vectorOf(b.getF32Type(), lanes), a); // f16 <-> bf16
      return arith::TruncFOp::create(b, loc, target, wide);
    }
    // Through a wide integer, so that narrow targets keep the low bits.
    Type wide =
        k.vectorOf(to.getIntOrFloatBitWidth() > 32 || from.isF64() ? b.getI64Type() : b.getI32Type(), lanes);
    if (to.isUnsignedInteger(32))
      wide = k.vectorOf(b.getI64Type(), lanes);
    Value r = to.isUnsignedInteger(64) ? Value(arith::FPToUIOp::create(b, loc, wide, a))
                                       : Value(arith::FPToSIOp::create(b, loc, wide, a));
    if (wide != target)
      r = arith::TruncIOp::create(b, loc, target, r);
    return r;
  }
  if (to.isInteger(1))
    return cmpi(arith::CmpIPredicate::ne, a, constantLike(a, 0));
  bool sign = isSigned(from);
  if (isa<FloatType>(to)) {
    Type wide = to.isF64() ? target : k.vectorOf(b.getF32Type(), lanes);
    Value r = sign ? Value(arith::SIToFPOp::create(b, loc, wide, a))
                   : Value(arith::UIToFPOp::create(b, loc, wide, a));
    return wide == target ? r : Value(arith::TruncFOp::create(b, loc, target, r));
  }
  unsigned wf = from.getIntOrFloatBitWidth(), wt = to.getIntOrFloatBitWidth();
  if (wf < wt)
    return sign ? Value(arith::ExtSIOp::create(b, loc, target, a))
                : Value(arith::ExtUIOp::create(b, loc, target, a));
  return wf > wt ? Value(arith::TruncIOp::create(b, loc, target, a)) : a;
}

Value Code::run(ValueRange in) {
  if (auto s = dyn_cast<SelectOp>(op))
    return planted(Defect::SelectSwapped) ? select(in[0], in[2], in[1]) : select(in[0], in[1], in[2]);
  Type to = getElementTypeOrSelf(op->getResult(0).getType());
  if (isa<CastOp>(op))
    return cast(in[0], getElementTypeOrSelf(op->getOperand(0).getType()), to);
  if (isa<BitcastOp>(op)) {
    Type target = k.vectorOf(k.valueType(to), lanes);
    if (in[0].getType() == target)
      return in[0];
    return lanes == 1 ? Value(arith::BitcastOp::create(b, loc, target, in[0]))
                      : Value(vector::BitCastOp::create(b, loc, cast_or_null<VectorType>(target), in[0]));
  }
  return in.size() == 1 ? unary(in[0]) : binary(in[0], in[1]);
}

} // namespace

Value emitElementwise(KernelBuilder &k, Operation *op, ValueRange operands, unsigned lanes) {
  return Code(k, op, lanes).run(operands);
}

/// The greater or lesser; `acc` where it is NaN, or where both are zeros. A maximum that also tells zeros
/// apart takes twice as many instructions.
static Value extreme(KernelBuilder &k, arith::CmpFPredicate beyond, Value acc, Value v, bool keepsNan) {
  OpBuilder &b = k.builder();
  APFloat start(0.0f);
  if (matchPattern(acc, m_ConstantFloat(&start)) && start.isInfinity() &&
      start.isNegative() == (beyond == arith::CmpFPredicate::OGT))
    return v; // it is where the reduction starts
  Value further = arith::CmpFOp::create(b, k.loc(), beyond, v, acc);
  Value result = arith::SelectOp::create(b, k.loc(), further, v, acc);
  if (!keepsNan)
    return result;
  // Not `v` itself: LLVM would choose it by one mask of both comparisons, and miss the instruction for these.
  auto type = cast<FloatType>(getElementTypeOrSelf(v.getType()));
  TypedAttr nan = b.getFloatAttr(type, APFloat::getNaN(type.getFloatSemantics()));
  if (auto vector = dyn_cast<VectorType>(v.getType()))
    nan = DenseElementsAttr::get(vector, nan);
  Value isNan = arith::CmpFOp::create(b, k.loc(), arith::CmpFPredicate::UNO, v, v);
  return arith::SelectOp::create(b, k.loc(), isNan, arith::ConstantOp::create(b, k.loc(), nan), result);
}

Value emitCombine(KernelBuilder &k, ReduceKind kind, Type element, Value acc, Value v, bool keepsNan) {
  OpBuilder &b = k.builder();
  Location loc = k.loc();
  bool isFloat = isa<FloatType>(element), isUnsigned = element.isUnsignedInteger() || element.isInteger(1);
  switch (kind) {
  case ReduceKind::sum:
    return isFloat ? Value(arith::AddFOp::create(b, loc, acc, v))
                   : Value(arith::AddIOp::create(b, loc, acc, v));
  case ReduceKind::prod:
    return isFloat ? Value(arith::MulFOp::create(b, loc, acc, v))
                   : Value(arith::MulIOp::create(b, loc, acc, v));
  case ReduceKind::max:
    if (isFloat)
      return extreme(k, arith::CmpFPredicate::OGT, acc, v, keepsNan);
    return isUnsigned ? Value(arith::MaxUIOp::create(b, loc, acc, v))
                      : Value(arith::MaxSIOp::create(b, loc, acc, v));
  case ReduceKind::min:
    if (isFloat)
      return extreme(k, arith::CmpFPredicate::OLT, acc, v, keepsNan);
    return isUnsigned ? Value(arith::MinUIOp::create(b, loc, acc, v))
                      : Value(arith::MinSIOp::create(b, loc, acc, v));
  }
  llvm_unreachable("every kind is handled");
}

TypedAttr neutralElement(KernelBuilder &k, ReduceKind kind, Type element) {
  OpBuilder &b = k.builder();
  Type type = k.valueType(element);
  bool lowest = kind == ReduceKind::max;
  if (auto f = dyn_cast<FloatType>(type)) {
    if (kind == ReduceKind::sum || kind == ReduceKind::prod)
      return b.getFloatAttr(f, kind == ReduceKind::prod ? 1.0 : 0.0);
    if (lowest && planted(Defect::MaximumStartsAtZero))
      return b.getFloatAttr(f, 0.0);
    return b.getFloatAttr(f, APFloat::getInf(f.getFloatSemantics(), lowest));
  }
  unsigned width = type.getIntOrFloatBitWidth();
  if (kind == ReduceKind::sum || kind == ReduceKind::prod)
    return b.getIntegerAttr(type, kind == ReduceKind::prod ? 1 : 0);
  bool isUnsigned = element.isUnsignedInteger() || element.isInteger(1);
  APInt v = lowest ? (isUnsigned ? APInt::getMinValue(width) : APInt::getSignedMinValue(width))
                   : (isUnsigned ? APInt::getMaxValue(width) : APInt::getSignedMaxValue(width));
  return b.getIntegerAttr(type, v);
}

Value emitHorizontal(KernelBuilder &k, ReduceKind kind, Type element, Value vector, unsigned lanes) {
  OpBuilder &b = k.builder();
  Location loc = k.loc();
  while (lanes > 1) {
    unsigned half = lanes / 2;
    SmallVector<int64_t> low, high;
    for (unsigned i = 0; i < half; ++i) {
      low.push_back(i);
      high.push_back(half + i);
    }
    Value x = vector::ShuffleOp::create(b, loc, vector, vector, low);
    Value y = vector::ShuffleOp::create(b, loc, vector, vector, high);
    vector = emitCombine(k, kind, element, x, y);
    lanes = half;
  }
  return isa<VectorType>(vector.getType()) ? Value(vector::ExtractOp::create(b, loc, vector, int64_t(0)))
                                           : vector;
}

unsigned elementwiseCost(Operation *op) {
  if (isa<ExpOp, LogOp, TanhOp, ErfOp, SinOp, CosOp, AsinOp, AtanOp, PowOp>(op))
    return 16;
  if (isa<DivOp, RemOp, SqrtOp, RsqrtOp>(op))
    return 6;
  return 1;
}

} // namespace tenon::cpu
