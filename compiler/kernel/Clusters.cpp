//===- Clusters.cpp - which operations share a kernel
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/kernel/Clusters.h"

#include "compiler/dialect/tenon/SizeRules.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace tenon::kernel {
namespace {

bool isProduct(Operation *op) {
  return isa<PackedContractOp, PackedConvOp, WinogradConvOp, ConvOp, ReduceWindowOp, AttentionOp>(op);
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

/// Broadcast to its users, if need be behind elementwise operations.
bool isRepeated(Operation *user) {
  llvm::SetVector<Operation *> open;
  open.insert(user);
  for (size_t i = 0; i < open.size(); ++i) {
    if (expands(open[i]))
      return true;
    if (open[i]->hasTrait<ElementwiseTrait>())
      open.insert_range(open[i]->getUsers());
  }
  return false;
}

bool isNarrow(Value v) {
  auto type = dyn_cast<IntegerType>(getElementTypeOrSelf(v));
  return type && type.getWidth() > 1 && type.getWidth() <= 16;
}
/// The last step of a quantization: from here on a value takes fewer bytes.
bool narrows(Operation *op) {
  auto cast = dyn_cast<CastOp>(op);
  return cast && isNarrow(cast.getResult()) && !isNarrow(cast.getInput());
}
bool isConstantEverywhere(Value v) {
  while (auto b = v.getDefiningOp<BroadcastOp>())
    v = b.getInput();
  Operation *op = v.getDefiningOp();
  return op && isSplatConstant(op);
}
/// A step of a dequantization: a few operations with constants on a narrow integer, or bf16 made f32. Several
/// kernels rather compute it than read its result.
bool dequantizes(Operation *op) {
  constexpr int steps = 4; // to i32, less the zero point, to f32, times the scale
  if (auto cast = dyn_cast<CastOp>(op); cast && getElementTypeOrSelf(cast.getInput()).isBF16())
    return true;
  for (int i = 0; i < steps; ++i) {
    if (!isa_and_nonnull<CastOp, SubOp, MulOp>(op) || narrows(op) ||
        (op->getNumOperands() == 2 && !isConstantEverywhere(op->getOperand(1))))
      return false;
    if (isNarrow(op->getOperand(0)))
      return true;
    op = op->getOperand(0).getDefiningOp();
  }
  return false;
}
/// The product or reduction that an elementwise computation follows; null where there is none near.
Operation *computedBy(Operation *op) {
  constexpr size_t most = 64;
  llvm::SetVector<Operation *> open;
  open.insert(op);
  for (size_t i = 0; i < open.size() && i < most; ++i)
    for (Value v : open[i]->getOperands()) {
      Operation *def = v.getDefiningOp();
      if (!def || def->getBlock() != op->getBlock())
        continue;
      if (isProduct(def) || isa<ReduceOp>(def))
        return def;
      if (def->hasTrait<ElementwiseTrait>() && !narrows(def))
        open.insert(def);
    }
  return nullptr;
}
/// Computed by a product's kernel as it stores: elementwise operations lead there that serve nothing else.
/// Without `pastBytes` only where it stores nothing narrower on the way.
bool endsProduct(Operation *op, bool pastBytes = true) {
  if (!op->hasTrait<ElementwiseTrait>())
    return false;
  auto shapeOf = [](Value v) { return cast<RankedTensorType>(v.getType()).getShape(); };
  return llvm::any_of(op->getOperands(), [&](Value v) {
    Operation *def = v.getDefiningOp();
    return def && def->getBlock() == op->getBlock() && def->hasOneUse() && (pastBytes || !narrows(def)) &&
           shapeOf(v) == shapeOf(op->getResult(0)) &&
           (isa<PackedContractOp, PackedConvOp, WinogradConvOp>(def) || endsProduct(def, pastBytes));
  });
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
  if (isa<WinogradConvOp>(heavy))
    return "winograd";
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
  // A reshape of something that lies in memory anyway, or that a product can store, is a view, outside of all
  // kernels.
  if (isa<ReshapeOp, tensor::CastOp>(op)) {
    Operation *def = op->getOperand(0).getDefiningOp();
    bool pullable = def && def->getBlock() == &block && def->hasOneUse() &&
                    (def->hasTrait<ElementwiseTrait>() || isMovement(def) || isa<ReshapeOp>(def)) &&
                    !(narrows(def) && computedBy(def)) && !endsProduct(def);
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
  bool cheap = (isMovement(op) && !isa<ConcatOp, PadOp>(op)) || dequantizes(op);
  StringRef why = needed                        ? "its result is also needed outside of kernels"
                  : wanted.size() > 1 && !cheap ? "several kernels use its result"
                                                : "";
  for (Cluster *c : wanted)
    why = why.empty() ? whyNot(op, *c) : why;
  if (!why.empty() || wanted.empty()) {
    if (!wanted.empty())
      declined.push_back({op, why});
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
    if (narrows(op))
      c->quantized = computedBy(op);
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

StringRef Clusters::whyNot(Operation *op, Cluster &cluster) const {
  if (narrows(op))
    if (StringRef why = whyNotNarrow(cast<CastOp>(op), cluster); !why.empty())
      return why;
  if (op->hasTrait<ElementwiseTrait>() || isMovement(op) || isa<ReshapeOp, tensor::CastOp, UpdateSliceOp>(op))
    return whyNotPull(op, cluster);
  if (auto reduction = dyn_cast<ReduceOp>(op))
    return whyNotReduce(reduction, cluster);
  return whyNotCarry(op, cluster);
}

/// Elementwise and movement operations are computed wherever they are needed, except as operands that are
/// read many times over or by address.
StringRef Clusters::whyNotPull(Operation *op, Cluster &cluster) const {
  for (Operation *user : op->getUsers()) {
    if (!cluster.members.contains(user))
      continue;
    if (isa<PackedContractOp, PackedConvOp, WinogradConvOp, ConvOp, ReduceWindowOp>(user) || isIndexed(user))
      return "a product, a window or an indexed operation reads its result many times, by address";
    if (auto attention = dyn_cast<AttentionOp>(user)) {
      Value v = op->getResult(0);
      bool mask = v == attention.getMask() && v != attention.getKey() && v != attention.getValue();
      if (mask) {
        if (isExpensive(op))
          return "it is expensive, and attention reads its mask once for each query";
        continue;
      }
      // Keys and values are read by address along their last axis.
      auto t = dyn_cast<TransposeOp>(op);
      if (!t || t.getPermutation().back() != static_cast<int64_t>(t.getPermutation().size()) - 1)
        return "attention reads queries, keys and values by address";
    }
    if (isExpensive(op) && (expands(user) || isa<ConcatOp, GatherOp, GatherElementsOp, GatherNdOp>(user)) &&
        cluster.reduceAxes.empty() && !(expands(user) && bringsReduction(op, cluster)))
      return "it is expensive, and would be computed again for every element that is broadcast or gathered";
    auto transpose = dyn_cast<TransposeOp>(op);
    if (transpose && movesInnermost(tensorType(transpose.getInput()), transpose.getPermutation()) &&
        isRepeated(user))
      return "it puts elements beside each other that are not, again for every row that is broadcast";
    bool severalPasses =
        !cluster.reduceAxes.empty() && Dims(sizes.dims(cluster.root->getResult(0))) == cluster.reduceSpace;
    if (severalPasses && endsProduct(op, false))
      return "a product computes it as it stores, and each pass over a row would compute it again";
    if (expands(user) && endsProduct(op))
      return "a product computes it as it stores, and it would be computed again for every element of a "
             "broadcast";
    if (isa<TransposeOp>(op) && isa<TransposeOp>(user) && cluster.heavy && isa<AttentionOp>(cluster.heavy) &&
        !cluster.aligned.contains(user))
      return "only one transpose fits into the kernel of an attention";
  }
  // A chain that stands behind an attention is turned around when it is stored: nothing else may be in that
  // kernel.
  if (cluster.heavy && isa<AttentionOp>(cluster.heavy)) {
    auto attention = cast<AttentionOp>(cluster.heavy);
    bool operand = llvm::any_of(op->getUsers(), [&](Operation *u) { return u == attention; });
    bool maskPart = !operand && !cluster.aligned.contains(op);
    if (!operand && !maskPart)
      return "the results of an attention are turned around when they are stored";
    if (!operand) {
      // Part of the mask's computation only.
      SmallVector<Operation *> work{op};
      while (!work.empty()) {
        Operation *o = work.pop_back_val();
        for (OpOperand &use : o->getUses()) {
          if (use.getOwner() == attention) {
            if (use.get() != attention.getMask())
              return "attention reads queries, keys and values by address";
          } else if (cluster.members.contains(use.getOwner())) {
            work.push_back(use.getOwner());
          }
        }
      }
    }
  }
  return "";
}

/// True for what is computed once for each row from a reduction that the kernel can take in as well: it is
/// then kept for all of the row (1 / sqrt of a variance).
bool Clusters::bringsReduction(Operation *op, Cluster &cluster) const {
  auto reduction = dyn_cast_or_null<ReduceOp>(computedBy(op));
  return reduction && alignedIn(op, cluster) &&
         Dims(sizes.dims(reduction)) == Dims(sizes.dims(op->getResult(0))) &&
         llvm::is_contained(reduction.getAxes(), static_cast<int64_t>(sizes.dims(reduction).size()) - 1) &&
         whyNotReduce(reduction, cluster).empty();
}

/// What a product or a reduction computes is stored quantized, unless its kernel goes on with it.
StringRef Clusters::whyNotNarrow(CastOp op, Cluster &cluster) const {
  if (Dims(sizes.dims(cluster.root->getResult(0))) != Dims(sizes.dims(op)))
    return "it is quantized, and would be computed again where it is repeated";
  Operation *source = computedBy(op);
  if (!source)
    return "";
  bool taken = cluster.heavy || (cluster.quantized && cluster.quantized != source);
  return taken || !cluster.reduceAxes.empty() || !alignedIn(op, cluster)
             ? "the kernel that computes it stores fewer bytes"
             : "";
}

StringRef Clusters::whyNotReduce(ReduceOp op, Cluster &cluster) const {
  if (cluster.heavy)
    return "kernels of products, windows and indexed operations have no reductions";
  if (!alignedIn(op, cluster))
    return "its result moves to other positions before it is used";
  Dims space(sizes.dims(op.getInput()));
  int64_t last = space.size() - 1;
  bool rows = llvm::is_contained(op.getAxes(), last);
  if (!cluster.reduceAxes.empty())
    return rows && ArrayRef<int64_t>(cluster.reduceAxes) == op.getAxes() && cluster.reduceSpace == space
               ? ""
               : "the kernel reduces along other axes, or down columns";
  // The root is over the reduced space, or over the whole space through broadcasts along the reduced axes.
  Dims root(sizes.dims(cluster.root->getResult(0)));
  Dims reduced(sizes.dims(op.getResult()));
  bool fits = root == reduced
                  ? rows || llvm::none_of(cluster.members, [](Operation *m) { return expands(m); })
                  : rows && root == space;
  return fits ? "" : "the kernel's result has neither the sizes of the reduction's operand nor of its result";
}

StringRef Clusters::whyNotCarry(Operation *op, Cluster &cluster) const {
  if (isIndexed(op))
    return "indexed operations are kernels of their own";
  if (cluster.heavy || !cluster.reduceAxes.empty())
    return "the kernel has a product, a window or a reduction already";
  if (isa<AttentionOp>(op)) {
    // Only movements that can be turned around.
    bool movements = llvm::all_of(cluster.members, [](Operation *m) {
      return isa<TransposeOp, ReshapeOp>(m) && m->getNumOperands() >= 1;
    });
    return movements ? "" : "behind an attention only transposes and reshapes fit into its kernel";
  }
  if (!alignedIn(op, cluster))
    return "its result moves to other positions before it is used";
  for (Operation *user : op->getUsers())
    if (cluster.members.contains(user) && expands(user))
      return "its result is broadcast";
  return Dims(sizes.dims(cluster.root->getResult(0))) == Dims(sizes.dims(op->getResult(0)))
             ? ""
             : "the kernel's result has other sizes";
}

} // namespace tenon::kernel
