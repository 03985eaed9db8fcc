//===- FormSegments.cpp - runs of kernels for a device
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/BufferTable.h"
#include "compiler/place/Passes.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace tenon::place {
#define GEN_PASS_DEF_FORMSEGMENTS
#include "compiler/place/Passes.h.inc"

namespace {

/// Whether the operation only shows the memory of its operand in another shape.
bool isReshape(Operation *op) { return isa_and_nonnull<ReshapeOp, tensor::CastOp>(op); }

/// Calls f for the values that an operation uses, those in its regions included.
void forEachUse(Operation *op, function_ref<void(Value)> f) {
  op->walk([&](Operation *inner) {
    for (Value operand : inner->getOperands())
      f(operand);
  });
}

/// A growing run of kernels of one block.
class Segment {
public:
  bool empty() const { return members.empty(); }
  unsigned kernels() const { return count; }

  /// Whether the operation needs a result of the segment, also through others.
  bool feeds(Operation *op) const {
    bool found = false;
    forEachUse(op, [&](Value value) {
      Operation *def = value.getDefiningOp();
      found |= def && (members.contains(def) || behind.contains(def));
    });
    return found;
  }

  /// An operation between the members: it moves behind the segment where it needs it.
  void pass(Operation *op) {
    if (feeds(op))
      behind.insert(op);
  }

  /// Takes a kernel, with the reshapes that it needs; false where it needs something that has to be behind.
  bool add(KernelOp kernel) {
    llvm::SetVector<Operation *> reshapes;
    for (Value operand : kernel->getOperands())
      if (!reach(operand, reshapes))
        return false;
    for (Operation *op : reshapes)
      members.insert(op);
    members.insert(kernel);
    ++count;
    return true;
  }

  /// Replaces the members by one kernel.
  void build();

private:
  bool reach(Value value, llvm::SetVector<Operation *> &reshapes) const {
    Operation *def = value.getDefiningOp();
    if (!def || !behind.contains(def))
      return true;
    if (!isReshape(def))
      return false;
    for (Value operand : def->getOperands())
      if (!reach(operand, reshapes))
        return false;
    reshapes.insert(def); // operands come first
    return true;
  }

  /// Whether the value is used outside, also through reshapes, which stay there as well.
  bool escapes(Value value) const {
    return llvm::any_of(value.getUsers(), [&](Operation *user) {
      return !members.contains(user) || (isReshape(user) && escapes(user->getResult(0)));
    });
  }

  llvm::SetVector<Operation *> members; // in an order in which they can run
  llvm::SetVector<Operation *> behind;  // need members, in the order of the block
  unsigned count = 0;
};

/// The sizes of a value's dynamic dimensions, as the kernel that makes it was given them.
void appendSizes(OpResult result, SmallVectorImpl<Value> &sizes) {
  auto kernel = cast<KernelOp>(result.getOwner());
  ValueRange all = kernel.getResultSizes();
  for (OpResult earlier : kernel->getResults().take_front(result.getResultNumber()))
    all = all.drop_front(cast<RankedTensorType>(earlier.getType()).getNumDynamicDims());
  llvm::append_range(sizes, all.take_front(cast<RankedTensorType>(result.getType()).getNumDynamicDims()));
}

void Segment::build() {
  Operation *last = members.back();
  llvm::SetVector<Value> tensors, indices;
  SmallVector<OpResult> results;
  SmallVector<Value> resultSizes;
  SmallVector<Type> types;
  SmallVector<Location> locations;
  for (Operation *op : members) {
    for (Value operand : op->getOperands())
      if (Operation *def = operand.getDefiningOp(); !def || !members.contains(def))
        (operand.getType().isIndex() ? indices : tensors).insert(operand);
    if (!isa<KernelOp>(op))
      continue;
    locations.push_back(op->getLoc());
    for (OpResult result : op->getResults()) {
      if (!escapes(result))
        continue;
      results.push_back(result);
      types.push_back(result.getType());
      appendSizes(result, resultSizes);
    }
  }
  OpBuilder b(last);
  Location loc = b.getFusedLoc(locations);
  auto segment = KernelOp::create(b, loc, types, tensors.getArrayRef(), indices.getArrayRef(), resultSizes,
                                  kSegmentFamily, DictionaryAttr());
  Block *block = b.createBlock(&segment.getBody());
  IRMapping map;
  for (const auto &list : {tensors.getArrayRef(), indices.getArrayRef()})
    for (Value value : list)
      map.map(value, block->addArgument(value.getType(), value.getLoc()));
  for (Operation *op : members)
    b.clone(*op, map);
  SmallVector<Value> yielded;
  for (OpResult result : results)
    yielded.push_back(map.lookup(result));
  YieldOp::create(b, loc, yielded);
  for (auto [result, merged] : llvm::zip_equal(results, segment->getResults()))
    result.replaceAllUsesWith(merged);
  Operation *end = segment;
  for (Operation *op : behind)
    if (op->isBeforeInBlock(segment)) {
      op->moveAfter(end);
      end = op;
    }
  for (Operation *op : llvm::reverse(members))
    if (op->use_empty())
      op->erase();
}

void segmentsOf(Block &block, const Takes &takes, function_ref<void(KernelOp, StringRef)> stays) {
  SmallVector<Operation *> operations;
  for (Operation &op : block)
    operations.push_back(&op);
  Segment segment;
  auto finish = [&] {
    if (!segment.empty())
      segment.build();
    segment = Segment();
  };
  for (Operation *op : operations) {
    auto kernel = dyn_cast<KernelOp>(op);
    std::string reason = kernel ? takes(kernel) : std::string();
    if (kernel && !reason.empty())
      stays(kernel, reason);
    if (kernel && reason.empty()) {
      if (segment.add(kernel))
        continue;
      finish();
      segment.add(kernel);
    } else if (!isMemoryEffectFree(op) || op->hasTrait<OpTrait::IsTerminator>()) {
      // Reads and writes of states keep their places among the kernels.
      finish();
    } else if (!segment.empty()) {
      segment.pass(op);
    }
  }
  finish();
}

/// What the attribute `tenon.take` says.
std::string takesMarked(KernelOp op) { return op->hasAttr("tenon.take") ? "" : "it is not marked"; }

struct FormSegments : impl::FormSegmentsBase<FormSegments> {
  void runOnOperation() override { formSegments(getOperation(), takesMarked); }
};

} // namespace

void formSegments(func::FuncOp function, const Takes &takes) {
  SmallVector<Block *> blocks;
  function.walk([&](Block *block) {
    if (!isa<KernelOp>(block->getParentOp()))
      blocks.push_back(block);
  });
  // A result that takes over an operand's memory is Memory's business, which a device knows nothing of.
  auto checked = [&](KernelOp op) -> std::string {
    return op->hasAttr(kTiesAttr) ? "it changes a tensor in place" : takes(op);
  };
  auto stays = [&](KernelOp op, StringRef reason) {
    remark::missed(op.getLoc(),
                   remark::RemarkOpts::name("OnCpu").category("place").function(function.getName()))
        << remark::metric("Family", op.getFamily().str()) << remark::metric("Reason", reason.str());
  };
  for (Block *block : blocks)
    segmentsOf(*block, checked, stays);
}

} // namespace tenon::place
