//===- NodeCosts.cpp - what the nodes of a model cost -----------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/pipeline/NodeCosts.h"

#include "compiler/dialect/tenon/BufferTable.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace tenon::pipeline {

int64_t nodeNumber(Location location) {
  int64_t number = -1;
  location->walk([&](Location part) {
    auto name = dyn_cast<NameLoc>(part);
    StringRef text = name ? name.getName().getValue() : StringRef();
    if (!text.consume_front("node:") || text.split(':').first.getAsInteger(10, number))
      return WalkResult::advance();
    return WalkResult::interrupt();
  });
  return number;
}

namespace {

/// Results that are the operand's memory under another shape.
bool isView(Operation *op) { return isa<ReshapeOp, tensor::CastOp>(op); }

Value underViews(Value v) {
  while (v.getDefiningOp() && isView(v.getDefiningOp()))
    v = v.getDefiningOp()->getOperand(0);
  return v;
}

class CostCounter {
public:
  CostCounter(func::FuncOp function, SizeAnalysis &sizes) : function(function), sizes(sizes) {}

  std::map<int64_t, NodeCost> run() {
    function.walk([&](Operation *op) {
      if (isa<TenonDialect>(op->getDialect()) && !isView(op) &&
          !isa<ConstantOp, GetWeightOp, SymbolOp, ReadStateOp, WriteStateOp, ReadScalarOp, FromIndexOp>(op))
        add(op);
    });
    return std::move(costs);
  }

private:
  Size elements(Value v) { return productOf(sizes.context(), sizes.dims(v)); }
  Size bytes(Value v) { return elements(v) * storageBytes(getElementTypeOrSelf(v.getType())); }
  void add(Operation *op);
  Size flop(Operation *op);
  Size bytesRead(Operation *op, OpOperand &operand);
  Size iterations(Operation *op);
  bool leaves(Value result, int64_t node);

  func::FuncOp function;
  SizeAnalysis &sizes;
  std::map<int64_t, NodeCost> costs;
  llvm::DenseMap<int64_t, llvm::DenseSet<Value>> seen; // what each node has read
};

void CostCounter::add(Operation *op) {
  int64_t node = nodeNumber(op->getLoc());
  Size none = sizes.context().constant(0), times = iterations(op), moved = none;
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<RankedTensorType>(operand.get().getType()))
      continue;
    Value source = underViews(operand.get());
    Operation *producer = source.getDefiningOp();
    if (isa_and_nonnull<ConstantOp>(producer))
      continue;
    bool elsewhere = !producer || isa<GetWeightOp>(producer) || nodeNumber(producer->getLoc()) != node;
    if (elsewhere && seen[node].insert(source).second)
      moved = moved + bytesRead(op, operand);
  }
  for (Value result : op->getResults())
    if (isa<RankedTensorType>(result.getType()) && leaves(result, node))
      moved = moved + bytes(result);
  NodeCost &cost = costs.try_emplace(node, NodeCost{none, none}).first->second;
  cost.flop = cost.flop + flop(op) * times;
  cost.bytes = cost.bytes + moved * times;
}

Size CostCounter::flop(Operation *op) {
  if (auto product = dyn_cast<ContractOp>(op))
    return elements(product.getResult()) * sizes.dims(product.getLhs()).back() * 2;
  if (auto conv = dyn_cast<ConvOp>(op)) {
    // Each position meets every tap once; with zeros between the inputs, each input does.
    bool spread = llvm::any_of(conv.getInputDilations(), [](int64_t d) { return d != 1; });
    ArrayRef<Size> filter = sizes.dims(conv.getFilter());
    Size taps = productOf(sizes.context(), filter.drop_back(2)) * 2;
    if (spread)
      return elements(conv.getInput()) * taps * filter.back().floorDiv(conv.getGroups());
    return elements(conv.getResult()) * taps * filter[filter.size() - 2];
  }
  if (auto pool = dyn_cast<ReduceWindowOp>(op)) {
    Size count = elements(pool.getResult());
    for (int64_t window : pool.getWindow())
      count = count * window;
    return count;
  }
  if (isa<ReduceOp, ArgReduceOp, ScanOp, TopKOp>(op))
    return elements(op->getOperand(0));
  if (op->hasTrait<ElementwiseTrait>() && !isa<CastOp, BitcastOp, SelectOp>(op))
    return elements(op->getResult(0));
  return sizes.context().constant(0);
}

Size CostCounter::bytesRead(Operation *op, OpOperand &operand) {
  bool partly = operand.getOperandNumber() == 0 && isa<SliceOp, GatherOp, GatherElementsOp, GatherNdOp>(op);
  return bytes(partly ? op->getResult(0) : operand.get());
}

Size CostCounter::iterations(Operation *op) {
  Size times = sizes.context().constant(1);
  for (Operation *parent = op->getParentOp(); parent && parent != function; parent = parent->getParentOp())
    if (auto loop = dyn_cast<scf::ForOp>(parent)) {
      Size span = sizes.index(loop.getUpperBound()) - sizes.index(loop.getLowerBound());
      times = times * span.ceilDiv(sizes.index(loop.getStep())).max(sizes.context().constant(0));
    }
  return times;
}

/// Whether something beyond the node uses the value, perhaps under another shape.
bool CostCounter::leaves(Value result, int64_t node) {
  return llvm::any_of(result.getUsers(), [&](Operation *user) {
    if (isView(user))
      return leaves(user->getResult(0), node);
    return nodeNumber(user->getLoc()) != node || user->hasTrait<OpTrait::IsTerminator>();
  });
}

} // namespace

std::map<int64_t, NodeCost> nodeCosts(func::FuncOp function, SizeAnalysis &sizes) {
  return CostCounter(function, sizes).run();
}

} // namespace tenon::pipeline
