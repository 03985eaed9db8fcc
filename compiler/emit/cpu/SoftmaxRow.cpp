//===- SoftmaxRow.cpp - a softmax among the operations of a kernel
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/SoftmaxRow.h"

#include "compiler/emit/cpu/VectorMath.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace tenon::cpu {

/// The reduction that `value` repeats along the axes that it reduced.
static ReduceOp repeatedReduction(Value value) {
  auto broadcast = value.getDefiningOp<BroadcastOp>();
  return broadcast && broadcast->hasOneUse() && broadcast.getInput().hasOneUse()
             ? broadcast.getInput().getDefiningOp<ReduceOp>()
             : ReduceOp();
}

std::optional<SoftmaxRow> matchSoftmax(ReduceOp sum) {
  auto exp = sum.getInput().getDefiningOp<ExpOp>();
  if (sum.getKind() != ReduceKind::sum || !exp ||
      !cast<RankedTensorType>(exp.getType()).getElementType().isF32())
    return std::nullopt;
  auto centred = exp.getInput().getDefiningOp<SubOp>();
  ReduceOp max = centred && centred->hasOneUse() ? repeatedReduction(centred.getRhs()) : ReduceOp();
  if (!max || max.getKind() != ReduceKind::max || max.getInput() != centred.getLhs() ||
      max.getAxes() != sum.getAxes())
    return std::nullopt;
  DivOp quotient;
  for (Operation *user : exp->getUsers()) {
    if (user == sum)
      continue;
    auto div = dyn_cast<DivOp>(user);
    if (quotient || !div || div.getLhs() != exp.getResult() || repeatedReduction(div.getRhs()) != sum)
      return std::nullopt;
    quotient = div;
  }
  if (!quotient)
    return std::nullopt;
  return SoftmaxRow{max, sum, quotient};
}

Value emitExpAtMostZero(KernelBuilder &k, Value x) {
  auto exp = math::ExpOp::create(k.builder(), k.loc(), x);
  exp->setAttr(kAtMostZeroAttr, k.builder().getUnitAttr());
  return exp;
}

Value emitQuotientByReciprocal(KernelBuilder &k, Value dividend, Value divisor, Value reciprocal,
                               unsigned lanes) {
  OpBuilder &b = k.builder();
  Value factor = k.splat(reciprocal, lanes);
  Value negated = k.splat(arith::NegFOp::create(b, k.loc(), divisor), lanes);
  Value quotient = arith::MulFOp::create(b, k.loc(), dividend, factor);
  Value rest = math::FmaOp::create(b, k.loc(), quotient, negated, dividend);
  return math::FmaOp::create(b, k.loc(), rest, factor, quotient);
}

} // namespace tenon::cpu
