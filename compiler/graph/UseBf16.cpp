//===- UseBf16.cpp - products of bf16
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/CoreBuilder.h"
#include "compiler/dialect/tenon/SizeRules.h"
#include "compiler/graph/Passes.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace tenon;

namespace tenon {
#define GEN_PASS_DEF_USEBF16
#include "compiler/graph/Passes.h.inc"
} // namespace tenon

namespace {

/// Products whose operands are read often; a depthwise convolution reads each a few times.
bool takesBf16(Operation *op) {
  auto isF32 = [](Value v) { return getElementTypeOrSelf(v).isF32(); };
  if (!isa<ContractOp, ConvOp>(op) || !llvm::all_of(op->getOperands(), isF32) || !isF32(op->getResult(0)))
    return false;
  auto conv = dyn_cast<ConvOp>(op);
  if (!conv)
    return true;
  int64_t perGroup = tensorType(conv.getFilter()).getDimSize(conv.getStrides().size());
  return conv.getGroups() == 1 || perGroup > 1;
}

/// Lies in memory for its products alone, once every other reader takes the rounded value: sums of residuals
/// and the like, which then also read half the bytes. What a caller sees, and what reductions sum, stays
/// exact.
bool othersAreElementwise(Value v, Value rounded) {
  if (!v.getDefiningOp())
    return false;
  return llvm::all_of(v.getUsers(), [&](Operation *user) {
    return user == rounded.getDefiningOp() || user->hasTrait<ElementwiseTrait>();
  });
}

struct UseBf16 : tenon::impl::UseBf16Base<UseBf16> {
  void runOnOperation() override {
    // One cast for all products that read a value, behind whatever computes it.
    llvm::MapVector<Value, Value> rounded;
    getOperation().walk([&](Operation *op) {
      // The kernel of an attention rounds what it packs.
      if (auto attention = dyn_cast<AttentionOp>(op))
        attention->setDiscardableAttr("tenon.bf16_products", UnitAttr::get(&getContext()));
      if (!takesBf16(op))
        return;
      for (OpOperand &operand : op->getOpOperands()) {
        Value v = operand.get();
        Value &cast = rounded[v];
        if (!cast) {
          OpBuilder builder(op);
          builder.setInsertionPointAfterValue(v);
          cast = CoreBuilder(builder, v.getLoc()).cast(v, builder.getBF16Type());
        }
        operand.set(cast);
      }
    });
    for (auto [v, cast] : rounded)
      if (!v.hasOneUse() && othersAreElementwise(v, cast)) {
        OpBuilder builder(cast.getContext());
        builder.setInsertionPointAfterValue(cast);
        Value widened = CoreBuilder(builder, v.getLoc()).cast(cast, builder.getF32Type());
        v.replaceAllUsesExcept(widened, cast.getDefiningOp());
      }
  }
};

} // namespace
