//===- NodeCosts.h - what the nodes of a model cost -------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/SizeAnalysis.h"
#include <map>

namespace tenon::pipeline {

/// What one run of a node costs by itself, before kernels are fused.
struct NodeCost {
  /// Operations of arithmetic: two for each multiplication and addition of a product, one for each element of
  /// an elementwise operation, of a reduction's operand, or under a window. Casts and movement have none.
  Size flop;
  /// Bytes read from other nodes, weights and inputs, and written for others. A reshape has none; of what is
  /// sliced or gathered, those bytes count that are taken.
  Size bytes;
};

/// The number of the model's node that an operation comes from ("node:<number>:..." in its location); the
/// first of several, or -1.
int64_t nodeNumber(mlir::Location location);

/// The costs of the nodes of a function, by the node's number. The function holds core operations only.
/// Bodies of counted loops count once for each iteration, those of other loops and branches once.
std::map<int64_t, NodeCost> nodeCosts(mlir::func::FuncOp function, SizeAnalysis &sizes);

} // namespace tenon::pipeline
