//===- FormKernels.cpp - fused kernels from clusters
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/BufferTable.h"
#include "compiler/kernel/Clusters.h"
#include "compiler/kernel/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"

using namespace mlir;

namespace tenon::kernel {
#define GEN_PASS_DEF_FORMKERNELS
#include "compiler/kernel/Passes.h.inc"

namespace {

void buildKernel(Cluster &cluster, SizeAnalysis &sizes) {
  Operation *root = cluster.root;
  OpBuilder b(root);
  SmallVector<Operation *> body(llvm::reverse(cluster.members.getArrayRef()));
  // Members joined in reverse program order, except constants: order them as the block has them.
  llvm::sort(body, [](Operation *x, Operation *y) { return x->isBeforeInBlock(y); });

  llvm::SetVector<Value> tensors, indices;
  SmallVector<Location> locations;
  for (Operation *op : body) {
    if (!isa<ConstantOp>(op))
      locations.push_back(op->getLoc());
    for (Value v : op->getOperands()) {
      Operation *def = v.getDefiningOp();
      if (def && cluster.members.contains(def))
        continue;
      (v.getType().isIndex() ? indices : tensors).insert(v);
    }
  }
  Location loc = b.getFusedLoc(locations);
  SmallVector<Value> resultSizes;
  SmallVector<Type> types;
  for (Value r : root->getResults()) {
    if (!isa<RankedTensorType>(r.getType()))
      continue;
    types.push_back(r.getType());
    // The type decides: a size may have become constant since types were refined.
    for (auto [d, size] : llvm::enumerate(Dims(sizes.dims(r))))
      if (cast<RankedTensorType>(r.getType()).isDynamicDim(d))
        resultSizes.push_back(sizes.materialize(b, loc, size));
  }
  auto kernel = KernelOp::create(b, loc, types, tensors.getArrayRef(), indices.getArrayRef(), resultSizes,
                                 cluster.family(), DictionaryAttr());
  // Scattering changes some elements in place and leaves the rest.
  if (isa<ScatterNdOp, ScatterElementsOp>(root)) {
    auto position = std::distance(tensors.begin(), llvm::find(tensors, root->getOperand(0)));
    kernel->setAttr(kTiesAttr, b.getDenseI64ArrayAttr({position}));
  }
  Block *block = b.createBlock(&kernel.getBody());
  IRMapping map;
  for (Value v : tensors)
    map.map(v, block->addArgument(v.getType(), v.getLoc()));
  for (Value v : indices)
    map.map(v, block->addArgument(v.getType(), v.getLoc()));
  for (Operation *op : body)
    b.clone(*op, map);
  SmallVector<Value> yielded;
  for (Value r : root->getResults())
    if (isa<RankedTensorType>(r.getType()))
      yielded.push_back(map.lookup(r));
  YieldOp::create(b, loc, yielded);
  unsigned i = 0;
  for (Value r : root->getResults())
    if (isa<RankedTensorType>(r.getType()))
      r.replaceAllUsesWith(kernel.getResult(i++));
}

/// The canonicalizer makes an `arith.select` of a conditional whose branches compute nothing. Tensors may
/// differ in size there, so it is no elementwise operation: it becomes the conditional again.
void restoreConditionals(func::FuncOp function) {
  SmallVector<arith::SelectOp> selects;
  function.walk([&](arith::SelectOp op) {
    if (isa<RankedTensorType>(op.getType()))
      selects.push_back(op);
  });
  for (arith::SelectOp op : selects) {
    OpBuilder b(op);
    auto yield = [](Value v) {
      return [v](OpBuilder &inner, Location loc) { scf::YieldOp::create(inner, loc, v); };
    };
    auto branch = scf::IfOp::create(b, op.getLoc(), op.getCondition(), yield(op.getTrueValue()),
                                    yield(op.getFalseValue()));
    op.replaceAllUsesWith(branch.getResult(0));
    op.erase();
  }
}

/// "add (Add), relu (Relu)": the model's nodes that an operation comes from, as the importer names them.
std::string nodesOf(Location location) {
  std::string text;
  location->walk([&](Location part) {
    auto name = dyn_cast<NameLoc>(part);
    StringRef found = name ? name.getName().getValue() : StringRef();
    if (!found.consume_front("node:"))
      return WalkResult::advance();
    auto [operation, node] = found.split(':').second.split(':');
    text += ((text.empty() ? "" : ", ") + node + " (" + operation + ")").str();
    return WalkResult::advance();
  });
  return text;
}

/// One remark for each kernel, and one for each operation that the kernels of its users did not take in.
void remarkOn(func::FuncOp function, const Clusters &clusters) {
  auto options = [&](StringRef name) {
    return remark::RemarkOpts::name(name).category("fuse").function(function.getName());
  };
  for (const Clusters::Decline &decline : clusters.declines())
    remark::missed(decline.op->getLoc(), options("NotFused"))
        << remark::metric("Operation", decline.op->getName().getStringRef().str())
        << remark::metric("Nodes", nodesOf(decline.op->getLoc()))
        << remark::metric("Reason", decline.why.str());
  for (const Cluster *cluster : clusters.inOrder()) {
    SmallVector<Location> locations;
    for (Operation *op : llvm::reverse(cluster->members))
      if (!isa<ConstantOp>(op))
        locations.push_back(op->getLoc());
    remark::passed(cluster->root->getLoc(), options("Kernel"))
        << remark::metric("Family", cluster->family().str())
        << remark::metric("Nodes", nodesOf(FusedLoc::get(function.getContext(), locations)));
  }
}

/// Reports every operation outside kernels that no plan can carry out either.
LogicalResult checkForms(func::FuncOp function) {
  bool ok = true;
  function.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isa<KernelOp>(op))
      return WalkResult::skip();
    if (!isa<TenonDialect>(op->getDialect()) || op->use_empty() ||
        isa<ReshapeOp, GetWeightOp, ConstantOp, ReadStateOp, ReadScalarOp, FromIndexOp, SymbolOp>(op))
      return WalkResult::advance();
    op->emitError() << "TN0401: '" << op->getName()
                    << "' has no form on the CPU; use --target reference, or change the export";
    ok = false;
    return WalkResult::advance();
  });
  return success(ok);
}

struct FormKernels : impl::FormKernelsBase<FormKernels> {
  void runOnOperation() override {
    restoreConditionals(getOperation());
    SizeAnalysis sizes(getOperation());
    SmallVector<Block *> blocks;
    getOperation().walk([&](Block *block) {
      if (!isa<KernelOp>(block->getParentOp()))
        blocks.push_back(block);
    });
    for (Block *block : blocks) {
      Clusters clusters(*block, sizes);
      SmallVector<Operation *> old;
      for (Operation &op : *block)
        if (isFusable(&op))
          old.push_back(&op);
      if (getContext().getRemarkEngine())
        remarkOn(getOperation(), clusters);
      for (Cluster *cluster : clusters.inOrder())
        buildKernel(*cluster, sizes);
      for (Operation *op : llvm::reverse(old))
        if (op->use_empty()) {
          sizes.forget(op);
          op->erase();
        }
    }
    if (failed(checkForms(getOperation())))
      signalPassFailure();
  }
};

} // namespace
} // namespace tenon::kernel
