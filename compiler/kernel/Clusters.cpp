//===- Clusters.cpp - which operations share a kernel
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/kernel/Clusters.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace tenon::kernel {
namespace {

bool isProduct(Operation *op) {
  return isa<PackedContractOp, PackedConvOp, ConvOp, ReduceWindowOp, AttentionOp>(op);
}
/// Always a kernel alone.
bool isIndexed(Operation *op) { return isa<ScatterElementsOp, ScatterNdOp, TopKOp, ScanOp, ArgReduceOp>(op); }
bool isSplatConstant(Operation *op) {
  auto c = dyn_cast<ConstantOp>(op);
  auto dense = c ? dyn_cast<DenseElementsAttr>(c.getValue()) : DenseElementsAttr();
  return dense && dense.isSplat();
}
/// Transcendental functions and divisions: not to be computed again for every element of a broadcast.
bool isExpensive(Operation *op) {
  return isa<ExpOp, LogOp, TanhOp, ErfOp, SinOp, CosOp, AsinOp, AtanOp, PowOp, DivOp, RemOp, SqrtOp, RsqrtOp>(
      op);
}
bool expands(Operation *user) {
  auto b = dyn_cast<BroadcastOp>(user);
  return b && b.getInput().getType() != b.getType();
}

} // namespace

bool isMovement(Operation *op) {
  return isa<TransposeOp, BroadcastOp, SliceOp, ConcatOp, PadOp, GatherOp, GatherElementsOp, GatherNdOp,
             IotaOp>(op);
}

bool isFusable(Operation *op) {
  return op->hasTrait<ElementwiseTrait>() || isMovement(op) || isProduct(op) || isIndexed(op) ||
         isSplatConstant(op) || isa<ReduceOp, ReshapeOp, tensor::CastOp, UpdateSliceOp>(op);
}

StringRef Cluster::family() const {
  if (!heavy)
    return reduceAxes.empty() ? "map" : "reduce";
  if (isa<PackedContractOp>(heavy))
    return "contraction";
  if (isa<PackedConvOp>(heavy))
    return "conv";
  if (isa<AttentionOp>(heavy))
    return "attention";
  return isa<ConvOp, ReduceWindowOp>(heavy) ? "window" : "indexed";
}

Clusters::Clusters(Block &block, SizeAnalysis &sizes) : block(block), sizes(sizes) {
  for (Operation &op : llvm::reverse(block))
    if (isFusable(&op) && !op.use_empty())
      visit(&op);
}

std::vector<Cluster *> Clusters::inOrder() const {
  std::vector<Cluster *> result;
  for (const auto &c : llvm::reverse(all))
    result.push_back(c.get());
  return result;
}

void Clusters::makeRoot(Operation *op) {
  auto cluster = std::make_unique<Cluster>();
  cluster->root = op;
  cluster->members.insert(op);
  cluster->aligned.insert(op);
  if (isProduct(op) || isIndexed(op))
    cluster->heavy = op;
  if (auto r = dyn_cast<ReduceOp>(op)) {
    cluster->reduceAxes.assign(r.getAxes().begin(), r.getAxes().end());
    cluster->reduceSpace = Dims(sizes.dims(r.getInput()));
  }
  memberships[op].push_back(cluster.get());
  all.push_back(std::move(cluster));
}

void Clusters::visit(Operation *op) {
  // A reshape of something that lies in memory anyway is a view, outside of all kernels.
  if (isa<ReshapeOp, tensor::CastOp>(op)) {
    Operation *def = op->getOperand(0).getDefiningOp();
    bool pullable = def && def->getBlock() == &block && def->hasOneUse() &&
                    (def->hasTrait<ElementwiseTrait>() || isMovement(def) || isa<ReshapeOp>(def));
    if (!pullable)
      return;
  }
  llvm::SetVector<Cluster *> wanted;
  bool needed = false;
  for (Operation *user : op->getUsers()) {
    auto it = memberships.find(user);
    if (user->getBlock() != &block || it == memberships.end())
      needed = true;
    else
      wanted.insert(it->second.begin(), it->second.end());
  }
  // Constants are put into every kernel that uses them, unless it reads them by address; as a value outside
  // they stay where they are.
  if (isSplatConstant(op)) {
    for (Cluster *c : wanted)
      if (llvm::none_of(op->getUsers(), [&](Operation *user) {
            return c->members.contains(user) && (isProduct(user) || isIndexed(user));
          }))
        c->members.insert(op);
    return;
  }
  bool cheap = isMovement(op) && !isa<ConcatOp, PadOp>(op);
  bool fits = !needed && (wanted.size() == 1 || cheap) && llvm::all_of(wanted, [&](Cluster *c) {
    if (op->hasTrait<ElementwiseTrait>() || isMovement(op) ||
        isa<ReshapeOp, tensor::CastOp, UpdateSliceOp>(op))
      return mayPull(op, *c);
    if (auto r = dyn_cast<ReduceOp>(op))
      return mayReduce(r, *c);
    return mayCarry(op, *c);
  });
  if (!fits) {
    makeRoot(op);
    return;
  }
  for (Cluster *c : wanted) {
    bool isAligned = alignedIn(op, *c);
    c->members.insert(op);
    memberships[op].push_back(c);
    if (isAligned)
      c->aligned.insert(op);
    if (isProduct(op))
      c->heavy = op;
    if (auto r = dyn_cast<ReduceOp>(op)) {
      c->reduceAxes.assign(r.getAxes().begin(), r.getAxes().end());
      c->reduceSpace = Dims(sizes.dims(r.getInput()));
    }
  }
}

bool Clusters::alignedIn(Operation *op, Cluster &cluster) const {
  for (Operation *user : op->getUsers()) {
    if (!cluster.members.contains(user))
      continue;
    bool passes = user->hasTrait<ElementwiseTrait>() || isa<BroadcastOp, ReduceOp, tensor::CastOp>(user);
    if (!passes || !cluster.aligned.contains(user))
      return false;
  }
  return true;
}

/// Elementwise and movement operations are computed wherever they are needed, except as operands that are
/// read many times over or by address.
bool Clusters::mayPull(Operation *op, Cluster &cluster) const {
  for (Operation *user : op->getUsers()) {
    if (!cluster.members.contains(user))
      continue;
    if (isa<PackedContractOp, PackedConvOp, ConvOp, ReduceWindowOp>(user) || isIndexed(user))
      return false;
    if (auto attention = dyn_cast<AttentionOp>(user)) {
      Value v = op->getResult(0);
      bool mask = v == attention.getMask() && v != attention.getKey() && v != attention.getValue();
      if (mask) {
        if (isExpensive(op))
          return false;
        continue;
      }
      // Keys and values are read by address along their last axis.
      auto t = dyn_cast<TransposeOp>(op);
      if (!t || t.getPermutation().back() != static_cast<int64_t>(t.getPermutation().size()) - 1)
        return false;
    }
    if (isExpensive(op) && (expands(user) || isa<ConcatOp, GatherOp, GatherElementsOp, GatherNdOp>(user)) &&
        cluster.reduceAxes.empty())
      return false;
    if (isa<TransposeOp>(op) && isa<TransposeOp>(user) && cluster.heavy && isa<AttentionOp>(cluster.heavy) &&
        !cluster.aligned.contains(user))
      return false;
  }
  // A chain that stands behind an attention is turned around when it is stored: nothing else may be in that
  // kernel.
  if (cluster.heavy && isa<AttentionOp>(cluster.heavy)) {
    auto attention = cast<AttentionOp>(cluster.heavy);
    bool operand = llvm::any_of(op->getUsers(), [&](Operation *u) { return u == attention; });
    bool maskPart = !operand && !cluster.aligned.contains(op);
    if (!operand && !maskPart)
      return false;
    if (!operand) {
      // Part of the mask's computation only.
      SmallVector<Operation *> work{op};
      while (!work.empty()) {
        Operation *o = work.pop_back_val();
        for (OpOperand &use : o->getUses()) {
          if (use.getOwner() == attention) {
            if (use.get() != attention.getMask())
              return false;
          } else if (cluster.members.contains(use.getOwner())) {
            work.push_back(use.getOwner());
          }
        }
      }
    }
  }
  return true;
}

bool Clusters::mayReduce(ReduceOp op, Cluster &cluster) const {
  if (cluster.heavy || !alignedIn(op, cluster))
    return false;
  Dims space(sizes.dims(op.getInput()));
  int64_t last = space.size() - 1;
  bool rows = llvm::is_contained(op.getAxes(), last);
  if (!cluster.reduceAxes.empty())
    return rows && ArrayRef<int64_t>(cluster.reduceAxes) == op.getAxes() && cluster.reduceSpace == space;
  // The root is over the reduced space, or over the whole space through broadcasts along the reduced axes.
  Dims root(sizes.dims(cluster.root->getResult(0)));
  Dims reduced(sizes.dims(op.getResult()));
  if (root == reduced)
    return rows || llvm::none_of(cluster.members, [](Operation *m) { return expands(m); });
  return rows && root == space;
}

bool Clusters::mayCarry(Operation *op, Cluster &cluster) const {
  if (isIndexed(op) || cluster.heavy || !cluster.reduceAxes.empty())
    return false;
  if (isa<AttentionOp>(op)) {
    // Only movements that can be turned around.
    return llvm::all_of(cluster.members, [](Operation *m) {
      return isa<TransposeOp, ReshapeOp>(m) && m->getNumOperands() >= 1;
    });
  }
  if (!alignedIn(op, cluster))
    return false;
  for (Operation *user : op->getUsers())
    if (cluster.members.contains(user) && expands(user))
      return false;
  return Dims(sizes.dims(cluster.root->getResult(0))) == Dims(sizes.dims(op->getResult(0)));
}

} // namespace tenon::kernel
