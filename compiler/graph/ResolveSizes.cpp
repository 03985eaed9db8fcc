//===- ResolveSizes.cpp - sizes as expressions over symbols -----------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/SizeAnalysis.h"
#include "compiler/graph/Passes.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/Iterators.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/CSE.h"

using namespace mlir;

namespace tenon {
#define GEN_PASS_DEF_RESOLVESIZES
#include "compiler/graph/Passes.h.inc"
} // namespace tenon

namespace {

/// True for arithmetic that this pass writes anew; its operands are left alone.
bool isSizeArithmetic(Operation *op) {
  return isa<tensor::DimOp>(op) || (isa<arith::ArithDialect>(op->getDialect()) && op->getNumResults() == 1 &&
                                    op->getResult(0).getType().isIndex());
}

/// True where the expression says no more than the value itself.
bool isAtom(Value v) {
  Operation *op = v.getDefiningOp();
  return !op || !isSizeArithmetic(op) || isa<arith::ConstantOp>(op);
}

struct ResolveSizesPass : tenon::impl::ResolveSizesBase<ResolveSizesPass> {
  void runOnOperation() override {
    if (getOperation().isExternal())
      return;
    tenon::SizeAnalysis sizes(getOperation());
    SmallVector<OpOperand *> operands;
    getOperation().walk([&](Operation *op) {
      if (isSizeArithmetic(op))
        return;
      for (OpOperand &operand : op->getOpOperands())
        if (operand.get().getType().isIndex() && !isConstant(operand.get()))
          operands.push_back(&operand);
    });
    for (OpOperand *operand : operands) {
      tenon::Size size = sizes.index(operand->get());
      if (isAtom(operand->get()) && !size.constant())
        continue;
      OpBuilder builder(operand->getOwner());
      operand->set(sizes.materialize(builder, operand->getOwner()->getLoc(), size));
    }
    // Uses come after definitions: backwards, a whole chain dies in one walk.
    getOperation().walk<WalkOrder::PostOrder, ReverseIterator>([](Operation *op) {
      if (isOpTriviallyDead(op))
        op->erase();
    });
    IRRewriter rewriter(&getContext());
    eliminateCommonSubExpressions(rewriter, getAnalysis<DominanceInfo>(), getOperation());
  }

  static bool isConstant(Value v) { return v.getDefiningOp<arith::ConstantOp>() != nullptr; }
};

} // namespace
