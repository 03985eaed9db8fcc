//===- IndexArithmetic.cpp - the meaning of arith operations on sizes ----===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sizes are computed by arith operations on index and integer scalars. Results wrap to their type.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "reference/Evaluators.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::reference;

static Tensor scalar(Value result, int64_t v) { return Tensor::fromInts(*dtypeOf(result.getType()), {}, v); }

template <typename Op> static void addArithmetic(EvaluatorTable &table, int64_t (*f)(int64_t, int64_t)) {
  table.add<Op>(
      [f](Op op, Values in) { return scalar(op.getResult(), f(in[0].firstInt(), in[1].firstInt())); });
}

template <typename Op> static void addDivision(EvaluatorTable &table, int64_t (*f)(int64_t, int64_t)) {
  table.add<Op>([f](Op op, Values in) -> FailureOr<Tensor> {
    int64_t a = in[0].firstInt(), b = in[1].firstInt();
    if (b == 0 || (b == -1 && a == std::numeric_limits<int64_t>::min()))
      return outOfRange(op) << "'" << op->getName() << "' divides " << a << " by " << b
                            << ", which has no result";
    return scalar(op.getResult(), f(a, b));
  });
}

static bool compare(arith::CmpIPredicate predicate, int64_t a, int64_t b) {
  uint64_t x = a, y = b;
  switch (predicate) {
  case arith::CmpIPredicate::eq:
    return a == b;
  case arith::CmpIPredicate::ne:
    return a != b;
  case arith::CmpIPredicate::slt:
    return a < b;
  case arith::CmpIPredicate::sle:
    return a <= b;
  case arith::CmpIPredicate::sgt:
    return a > b;
  case arith::CmpIPredicate::sge:
    return a >= b;
  case arith::CmpIPredicate::ult:
    return x < y;
  case arith::CmpIPredicate::ule:
    return x <= y;
  case arith::CmpIPredicate::ugt:
    return x > y;
  case arith::CmpIPredicate::uge:
    return x >= y;
  }
  llvm_unreachable("unknown predicate");
}

static FailureOr<Tensor> evaluateConstant(arith::ConstantOp op, Values) {
  if (auto integer = dyn_cast<IntegerAttr>(op.getValue()))
    if (dtypeOf(op.getType()))
      return scalar(op.getResult(), integer.getType().isInteger(1) ? integer.getValue().getZExtValue()
                                                                   : integer.getValue().getSExtValue());
  if (auto number = dyn_cast<FloatAttr>(op.getValue()))
    if (std::optional<DType> dtype = dtypeOf(op.getType()))
      return Tensor::fromDoubles(*dtype, {}, number.getValueAsDouble());
  if (auto elements = dyn_cast<ElementsAttr>(op.getValue()))
    if (std::optional<Tensor> value = Tensor::fromAttribute(elements))
      return *value;
  return op->emitError()
         << "TN0711: a constant of type " << op.getType()
         << " has no meaning in the interpreter; indices, integers, floats and tensors of them have";
}

void tenon::reference::addIndexArithmetic(EvaluatorTable &table) {
  using I = int64_t;
  using U = uint64_t;
  addArithmetic<arith::AddIOp>(table, [](I a, I b) { return I(U(a) + U(b)); });
  addArithmetic<arith::SubIOp>(table, [](I a, I b) { return I(U(a) - U(b)); });
  addArithmetic<arith::MulIOp>(table, [](I a, I b) { return I(U(a) * U(b)); });
  addArithmetic<arith::AndIOp>(table, [](I a, I b) { return a & b; });
  addArithmetic<arith::OrIOp>(table, [](I a, I b) { return a | b; });
  addArithmetic<arith::XOrIOp>(table, [](I a, I b) { return a ^ b; });
  addArithmetic<arith::MinSIOp>(table, [](I a, I b) { return std::min(a, b); });
  addArithmetic<arith::MaxSIOp>(table, [](I a, I b) { return std::max(a, b); });
  addArithmetic<arith::MinUIOp>(table, [](I a, I b) { return I(std::min(U(a), U(b))); });
  addArithmetic<arith::MaxUIOp>(table, [](I a, I b) { return I(std::max(U(a), U(b))); });
  addDivision<arith::DivSIOp>(table, [](I a, I b) { return a / b; });
  addDivision<arith::RemSIOp>(table, [](I a, I b) { return a % b; });
  addDivision<arith::DivUIOp>(table, [](I a, I b) { return I(U(a) / U(b)); });
  addDivision<arith::RemUIOp>(table, [](I a, I b) { return I(U(a) % U(b)); });
  addDivision<arith::FloorDivSIOp>(table, [](I a, I b) { return llvm::divideFloorSigned(a, b); });
  addDivision<arith::CeilDivSIOp>(table, [](I a, I b) { return llvm::divideCeilSigned(a, b); });
  addDivision<arith::CeilDivUIOp>(table, [](I a, I b) { return I(U(a) / U(b) + (U(a) % U(b) != 0)); });
  table.add<arith::IndexCastOp>(
      [](arith::IndexCastOp op, Values in) { return scalar(op.getResult(), in[0].firstInt()); });
  table.add<arith::ExtUIOp>(
      [](arith::ExtUIOp op, Values in) { return scalar(op.getResult(), in[0].firstInt()); });
  table.add<arith::SelectOp>([](arith::SelectOp op, Values in) { return in[0].firstInt() ? in[1] : in[2]; });
  table.add<arith::CmpIOp>([](arith::CmpIOp op, Values in) {
    return scalar(op.getResult(), compare(op.getPredicate(), in[0].firstInt(), in[1].firstInt()));
  });
  table.add<arith::ConstantOp>(evaluateConstant);
}
