//===- ElementwiseHandlers.cpp - arithmetic, comparison, logic, casts -------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/ModelFile.h"
#include "compiler/import/onnx/NodeContext.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

namespace {

bool isBool(const Tensor &t) { return t.element.isInteger(1); }

LogicalResult sameElements(NodeContext &n, int64_t first = 0) {
  for (int64_t i = first + 1; i < n.inputCount(); ++i)
    if (n.in(i).element != n.in(first).element)
      return n.invalid("expected operands of one element type, found " + describe(n.in(first)) + " and " +
                       describe(n.in(i)));
  return success();
}

template <typename Op> LogicalResult floatUnary(NodeContext &n) {
  if (failed(n.needInputs(1)) || failed(n.needFloat(0)))
    return failure();
  return n.out(n.g.unary<Op>(n.in(0)));
}

template <typename Op> LogicalResult numericUnary(NodeContext &n) {
  if (failed(n.needInputs(1)))
    return failure();
  if (isBool(n.in(0)))
    return n.invalid("expected numbers, found " + describe(n.in(0)));
  return n.out(n.g.unary<Op>(n.in(0)));
}

/// Rounding leaves integers as they are.
template <typename Op> LogicalResult rounding(NodeContext &n) {
  if (failed(n.needInputs(1)))
    return failure();
  return n.out(isa<FloatType>(n.in(0).element) ? n.g.unary<Op>(n.in(0)) : n.in(0));
}

enum class Elements { Numbers, Integers, Booleans };

LogicalResult needElements(NodeContext &n, Elements kind) {
  Type t = n.in(0).element;
  bool ok = kind == Elements::Numbers    ? !t.isInteger(1)
            : kind == Elements::Integers ? isa<IntegerType>(t) && !t.isInteger(1)
                                         : t.isInteger(1);
  if (ok)
    return success();
  StringRef name = kind == Elements::Numbers    ? "numbers"
                   : kind == Elements::Integers ? "integers"
                                                : "booleans";
  return n.invalid("expected " + name + ", found " + describe(n.in(0)));
}

/// Two or more operands, broadcast to one shape and combined from the left.
template <typename Op, Elements kind> LogicalResult combine(NodeContext &n) {
  if (failed(n.needInputs(std::max<int64_t>(n.inputCount(), 1))) || failed(needElements(n, kind)) ||
      failed(sameElements(n)))
    return failure();
  ONNX_TRY(operands, n.broadcastAll(n.inputs));
  Tensor result = operands[0];
  for (const Tensor &t : ArrayRef(operands).drop_front())
    result = n.g.binary<Op>(result, t);
  return n.out(result);
}

template <typename Op, Elements kind> LogicalResult binary(NodeContext &n) {
  if (n.inputCount() != 2)
    return n.invalid("expected 2 inputs, found " + Twine(n.inputCount()));
  return combine<Op, kind>(n);
}

LogicalResult mean(NodeContext &n) {
  if (failed(n.needInputs(1)) || failed(n.needFloat(0)) || failed(combine<AddOp, Elements::Numbers>(n)))
    return failure();
  return n.out(n.g.binary<DivOp>(n.outputs[0], static_cast<double>(n.inputCount())));
}

LogicalResult mod(NodeContext &n) {
  if (failed(n.needInputs(2)))
    return failure();
  if (n.intAttr("fmod", 0))
    return binary<RemOp, Elements::Numbers>(n);
  return binary<ModOp, Elements::Numbers>(n);
}

LogicalResult pow(NodeContext &n) {
  if (failed(n.needInputs(2)))
    return failure();
  ONNX_TRY(operands, n.broadcastAll({n.in(0), n.in(1)}));
  Type base = operands[0].element, exponent = operands[1].element;
  Type common = isa<FloatType>(base) || !isa<FloatType>(exponent) ? base : exponent;
  Tensor result = n.g.binary<PowOp>(n.g.convert(operands[0], common), n.g.convert(operands[1], common));
  return n.out(n.g.convert(result, base));
}

template <CmpPredicate predicate> LogicalResult compare(NodeContext &n) {
  if (failed(n.needInputs(2)) || failed(sameElements(n)))
    return failure();
  ONNX_TRY(operands, n.broadcastAll({n.in(0), n.in(1)}));
  return n.out(n.g.compare(predicate, operands[0], operands[1]));
}

LogicalResult logicalNot(NodeContext &n) {
  if (failed(n.needInputs(1)) || failed(needElements(n, Elements::Booleans)))
    return failure();
  return n.out(n.g.unary<NotOp>(n.in(0)));
}

LogicalResult bitwiseNot(NodeContext &n) {
  if (failed(n.needInputs(1)) || failed(needElements(n, Elements::Integers)))
    return failure();
  return n.out(n.g.unary<NotOp>(n.in(0)));
}

LogicalResult bitShift(NodeContext &n) {
  std::string direction = n.stringAttr("direction", "");
  if (direction == "LEFT")
    return binary<ShlOp, Elements::Integers>(n);
  if (direction == "RIGHT")
    return binary<ShrOp, Elements::Integers>(n);
  return n.invalid("expected direction LEFT or RIGHT, found '" + direction + "'");
}

LogicalResult isNaN(NodeContext &n) {
  if (failed(n.needInputs(1)) || failed(n.needFloat(0)))
    return failure();
  return n.out(n.g.compare(CmpPredicate::ne, n.in(0), n.in(0)));
}

LogicalResult isInf(NodeContext &n) {
  if (failed(n.needInputs(1)) || failed(n.needFloat(0)))
    return failure();
  const Tensor &x = n.in(0);
  bool positive = n.intAttr("detect_positive", 1), negative = n.intAttr("detect_negative", 1);
  double inf = std::numeric_limits<double>::infinity();
  if (positive && negative) {
    Tensor magnitude = n.g.unary<AbsOp>(x);
    return n.out(n.g.compare(CmpPredicate::eq, magnitude, n.g.full(inf, x.element, x.dims)));
  }
  if (!positive && !negative)
    return n.out(n.g.fullInt(0, n.i1(), x.dims));
  return n.out(n.g.compare(CmpPredicate::eq, x, n.g.full(positive ? inf : -inf, x.element, x.dims)));
}

LogicalResult where(NodeContext &n) {
  if (failed(n.needInputs(3)) || failed(needElements(n, Elements::Booleans)) || failed(sameElements(n, 1)))
    return failure();
  ONNX_TRY(operands, n.broadcastAll({n.in(0), n.in(1), n.in(2)}));
  return n.out(n.g.select(operands[0], operands[1], operands[2]));
}

LogicalResult cast(NodeContext &n) {
  if (failed(n.needInputs(1)))
    return failure();
  int64_t to = n.intAttr("to", 0);
  Type element = elementTypeOf(*n.g.builder.getContext(), static_cast<int32_t>(to));
  if (!element)
    return n.fail(104, "casts to " + nameOfElementType(static_cast<int32_t>(to)) + " are not supported");
  return n.out(n.g.convert(n.in(0), element));
}

LogicalResult castLike(NodeContext &n) {
  if (failed(n.needInputs(2)))
    return failure();
  return n.out(n.g.convert(n.in(0), n.in(1).element));
}

LogicalResult bitCast(NodeContext &n) {
  if (failed(n.needInputs(1)))
    return failure();
  Type element = elementTypeOf(*n.g.builder.getContext(), static_cast<int32_t>(n.intAttr("to", 0)));
  if (!element || element.getIntOrFloatBitWidth() != n.in(0).element.getIntOrFloatBitWidth())
    return n.unsupported("expected a type of the same width");
  const Tensor &x = n.in(0);
  return n.out(
      n.g.wrap(BitcastOp::create(n.g.builder, n.g.loc, n.g.type(element, x.dims), n.g.value(x)), x.dims));
}

/// A bound of Clip, broadcast from a scalar.
FailureOr<Tensor> bound(NodeContext &n, int64_t input) {
  return n.broadcastTo(n.in(input), n.in(0).dims, "the bound");
}

LogicalResult clip(NodeContext &n) {
  if (failed(n.needInputs(1)))
    return failure();
  const Tensor &x = n.in(0);
  double low = n.floatAttr("min", -std::numeric_limits<double>::infinity());
  double high = n.floatAttr("max", std::numeric_limits<double>::infinity());
  bool lowKnown = !n.has(1), highKnown = !n.has(2);
  if (isa<FloatType>(x.element)) {
    if (n.has(1) && n.in(1).constant && n.in(1).constant.getNumElements() == 1) {
      low = *n.constantNumber(1, "min");
      lowKnown = true;
    }
    if (n.has(2) && n.in(2).constant && n.in(2).constant.getNumElements() == 1) {
      high = *n.constantNumber(2, "max");
      highKnown = true;
    }
    if (lowKnown && highKnown) {
      bool all = std::isinf(low) && std::isinf(high) && low < high;
      return n.out(
          all ? x
              : n.g.unary<ClipOp>(x, n.g.builder.getF64FloatAttr(low), n.g.builder.getF64FloatAttr(high)));
    }
  }
  Tensor result = x;
  if (n.has(1)) {
    ONNX_TRY(least, bound(n, 1));
    result = n.g.binary<MaxOp>(result, least);
  }
  if (n.has(2)) {
    ONNX_TRY(most, bound(n, 2));
    result = n.g.binary<MinOp>(result, most);
  }
  return n.out(result);
}

LogicalResult identity(NodeContext &n) {
  if (!n.has(0))
    return n.invalid("expected one input");
  return n.out(n.in(0));
}

LogicalResult dropout(NodeContext &n) {
  if (failed(n.needInputs(1)))
    return failure();
  if (n.has(2)) {
    ONNX_TRY(training, n.constantInts(2, "training_mode"));
    if (!training.empty() && training[0])
      return n.unsupported("training_mode is set; export the model for inference");
  }
  if (n.wants(1) && failed(n.out(n.g.fullInt(1, n.i1(), n.in(0).dims), 1)))
    return failure();
  return n.out(n.in(0));
}

} // namespace

void tenon::importer::registerElementwise(OpTable &t) {
  constexpr auto numbers = Elements::Numbers, integers = Elements::Integers, booleans = Elements::Booleans;
  t.add("Abs", numericUnary<AbsOp>);
  t.add("Neg", numericUnary<NegOp>);
  t.add("Sign", numericUnary<SignOp>);
  t.add("Sqrt", floatUnary<SqrtOp>);
  t.add("Exp", floatUnary<ExpOp>);
  t.add("Log", floatUnary<LogOp>);
  t.add("Sin", floatUnary<SinOp>);
  t.add("Cos", floatUnary<CosOp>);
  t.add("Tan", floatUnary<TanOp>);
  t.add("Asin", floatUnary<AsinOp>);
  t.add("Acos", floatUnary<AcosOp>);
  t.add("Atan", floatUnary<AtanOp>);
  t.add("Sinh", floatUnary<SinhOp>);
  t.add("Cosh", floatUnary<CoshOp>);
  t.add("Asinh", floatUnary<AsinhOp>);
  t.add("Acosh", floatUnary<AcoshOp>);
  t.add("Atanh", floatUnary<AtanhOp>);
  t.add("Tanh", floatUnary<TanhOp>);
  t.add("Erf", floatUnary<ErfOp>);
  t.add("Reciprocal", floatUnary<ReciprocalOp>);
  t.add("Floor", rounding<FloorOp>);
  t.add("Ceil", rounding<CeilOp>);
  t.add("Round", rounding<RoundOp>);
  t.add("Add", binary<AddOp, numbers>);
  t.add("Sub", binary<SubOp, numbers>);
  t.add("Mul", binary<MulOp, numbers>);
  t.add("Div", binary<DivOp, numbers>);
  t.add("Mod", mod);
  t.add("Pow", pow);
  t.add("Sum", combine<AddOp, numbers>);
  t.add("Mean", mean);
  t.add("Max", combine<MaxOp, numbers>);
  t.add("Min", combine<MinOp, numbers>);
  t.add("And", binary<AndOp, booleans>);
  t.add("Or", binary<OrOp, booleans>);
  t.add("Xor", binary<XorOp, booleans>);
  t.add("Not", logicalNot);
  t.add("BitwiseAnd", binary<AndOp, integers>);
  t.add("BitwiseOr", binary<OrOp, integers>);
  t.add("BitwiseXor", binary<XorOp, integers>);
  t.add("BitwiseNot", bitwiseNot);
  t.add("BitShift", bitShift);
  t.add("Equal", compare<CmpPredicate::eq>);
  t.add("Less", compare<CmpPredicate::lt>);
  t.add("LessOrEqual", compare<CmpPredicate::le>);
  t.add("Greater", compare<CmpPredicate::gt>);
  t.add("GreaterOrEqual", compare<CmpPredicate::ge>);
  t.add("IsNaN", isNaN);
  t.add("IsInf", isInf);
  t.add("Where", where);
  t.add("Cast", cast);
  t.add("CastLike", castLike);
  t.add("BitCast", bitCast);
  t.add("Clip", clip);
  t.add("Identity", identity);
  t.add("Dropout", dropout);
}
