//===- TilePrefetch.h - lines that products ask for early
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/TileCode.h"

namespace tenon::cpu {

/// What the products of a tile ask for early: the panels that come next in the kernel's range, when many
/// tiles pass over a panel; else the tile's own panels, some steps ahead, if it has several rows. With one
/// row next to nothing is computed between the lines: what the processor asks for by itself, from each panel
/// that is read, then comes faster than with instructions that ask for the same. Nothing when all panels stay
/// in the second cache anyhow.
class PanelPrefetch {
public:
  /// Panels of `elements` elements each, one behind the other from `pointer`; `total` of them, where known. A
  /// step takes `group` elements of each column.
  PanelPrefetch(KernelBuilder &k, mlir::Value pointer, mlir::Type element, Size elements,
                std::optional<int64_t> total, int64_t group);
  /// For the products of tile number `tile` of the block from step `step` of the panels on, which begin at
  /// element `base`; `panels` of them belong to the tile, of `rows` rows. `onlyTile`: the block has no other.
  llvm::SmallVector<TilePrefetch> at(mlir::Value tile, bool onlyTile, unsigned rows, mlir::Value base,
                                     unsigned panels, mlir::Value step) const;

private:
  KernelBuilder &k;
  mlir::Value pointer;
  Size elements;
  int64_t line, perStep; // in elements
  bool useful;
};

/// What the products of a kernel's tiles ask for on behalf of a later kernel (`kAsksAheadAttr`), evenly
/// spread over `tiles` tiles of `steps` steps each. Nothing where the target's caches do not hold it for so
/// long.
class AheadPrefetch {
public:
  /// `element`: the type that prefetches of the product count in.
  AheadPrefetch(KernelBuilder &k, mlir::Type element, int64_t tiles, int64_t steps);
  /// Appends that of tile number `tile`.
  void at(mlir::Value tile, llvm::SmallVectorImpl<TilePrefetch> &list) const;
  bool asks() const { return static_cast<bool>(pointer); }

private:
  KernelBuilder &k;
  mlir::Value pointer;
  int64_t first = 0, last = 0, step = 0, perTile = 0; // in elements; `last`: where the last tile may begin
};

/// Asks for what the epilogue of a tile will read from buffers of the product's shape (a residual branch) and
/// for the lines that it will write: rows [row, row + rows) of the product seen as a matrix, `columns`
/// columns from `column`.
void prefetchEpilogue(KernelBuilder &k, mlir::Value product, mlir::Value row, unsigned rows,
                      mlir::Value column, unsigned columns);

} // namespace tenon::cpu
