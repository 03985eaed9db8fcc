//===- SumStart.cpp - what integer sums begin with
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/SumStart.h"

using namespace mlir;

namespace tenon::cpu {

/// Whether an input of the kernel, or a constant, is the same at all positions but for the last axis.
static bool isSameForAllRows(KernelBuilder &k, Value tensor) {
  auto broadcast = tensor.getDefiningOp<BroadcastOp>();
  if (!broadcast)
    return false;
  Value input = broadcast.getInput();
  bool given = isa<BlockArgument>(input) || isa_and_nonnull<ConstantOp>(input.getDefiningOp());
  ArrayRef<Size> dims = k.spec().dims(input);
  return given && !dims.empty() && dims.size() == k.spec().dims(tensor).size() &&
         llvm::all_of(dims.drop_back(), [](Size d) { return d.isConstant(1); });
}

SumStart::SumStart(KernelBuilder &k, Value product) : k(k), sum(product) {
  if (!cast<RankedTensorType>(product.getType()).getElementType().isInteger(32) || !product.hasOneUse())
    return;
  auto add = dyn_cast<AddOp>(*product.user_begin());
  if (!add || add.getType() != product.getType())
    return;
  Value other = add.getLhs() == product ? add.getRhs() : add.getLhs();
  if (!isSameForAllRows(k, other))
    return;
  sum = add.getResult();
  added = other;
}

Value SumStart::at(Value column, unsigned lanes, Value mask) const {
  Coords at(k.spec().dims(added).size(), Coord{k.constant(0)});
  at.back() = {column, 1};
  return Evaluator(k, lanes, mask).eval(added, at);
}

} // namespace tenon::cpu
