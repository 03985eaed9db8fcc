//===- Clusters.h - which operations share a kernel
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/SizeAnalysis.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include <memory>
#include <vector>

namespace tenon::kernel {

/// Operations that will share a kernel. Members are in reverse program order, the root first.
struct Cluster {
  mlir::Operation *root = nullptr;
  llvm::SetVector<mlir::Operation *> members;
  /// The product, window, attention or indexed operation, if there is one.
  mlir::Operation *heavy = nullptr;
  /// The product or reduction whose quantized result the members compute from here on, if there is one.
  mlir::Operation *quantized = nullptr;
  /// Axes of the reductions, when there are any.
  llvm::SmallVector<int64_t> reduceAxes;
  Dims reduceSpace;
  /// Members whose value at the root's coordinates (0 along axes of size 1) is what the root needs.
  llvm::DenseSet<mlir::Operation *> aligned;

  llvm::StringRef family() const;
};

/// Assigns the fusable operations of a block to clusters. Operations without computation may be members of
/// several.
class Clusters {
public:
  Clusters(mlir::Block &block, SizeAnalysis &sizes);
  /// In program order of the roots.
  std::vector<Cluster *> inOrder() const;

  /// An operation that became a root although kernels of this block use its result.
  struct Decline {
    mlir::Operation *op;
    llvm::StringRef why;
  };
  /// In program order.
  auto declines() const { return llvm::reverse(declined); }

private:
  void visit(mlir::Operation *op);
  bool join(mlir::Operation *op, Cluster &cluster);
  // Why an operation may not join a cluster of its users; empty when it may.
  llvm::StringRef whyNot(mlir::Operation *op, Cluster &cluster) const;
  llvm::StringRef whyNotPull(mlir::Operation *op, Cluster &cluster) const;
  llvm::StringRef whyNotNarrow(CastOp op, Cluster &cluster) const;
  llvm::StringRef whyNotReduce(ReduceOp op, Cluster &cluster) const;
  llvm::StringRef whyNotCarry(mlir::Operation *op, Cluster &cluster) const;
  bool bringsReduction(mlir::Operation *op, Cluster &cluster) const;
  bool alignedIn(mlir::Operation *op, Cluster &cluster) const;
  void makeRoot(mlir::Operation *op);

  mlir::Block &block;
  SizeAnalysis &sizes;
  std::vector<std::unique_ptr<Cluster>> all;
  std::vector<Decline> declined; // in reverse program order
  llvm::DenseMap<mlir::Operation *, llvm::SmallVector<Cluster *, 2>> memberships;
};

/// Core operations that kernels are made of.
bool isFusable(mlir::Operation *op);
/// Moves elements without computing: transpose, broadcast, slice, concat, pad, gathers, iota.
bool isMovement(mlir::Operation *op);

} // namespace tenon::kernel
