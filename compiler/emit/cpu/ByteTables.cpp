//===- ByteTables.cpp - bytes that depend on one other byte alone
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/ByteTables.h"

#include "compiler/emit/cpu/ElementwiseCode.h"
#include "compiler/emit/cpu/UniformConstants.h"

using namespace mlir;

namespace tenon::cpu {
namespace {

bool isByte(Value v) {
  auto type = dyn_cast<IntegerType>(getElementTypeOrSelf(v));
  return type && type.getWidth() == 8;
}

/// Whether a tensor surely has many times the elements of a table; open sizes are taken for large, but for
/// the batch.
bool isLarge(ArrayRef<Size> dims) {
  constexpr int64_t least = 8 * int64_t(ByteTables::kEntries), open = 16;
  int64_t elements = 1;
  for (auto [i, d] : llvm::enumerate(dims))
    elements *= d.constant().value_or(i == 0 ? 1 : open);
  return elements >= least;
}

} // namespace

ByteTables::ByteTables(const KernelSpec &spec, const CpuTarget &target) {
  // Vector instructions for a look-up: five with tables in registers, about fifty for 16 elements by
  // shuffles, which wait for each other less than the steps that they stand for; else three for each element.
  unsigned least = target.looksUpBytes() ? 8 : target.shufflesBytes() ? 16 : 4 * target.lanes(32);
  KernelOp kernel = spec.op();
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    if (op.getNumResults() != 1 || !isa<RankedTensorType>(op.getResult(0).getType()))
      continue;
    Value result = op.getResult(0);
    Origin origin = originOf(&op);
    if (isByte(result) && origin.byte && origin.cost >= least && isLarge(spec.dims(result)))
      sources[result] = origin.byte;
    else if (isByte(result) && !origin.constant && !origin.byte)
      origin = {false, result, 0}; // for what comes of it
    origins[result] = origin;
  }
}

ByteTables::Origin ByteTables::originOf(Operation *op) const {
  Value result = op->getResult(0);
  if (uniformElements(result))
    return {true, {}, 0};
  if (!op->hasTrait<ElementwiseTrait>())
    return {};
  Origin all{true, {}, elementwiseCost(op)};
  for (Value v : op->getOperands()) {
    auto known = origins.find(v);
    Origin one = known != origins.end() ? known->second : isByte(v) ? Origin{false, v, 0} : Origin{};
    all.cost += one.cost;
    if (one.constant)
      continue;
    if (!one.byte || (all.byte && all.byte != one.byte))
      return {};
    all.constant = false;
    all.byte = one.byte;
  }
  return all;
}

} // namespace tenon::cpu
