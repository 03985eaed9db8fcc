//===- TileResults.h - what becomes of a tile's sums
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/TileCode.h"

namespace tenon::cpu {

/// The finished sums of a tile, and where they stand in the tensor `product` of the region.
struct TileResults {
  const TileShape &shape;
  llvm::ArrayRef<mlir::Value> sums;
  mlir::Value product;
  bool masked; ///< the last vector may be incomplete
  /// Coordinates of a row along all axes but the last.
  llvm::function_ref<llvm::SmallVector<mlir::Value>(unsigned row)> place;
  /// The first column of a row's vector, and its lanes that exist; null: all.
  llvm::function_ref<mlir::Value(unsigned vector)> column, mask;
};

/// Elements of `root` at `at`, of row `row` of the tile, from column `column` on.
struct TileElements {
  mlir::Value value;
  llvm::ArrayRef<Coord> at;
  unsigned row;
  mlir::Value column;
};
using TileSink = llvm::function_ref<void(Evaluator &, const TileElements &)>;

/// Evaluates `root`, a tensor of the region that has the sizes of the product, at the tile's places, and
/// hands the elements to `sink`. The operation that has no form there, or null.
mlir::Operation *evaluateTile(KernelBuilder &k, const TileResults &tile, mlir::Value root, TileSink sink);
/// The same for what the kernel yields, which is stored.
mlir::Operation *storeTile(KernelBuilder &k, const TileResults &tile);

} // namespace tenon::cpu
