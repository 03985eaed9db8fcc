//===- Timeline.h - the order of execution, and how long values live ----------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"
#include <cstdint>

namespace tenon::memory {

/// Positions, both included.
struct LiveRange {
  uint32_t first = UINT32_MAX;
  uint32_t last = 0;
  void add(uint32_t position) {
    first = std::min(first, position);
    last = std::max(last, position);
  }
};

/// Numbers the operations of a function in program order. An operation with regions has a position before and
/// one after its insides. The insides of kernels have none.
class Timeline {
public:
  explicit Timeline(mlir::func::FuncOp function);

  uint32_t start(mlir::Operation *op) const { return starts.lookup(op); }
  uint32_t end(mlir::Operation *op) const { return ends.lookup(op); }
  /// When the memory of this value is in use on the value's behalf: from its definition to its last use, to
  /// the end of a loop that uses it from outside. A loop's variables are in use as long as the loop runs.
  LiveRange liveRange(mlir::Value value) const;

private:
  void number(mlir::Block &block);

  llvm::DenseMap<mlir::Operation *, uint32_t> starts, ends;
  uint32_t next = 0;
};

} // namespace tenon::memory
