//===- JoinRows.cpp - neighbouring kernels that work on the same rows --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/JoinRows.h"

#include "compiler/emit/mortise/segment/PlannedKernel.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace tenon::npu {

namespace {

/// Elementwise work, or totals over rows.
bool isOfRows(KernelOp kernel) {
  bool isFamily = kernel.getFamily() == "map" || (kernel.getFamily() == "reduce" && reducesRows(kernel));
  return isFamily && kernel->getNumResults() == 1 && kernel.getSizes().empty();
}

bool hasTotals(KernelOp kernel) { return !kernel.getBody().front().getOps<ReduceOp>().empty(); }

/// One kernel in place of `last`, which computes what `first` does, too.
KernelOp join(KernelOp first, KernelOp last) {
  llvm::SetVector<mlir::Value> inputs(first.getInputs().begin(), first.getInputs().end());
  for (mlir::Value input : last.getInputs())
    if (input != first->getResult(0))
      inputs.insert(input);
  OpBuilder b(last);
  Location location = b.getFusedLoc({first.getLoc(), last.getLoc()});
  auto joined = KernelOp::create(b, location, last->getResultTypes(), inputs.getArrayRef(), ValueRange(),
                                 ValueRange(), "reduce", DictionaryAttr());
  mlir::Block *block = b.createBlock(&joined.getBody());
  IRMapping map;
  for (mlir::Value input : inputs)
    map.map(input, block->addArgument(input.getType(), input.getLoc()));
  for (KernelOp kernel : {first, last}) {
    mlir::Block &body = kernel.getBody().front();
    for (auto [argument, input] : llvm::zip_equal(body.getArguments(), kernel.getInputs()))
      map.map(argument, map.lookup(input));
    for (mlir::Operation &op : body.without_terminator())
      b.clone(op, map);
    mlir::Value yielded = map.lookup(body.getTerminator()->getOperand(0));
    map.map(kernel->getResult(0), yielded);
    if (kernel == last)
      YieldOp::create(b, location, yielded);
  }
  return joined;
}

/// `last` with one of the kernels that it alone reads; null where there is none that fits.
KernelOp joinOne(KernelOp last, const mortise::Hardware &hardware) {
  for (mlir::Value input : last.getInputs()) {
    auto first = input.getDefiningOp<KernelOp>();
    bool isOnlyReader =
        first && llvm::all_of(input.getUsers(), [&](mlir::Operation *user) { return user == last; });
    if (!isOnlyReader || !isOfRows(first) || (!hasTotals(first) && !hasTotals(last)))
      continue;
    KernelOp joined = join(first, last);
    std::string why;
    if (!reducesRows(joined) || !planRowwise(joined, hardware, {}, why)) {
      joined->erase();
      continue;
    }
    last->replaceAllUsesWith(joined);
    last->erase();
    first->erase();
    return joined;
  }
  return {};
}

} // namespace

void joinRows(KernelOp segment, const mortise::Hardware &hardware) {
  mlir::Block &body = segment.getBody().front();
  for (mlir::Operation *op = body.getTerminator(); op; op = op->getPrevNode()) {
    auto kernel = dyn_cast<KernelOp>(op);
    if (!kernel || !isOfRows(kernel))
      continue;
    while (KernelOp joined = joinOne(kernel, hardware))
      op = kernel = joined;
  }
}

} // namespace tenon::npu
