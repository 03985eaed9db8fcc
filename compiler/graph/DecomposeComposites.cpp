//===- DecomposeComposites.cpp - composites become core operations ----------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/graph/DecomposeComposites.h"

#include "compiler/graph/Passes.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;

namespace tenon {
#define GEN_PASS_DEF_DECOMPOSECOMPOSITES
#include "compiler/graph/Passes.h.inc"
} // namespace tenon

LogicalResult tenon::decomposeComposites(func::FuncOp function, llvm::function_ref<bool(Operation *)> keep) {
  SmallVector<Operation *> pending;
  auto collect = [&](Operation *op) {
    if (isa<CompositeOpInterface>(op) && !keep(op))
      pending.push_back(op);
  };
  function.walk(collect);
  // The operations that a decomposition makes may be composites too; `made` remembers them in order.
  struct Recorder : RewriterBase::Listener {
    SmallVector<Operation *> made;
    void notifyOperationInserted(Operation *op, OpBuilder::InsertPoint) override { made.push_back(op); }
  } recorder;
  IRRewriter rewriter(function.getContext(), &recorder);
  while (!pending.empty()) {
    Operation *op = pending.pop_back_val();
    rewriter.setInsertionPoint(op);
    recorder.made.clear();
    FailureOr<SmallVector<Value>> values = cast<CompositeOpInterface>(op).decompose(rewriter);
    if (failed(values))
      return op->emitOpError("has no decomposition into core operations");
    SmallVector<Operation *> made = recorder.made;
    rewriter.replaceOp(op, *values);
    llvm::for_each(made, collect);
  }
  return success();
}

namespace {
struct DecomposeCompositesPass : tenon::impl::DecomposeCompositesBase<DecomposeCompositesPass> {
  using DecomposeCompositesBase::DecomposeCompositesBase;
  void runOnOperation() override {
    auto kept = [this](Operation *op) { return llvm::is_contained(keep, op->getName().getStringRef()); };
    if (failed(tenon::decomposeComposites(getOperation(), kept)))
      signalPassFailure();
  }
};
} // namespace
