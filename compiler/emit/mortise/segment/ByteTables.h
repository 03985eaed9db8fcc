//===- ByteTables.h - long computations on one byte as tables --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Quantized models have chains of a dozen dequantizations and quantizations behind one byte. Such a chain has
// 256 results: a table that a gather reads is exact, and faster than a few divisions.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/segment/LaneCode.h"
#include "llvm/ADT/DenseSet.h"

#include <functional>
#include <vector>

namespace tenon::npu {

/// The values of a region that are worth a table, and the tables.
class ByteTables {
public:
  /// Looks behind `root`, as far as leaves.
  ByteTables(mlir::Value root, std::function<bool(mlir::Value)> isLeaf);

  /// What is read in the place of a value; invalid for values that have no table. `base` is where `words` lie
  /// in the scratchpad.
  LaneValue lookUp(mlir::Value value, VectorBuilder &b, LaneCode &lane, Value base) const;
  /// All tables, one behind the other; empty where there are none.
  const std::vector<uint32_t> &words() const { return all; }

private:
  struct Table {
    mlir::Value byte;  ///< whose lowest eight bits are the index
    size_t offset = 0; ///< in words
    Range range;
  };
  mlir::Value sourceOf(mlir::Value value);
  unsigned costBetween(mlir::Value value, mlir::Value byte) const;
  bool addTable(mlir::Value value, mlir::Value byte);
  void walk(mlir::Value value);

  std::function<bool(mlir::Value)> isLeaf;
  llvm::DenseMap<mlir::Value, mlir::Value> sources; ///< null: more than one byte, or others
  llvm::DenseMap<mlir::Value, Table> tables;
  llvm::DenseSet<mlir::Value> walked;
  std::vector<uint32_t> all;
};

} // namespace tenon::npu
