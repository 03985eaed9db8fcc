//===- Timeline.cpp - the order of execution, and how long values live --------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/memory/Timeline.h"

#include "compiler/defects/PlantedDefect.h"
#include "compiler/dialect/tenon/TenonDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace tenon::memory {

Timeline::Timeline(func::FuncOp function) { number(function.getBody().front()); }

void Timeline::number(Block &block) {
  for (Operation &op : block) {
    starts[&op] = ends[&op] = next++;
    if (op.getNumRegions() == 0 || isa<KernelOp>(op))
      continue;
    for (Region &region : op.getRegions())
      for (Block &inner : region)
        number(inner);
    ends[&op] = next++;
  }
}

static bool isLoop(Operation *op) { return isa<scf::ForOp, scf::WhileOp>(op); }

LiveRange Timeline::liveRange(Value value) const {
  LiveRange range;
  Operation *owner = value.getDefiningOp();
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    owner = argument.getOwner()->getParentOp();
    auto loop = dyn_cast<scf::WhileOp>(owner);
    bool forwarded = loop && argument.getOwner() == loop.getAfterBody();
    if (isLoop(owner) && !forwarded) {
      range.add(start(owner));
      range.add(end(owner));
    }
  } else if (isa<scf::ForOp>(owner)) {
    range.add(start(owner));
    range.add(end(owner));
  } else if (!isa<scf::IfOp, scf::WhileOp>(owner)) {
    // The results of the others lie where their regions put them.
    range.add(start(owner));
  }
  Region *home = value.getParentRegion();
  for (Operation *user : value.getUsers()) {
    range.add(start(user));
    for (Operation *around = user->getParentOp(); around && !around->isAncestor(home->getParentOp());
         around = around->getParentOp())
      if (isLoop(around) && !planted(Defect::LoopUseEndsEarly))
        range.add(end(around));
  }
  return range;
}

} // namespace tenon::memory
