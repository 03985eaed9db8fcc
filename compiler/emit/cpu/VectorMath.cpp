//===- VectorMath.cpp - math operations become arithmetic ---------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compiler/emit/cpu/VectorMath.h"
#include "compiler/emit/cpu/VectorMathFunctions.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/TypeSwitch.h"
#include <limits>

using namespace mlir;

namespace tenon::cpu {
namespace {

using vmath::Bits;
using vmath::Emitter;
using vmath::Mask;
using vmath::Real;

using UnaryExpansion = Real (*)(Real);

/// An expansion and whether it has a form for f32; without one f32 goes through f64.
struct Expansion {
  UnaryExpansion function = nullptr;
  bool single = false;
};

Type withElement(Type type, Type element) {
  if (auto vector = dyn_cast<VectorType>(type))
    return vector.clone(element);
  return element;
}

Expansion unaryExpansion(Operation *op) {
  using namespace vmath;
  if (isa<math::ExpOp>(op) && op->hasAttr(kAtMostZeroAttr))
    return {expAtMostZero, true};
  return llvm::StringSwitch<Expansion>(op->getName().getStringRef())
      .Case("math.exp", {exp, true})
      .Case("math.exp2", {exp2, true})
      .Case("math.expm1", {expm1, true})
      .Case("math.tanh", {tanh, true})
      .Case("math.log", {log, true})
      .Case("math.erf", {erf, true})
      .Case("math.sin", {sin, true})
      .Case("math.cos", {cos, true})
      .Case("math.sinh", {sinh})
      .Case("math.cosh", {cosh})
      .Case("math.log2", {log2})
      .Case("math.log10", {log10})
      .Case("math.log1p", {log1p})
      .Case("math.asinh", {asinh})
      .Case("math.acosh", {acosh})
      .Case("math.atanh", {atanh})
      .Case("math.cbrt", {cbrt})
      .Case("math.tan", {tan})
      .Case("math.asin", {asin})
      .Case("math.acos", {acos})
      .Case("math.atan", {atan})
      .Case("math.erfc", {erfc})
      .Default({});
}

/// Runs `function` on f64 versions of `operands`.
template <typename Function>
Value inDouble(OpBuilder &builder, Location loc, ValueRange operands, Function function) {
  Type type = operands.front().getType();
  Emitter e(builder, loc, withElement(type, builder.getF64Type()));
  SmallVector<Real> wide;
  for (Value operand : operands)
    wide.push_back({&e, type == e.type ? operand : e.make<arith::ExtFOp>(e.type, operand)});
  Real result = function(ArrayRef<Real>(wide));
  return type == e.type ? result.v : e.make<arith::TruncFOp>(type, result.v);
}

/// The value of a scalar or splat constant.
std::optional<double> constantOf(Value value) {
  Attribute attribute;
  if (!matchPattern(value, m_Constant(&attribute)))
    return std::nullopt;
  if (auto splat = dyn_cast<SplatElementsAttr>(attribute))
    attribute = splat.getSplatValue<Attribute>();
  if (auto number = dyn_cast<FloatAttr>(attribute))
    return number.getValueAsDouble();
  return std::nullopt;
}

Value expandPow(OpBuilder &builder, math::PowFOp op) {
  Emitter e(builder, op.getLoc(), op.getType());
  Real x{&e, op.getLhs()};
  if (std::optional<double> power = constantOf(op.getRhs())) {
    if (*power == 2.0)
      return (x * x).v;
    if (*power == 3.0)
      return (x * x * x).v;
    if (*power == 1.0)
      return x.v;
    if (*power == 0.5) { // pow(-0, 0.5) is +0, pow(-infinity, 0.5) infinity
      constexpr double infinity = std::numeric_limits<double>::infinity();
      return select(x == -infinity, infinity, (x + 0.0).sqrt()).v;
    }
    if (*power == -1.0)
      return (x.constant(1.0) / x).v;
  }
  return inDouble(builder, op.getLoc(), op->getOperands(),
                  [](ArrayRef<Real> args) { return vmath::pow(args[0], args[1]); });
}

/// Whether values of the type are computed in f32.
bool isHalf(Type type) {
  Type element = getElementTypeOrSelf(type);
  return element.isF16() || element.isBF16();
}

class Expander {
public:
  Expander(const CpuTarget &target, OpBuilder &builder) : target(target), builder(builder) {}

  /// Recreates an operation on f16 or bf16 in f32.
  void widenHalf(Operation *op);
  /// Replaces an operation of the math dialect, or leaves it where it is legal.
  LogicalResult expandMath(Operation *op);
  LogicalResult expandRemainder(arith::RemFOp op);
  void expandExtension(arith::ExtFOp op);
  void expandTruncation(arith::TruncFOp op);

private:
  Value expandIntegerPower(math::IPowIOp op);
  /// f16 or bf16 to f32.
  Value toSingle(Value value);
  LogicalResult replace(Operation *op, ValueRange values) {
    op->replaceAllUsesWith(values);
    op->erase();
    return success();
  }

  const CpuTarget &target;
  OpBuilder &builder;
};

/// Operations that calculate with floats, other than conversions among them.
bool computesInSingle(Operation *op) {
  StringRef dialect = op->getName().getDialectNamespace();
  if (dialect == "arith") {
    if (isa<arith::ConstantOp, arith::SelectOp, arith::BitcastOp, arith::ExtFOp, arith::TruncFOp>(op))
      return false;
  } else if (dialect != "math" && !isa<vector::FMAOp, vector::ReductionOp>(op)) {
    return false;
  }
  return llvm::any_of(op->getOperandTypes(), isHalf) || llvm::any_of(op->getResultTypes(), isHalf);
}

/// Recreates `op` on f32 operands and results; expands what that makes.
void Expander::widenHalf(Operation *op) {
  Type single = builder.getF32Type();
  OperationState state(op->getLoc(), op->getName());
  state.addAttributes(op->getAttrs());
  for (Value operand : op->getOperands())
    state.operands.push_back(
        isHalf(operand.getType())
            ? arith::ExtFOp::create(builder, op->getLoc(), withElement(operand.getType(), single), operand)
                  .getResult()
            : operand);
  for (Type type : op->getResultTypes())
    state.types.push_back(isHalf(type) ? withElement(type, single) : type);
  Operation *wide = builder.create(state);
  SmallVector<Value> results;
  for (auto [result, type] : llvm::zip_equal(wide->getResults(), op->getResultTypes()))
    results.push_back(isHalf(type) ? arith::TruncFOp::create(builder, op->getLoc(), type, result).getResult()
                                   : Value(result));
  (void)replace(op, results);
}

/// f32 with the rounding that makes a second rounding harmless: toward zero, with the last bit set where
/// inexact.
static Value roundToOdd(Emitter &wide, Value value) {
  OpBuilder &builder = wide.builder;
  Emitter single(builder, wide.loc, wide.withElement(builder.getF32Type()));
  Real nearest{&single, single.make<arith::TruncFOp>(single.type, value)};
  Real back{&wide, wide.make<arith::ExtFOp>(wide.type, nearest.v)}, exact{&wide, value};
  Mask inexact = exact.compare(arith::CmpFPredicate::ONE, back);
  Mask away = back.abs() > exact.abs();
  Bits bits = nearest.bits();
  Bits inward = select(Mask{&single, away.v}, bits - 1, bits);
  return asReal(select(Mask{&single, inexact.v}, inward | 1, bits)).v;
}

Value Expander::toSingle(Value value) {
  Location loc = value.getLoc();
  Type type = value.getType(), single = withElement(type, builder.getF32Type());
  if (getElementTypeOrSelf(type).isF16())
    return arith::ExtFOp::create(builder, loc, single, value);
  Type half = withElement(type, builder.getI16Type()), word = withElement(type, builder.getI32Type());
  Value bits =
      arith::ExtUIOp::create(builder, loc, word, arith::BitcastOp::create(builder, loc, half, value));
  Emitter e(builder, loc, single);
  return asReal(Bits{&e, bits}.shl(16)).v;
}

void Expander::expandExtension(arith::ExtFOp op) {
  Value single = toSingle(op.getIn());
  Value result = single;
  if (single.getType() != op.getType())
    result = arith::ExtFOp::create(builder, op.getLoc(), op.getType(), single);
  (void)replace(op, result);
}

void Expander::expandTruncation(arith::TruncFOp op) {
  Location loc = op.getLoc();
  Value value = op.getIn();
  Type type = op.getType();
  if (getElementTypeOrSelf(value.getType()).isF64()) {
    Emitter wide(builder, loc, value.getType());
    value = roundToOdd(wide, value);
  }
  if (getElementTypeOrSelf(type).isF16() || (target.bf16 && !target.emulate)) {
    (void)replace(op, arith::TruncFOp::create(builder, loc, type, value).getResult());
    return;
  }
  // Round to nearest even in the upper half; a NaN keeps its upper bits and becomes quiet.
  Emitter e(builder, loc, withElement(type, builder.getF32Type()));
  Real number{&e, value};
  Bits bits = number.bits();
  Bits rounded = bits + (bits.shr(16) & 1) + 0x7fff;
  Bits upper = select(number.isNan(), bits | 0x400000, rounded).shr(16);
  Value half = arith::TruncIOp::create(builder, loc, withElement(type, builder.getI16Type()), upper.v);
  (void)replace(op, arith::BitcastOp::create(builder, loc, type, half).getResult());
}

LogicalResult Expander::expandRemainder(arith::RemFOp op) {
  int steps = getElementTypeOrSelf(op.getType()).isF64() ? 42 : 6;
  return replace(op, inDouble(builder, op.getLoc(), op->getOperands(), [&](ArrayRef<Real> args) {
                   return vmath::remainder(args[0], args[1], steps);
                 }));
}

/// Squaring and multiplying, a loop over the bits of the exponent. Negative exponents give 1/x in integers: 0
/// but for 1 and -1.
Value Expander::expandIntegerPower(math::IPowIOp op) {
  Location loc = op.getLoc();
  Type type = op.getType();
  auto constant = [&](int64_t value) -> Value {
    TypedAttr attribute = builder.getIntegerAttr(getElementTypeOrSelf(type), value);
    if (auto vector = dyn_cast<VectorType>(type))
      attribute = DenseElementsAttr::get(vector, Attribute(attribute));
    return arith::ConstantOp::create(builder, loc, attribute);
  };
  auto index = [&](int64_t value) { return arith::ConstantIndexOp::create(builder, loc, value); };
  Value one = constant(1), zero = constant(0);
  unsigned width = getElementTypeOrSelf(type).getIntOrFloatBitWidth();
  auto equal = [&](Value a, Value b) -> Value {
    return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, a, b);
  };
  auto choose = [&](Value mask, Value a, Value b) -> Value {
    return arith::SelectOp::create(builder, loc, mask, a, b);
  };
  auto loop = scf::ForOp::create(
      builder, loc, index(0), index(width), index(1), ValueRange{one, op.getLhs(), op.getRhs()},
      [&](OpBuilder &b, Location l, Value, ValueRange carried) {
        Value bit = arith::AndIOp::create(b, l, carried[2], one);
        Value isClear = arith::CmpIOp::create(b, l, arith::CmpIPredicate::eq, bit, zero);
        Value product = arith::MulIOp::create(b, l, carried[0], carried[1]);
        Value result = arith::SelectOp::create(b, l, isClear, carried[0], product);
        Value square = arith::MulIOp::create(b, l, carried[1], carried[1]);
        Value rest = arith::ShRUIOp::create(b, l, carried[2], one);
        scf::YieldOp::create(b, l, ValueRange{result, square, rest});
      });
  Value x = op.getLhs();
  Value negative = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, op.getRhs(), zero);
  Value odd = equal(arith::AndIOp::create(builder, loc, op.getRhs(), one), one);
  Value ofMinusOne = choose(odd, constant(-1), one);
  Value inverse = choose(equal(x, one), one, choose(equal(x, constant(-1)), ofMinusOne, zero));
  return choose(negative, inverse, loop.getResult(0));
}

/// erf(x * c) takes the constant into its coefficients.
static Value expandErfOfScaled(Operation *op, Emitter &e) {
  auto scaled = isa<math::ErfOp>(op) && !e.isDouble() ? op->getOperand(0).getDefiningOp<arith::MulFOp>()
                                                      : arith::MulFOp();
  std::optional<double> factor = scaled ? constantOf(scaled.getRhs()) : std::nullopt;
  // Far from 1 the coefficients would leave the range of floats.
  if (!factor || *factor < 0.25 || *factor > 4)
    return {};
  return vmath::erfOfScaled({&e, scaled.getLhs()}, *factor).v;
}

/// Whether `h` is x times a constant, and `argument` x, or x and something more, times a positive one: where
/// h is infinite, a function of the argument that saturates is 1 or -1 then.
static bool growTogether(Value h, Value argument) {
  auto scaled = h.getDefiningOp<arith::MulFOp>();
  if (!scaled || !constantOf(scaled.getRhs()))
    return false;
  if (auto product = argument.getDefiningOp<arith::MulFOp>();
      product && constantOf(product.getRhs()).value_or(0) > 0)
    argument = product.getLhs();
  auto sum = argument.getDefiningOp<arith::AddFOp>();
  Value x = scaled.getLhs();
  return argument == x || (sum && (sum.getLhs() == x || sum.getRhs() == x));
}

/// h * (v + 1), where v is a function of `argument` that saturates at -1 and 1, becomes h * v + h in one
/// operation. An infinite h would make a NaN of that with v between 0 and -1.
static void fuseGates(Value v, Value argument) {
  for (Operation *user : llvm::make_early_inc_range(v.getUsers())) {
    auto sum = dyn_cast<arith::AddFOp>(user);
    if (!sum || sum.getLhs() != v || constantOf(sum.getRhs()) != 1.0 || !sum->hasOneUse())
      continue;
    auto product = dyn_cast<arith::MulFOp>(*sum->user_begin());
    if (!product || product.getLhs() == product.getRhs())
      continue;
    Value h = product.getLhs() == sum.getResult() ? product.getRhs() : product.getLhs();
    if (!growTogether(h, argument))
      continue;
    OpBuilder builder(product);
    product.replaceAllUsesWith(math::FmaOp::create(builder, product.getLoc(), h, v, h).getResult());
    product.erase();
    sum.erase();
  }
}

LogicalResult Expander::expandMath(Operation *op) {
  Location loc = op->getLoc();
  if (Expansion expansion = unaryExpansion(op); expansion.function) {
    Type type = op->getResult(0).getType();
    if (!expansion.single)
      return replace(op, inDouble(builder, loc, op->getOperands(),
                                  [&](ArrayRef<Real> args) { return expansion.function(args[0]); }));
    Emitter e(builder, loc, type);
    Value result = expandErfOfScaled(op, e);
    if (!result)
      result = expansion.function({&e, op->getOperand(0)}).v;
    bool saturates = isa<math::ErfOp, math::TanhOp>(op);
    Value argument = op->getOperand(0);
    (void)replace(op, {result});
    if (saturates)
      fuseGates(result, argument);
    return success();
  }
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      // One instruction, or a short sequence that LLVM knows.
      .Case<math::AbsFOp, math::AbsIOp, math::CeilOp, math::CopySignOp, math::CountLeadingZerosOp,
            math::CountTrailingZerosOp, math::CtPopOp, math::FloorOp, math::FmaOp, math::IsFiniteOp,
            math::IsInfOp, math::IsNaNOp, math::IsNormalOp, math::RoundOp, math::RoundEvenOp, math::SqrtOp,
            math::TruncOp>([](Operation *) { return success(); })
      .Case([&](math::RsqrtOp rsqrt) {
        Emitter e(builder, loc, rsqrt.getType());
        Real x{&e, rsqrt.getOperand()};
        return replace(op, (x.constant(1.0) / x.sqrt()).v);
      })
      .Case([&](math::SincosOp both) {
        Emitter e(builder, loc, both.getOperand().getType());
        Real x{&e, both.getOperand()};
        Value s = vmath::sin(x).v, c = vmath::cos(x).v;
        return replace(op, {s, c});
      })
      .Case([&](math::ClampFOp clamp) {
        Value low = arith::MaximumFOp::create(builder, loc, clamp.getValue(), clamp.getMin());
        return replace(op, Value(arith::MinimumFOp::create(builder, loc, low, clamp.getMax())));
      })
      .Case([&](math::Atan2Op) {
        return replace(op, inDouble(builder, loc, op->getOperands(),
                                    [](ArrayRef<Real> args) { return vmath::atan2(args[0], args[1]); }));
      })
      .Case([&](math::PowFOp power) { return replace(op, expandPow(builder, power)); })
      .Case([&](math::FPowIOp power) {
        Value exponent = arith::SIToFPOp::create(builder, loc, power.getType(), power.getRhs());
        Value result = inDouble(builder, loc, {power.getLhs(), exponent},
                                [](ArrayRef<Real> args) { return vmath::pow(args[0], args[1]); });
        return replace(op, result);
      })
      .Case([&](math::IPowIOp power) { return replace(op, expandIntegerPower(power)); })
      .Default(
          [](Operation *unknown) { return unknown->emitOpError("no expansion into arithmetic is known"); });
}

/// Calls `visit` for each operation for which `wanted` holds, with the builder before it.
template <typename Wanted, typename Visit>
LogicalResult forEach(Operation *root, OpBuilder &builder, Wanted wanted, Visit visit) {
  SmallVector<Operation *> found;
  root->walk([&](Operation *op) {
    if (wanted(op))
      found.push_back(op);
  });
  for (Operation *op : found) {
    for (Type type : op->getResultTypes())
      if (auto vector = dyn_cast<VectorType>(type); vector && vector.getRank() != 1)
        return op->emitOpError("expected a scalar or a 1-D vector, found ") << type;
    builder.setInsertionPoint(op);
    if (failed(visit(op)))
      return failure();
  }
  return success();
}

/// A conversion that involves f16 or bf16 and is more than one instruction.
bool needsExpansion(Operation *op) {
  if (!isa<arith::ExtFOp, arith::TruncFOp>(op))
    return false;
  Type from = getElementTypeOrSelf(op->getOperand(0).getType()),
       to = getElementTypeOrSelf(op->getResult(0).getType());
  bool native = (from.isF16() && to.isF32()) || (from.isF32() && to.isF16());
  return !native && (isHalf(from) || isHalf(to));
}

} // namespace

LogicalResult expandVectorMath(Operation *root, const CpuTarget &target) {
  OpBuilder builder(root->getContext());
  Expander expander(target, builder);
  auto isMath = [](Operation *op) {
    return isa<arith::RemFOp>(op) || op->getName().getDialectNamespace() == "math";
  };
  // The order matters: arithmetic on halves makes conversions, and math functions on them must become f32
  // first.
  if (failed(forEach(root, builder, computesInSingle, [&](Operation *op) {
        expander.widenHalf(op);
        return success();
      })))
    return failure();
  if (failed(forEach(root, builder, isMath, [&](Operation *op) {
        if (auto remainder = dyn_cast<arith::RemFOp>(op))
          return expander.expandRemainder(remainder);
        return expander.expandMath(op);
      })))
    return failure();
  return forEach(root, builder, needsExpansion, [&](Operation *op) {
    if (auto extension = dyn_cast<arith::ExtFOp>(op))
      expander.expandExtension(extension);
    else
      expander.expandTruncation(cast<arith::TruncFOp>(op));
    return success();
  });
}

} // namespace tenon::cpu
