//===- TileCode.h - register tiles of products
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The inner loop that contractions, convolutions and attention share: a tile of `rows` x `vectors`
// accumulators, of which each step of k multiplies one element per row with `vectors` vectors of panels.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/KernelFamilies.h"

namespace tenon::cpu {

struct TileShape {
  unsigned rows = 1;
  unsigned vectors = 1;  ///< per row
  unsigned lanes = 8;    ///< per vector of results
  unsigned together = 1; ///< steps of the depth that a vector of sums has beside each other, for each lane
  /// Lanes of one more vector for each row, or 0: that of a narrow last panel beside a whole one. The rest of
  /// its register takes further steps of the depth.
  unsigned beside = 0;

  unsigned perRow() const { return vectors + (beside != 0); }
  /// Of a row's vector, once sums are folded.
  unsigned lanesOf(unsigned vector) const { return vector < vectors ? lanes : beside; }
  unsigned columns() const { return vectors * lanes + beside; }
  /// Whether a row's vector, of a tile that `reachesEnd` of a multiple of `divisor` columns, is incomplete.
  bool isIncomplete(unsigned vector, bool reachesEnd, int64_t divisor) const {
    return reachesEnd && (!beside || vector == vectors) && divisor % lanesOf(vector) != 0;
  }
};

/// The tile for `panels` neighbouring panels of a product, of whose tiles `most` is the largest; `masked`:
/// the last of them is that with the last of `columns` columns, which are no multiple of 16. That one has no
/// more lanes than its columns need, down to eight, or to four where what is left of a register takes several
/// steps of the depth at a time. That needs a depth that is a multiple of them, as one of `depthDivisor` is;
/// 1 where operands do not have the accumulator's type. It also adds up in another order than other panels
/// do, so that equal columns differ in their last bits: products of many columns, whose last panel counts for
/// little, keep one order.
TileShape tileOfPanels(TileShape most, unsigned panels, bool masked, std::optional<int64_t> columns,
                       int64_t depthDivisor);
/// What the depth is a multiple of for these tiles, by the types of rows, columns and sums: `depthDivisor`
/// where all are f32.
int64_t stepsDivisor(mlir::Type row, mlir::Type column, mlir::Type accumulator, int64_t depthDivisor);

/// One row's elements: element k is pointer[offset + k * stride]; without a stride they are consecutive.
struct TileRow {
  mlir::Value pointer, offset;
  mlir::Value stride = {};
};

/// The vector of step k is pointer[offset + k * step], `lanes` elements wide; lanes outside `mask` are zero.
struct TileColumn {
  mlir::Value pointer, offset, step;
  mlir::Value mask = {};
};

/// A line that each step of a product asks a cache for: step k that of pointer[offset + k * step].
struct TilePrefetch {
  mlir::Value pointer, offset, step;
  KernelBuilder::Cache cache = KernelBuilder::Cache::Second;
};

/// acc[row * perRow + vector] += sum over k in [0, depth) of row * column. Integer and narrow float operands
/// are widened to `accumulator` first. A tile that takes several steps together, in its one vector or in the
/// one beside, has rows without stride.
llvm::SmallVector<mlir::Value> tileProduct(KernelBuilder &k, TileShape tile, llvm::ArrayRef<TileRow> rows,
                                           llvm::ArrayRef<TileColumn> columns, mlir::Value depth,
                                           mlir::Type rowElement, mlir::Type columnElement,
                                           mlir::Type accumulator, llvm::ArrayRef<mlir::Value> init,
                                           llvm::ArrayRef<TilePrefetch> prefetches = {});

/// The results of a tile's sums, once all products are there: what was added up beside each other becomes
/// one.
llvm::SmallVector<mlir::Value> folded(KernelBuilder &k, TileShape tile, llvm::ArrayRef<mlir::Value> sums);

/// The first column of a row's vector, in a tile whose panels begin with `firstPanel`.
mlir::Value columnOf(KernelBuilder &k, const TileShape &tile, mlir::Value firstPanel, unsigned vector);
/// Its lanes that exist of `columns` columns, where not all do (`isIncomplete`); null otherwise.
mlir::Value maskOf(KernelBuilder &k, const TileShape &tile, mlir::Value firstPanel, unsigned vector,
                   bool reachesEnd, Size columns);

/// rows * perRow zero vectors.
llvm::SmallVector<mlir::Value> tileZero(KernelBuilder &k, TileShape tile, mlir::Type accumulator);
/// Neighbouring vectors of a row that an epilogue evaluates as one: two where it ends in bytes, which narrow
/// together (`packsBytes`). `masked`: the last vector may be incomplete.
unsigned epilogueVectors(KernelBuilder &k, TileShape tile, mlir::Type resultElement, bool masked);
/// The elements of vectors one behind the other.
mlir::Value joined(KernelBuilder &k, llvm::ArrayRef<mlir::Value> vectors);
/// The type that products of these element types are summed in.
mlir::Type accumulatorFor(KernelBuilder &k, mlir::Type operand, mlir::Type result);

/// The part of `rows` rows that block `block` of `blocks` works on, [first, second): whole tiles of
/// `tileRows` rows but for the last one of all. There are at least as many tiles as blocks.
std::pair<mlir::Value, mlir::Value> rowsOfBlock(KernelBuilder &k, mlir::Value block, mlir::Value blocks,
                                                mlir::Value rows, unsigned tileRows);

/// Calls `body(first row, rows)` so that [from, to) is covered in tiles of `most` rows. A last partial tile
/// begins early and computes some rows twice (the same values) when there are at least `most` rows; fewer
/// rows go in tiles of 4, 2 and 1. `extent` is the size of the range when it is known.
void tileRows(KernelBuilder &k, mlir::Value from, mlir::Value to, unsigned most,
              std::optional<int64_t> extent, llvm::function_ref<void(mlir::Value, unsigned)> body);

/// How the panels of a product are shared out: items are (outer, panel), panel innermost. A kernel takes as
/// many panels at once as its tile has, where they are in its range.
struct PanelRange {
  Size panels;          ///< per outer index
  Size wholePanels;     ///< panels whose 16 columns all exist
  unsigned perTile = 1; ///< panels of a wide tile
  bool ragged = false;  ///< the last panel has fewer columns
  bool beside = false;  ///< and goes with the one before it, where `panels` is even
  int64_t grain = 4;    ///< of the kernel
};
/// The grain that goes with the tiles of a product of `rows` rows, for every level: wide tiles are not cut,
/// and the items of small products suffice for several workers.
int64_t panelGrain(std::optional<int64_t> rows);

/// Calls `body(outer, first panel, panels, masked)` for the items of the kernel's range.
using PanelBody = llvm::function_ref<void(mlir::Value, mlir::Value, unsigned, bool)>;
void forPanels(KernelBuilder &k, const PanelRange &range, PanelBody body);
/// The same for items [from, to), whose ends are multiples of the grain or of the panels.
void forPanels(KernelBuilder &k, const PanelRange &range, mlir::Value from, mlir::Value to, PanelBody body);

/// Rows of the left operand that are worked on while all panels pass by: what half of a 512 KiB cache holds
/// of rows of `depthBytes`. Panels that together (`panelBytes`) stay in that half themselves pass by often,
/// so that whole rows of the result are written soon after each other. Independent of the level, as the grid
/// is; a level rounds the blocks' ends to its tiles (`rowsOfBlock`).
int64_t rowsPerBlock(std::optional<int64_t> depthBytes, std::optional<int64_t> panelBytes);

/// Rows and vectors of the tile for a target: as many accumulators as the registers hold beside a panel row
/// and a broadcast, panels of 16 columns. A known number of rows is covered with little computed twice.
/// Of `columns`, where they are known, an incomplete last panel goes by itself, or beside the one before it
/// where that would be alone and the depth (`depthDivisor`, as for `tileOfPanels`) allows it.
/// `rowBytes` is the distance of rows in memory, where it is known: rows that fall into the same sets of the
/// first cache limit the tile.
TileShape tileFor(const CpuTarget &target, unsigned elementBits, std::optional<int64_t> rows,
                  std::optional<int64_t> columns, std::optional<int64_t> rowBytes, int64_t depthDivisor);
/// The tile for products of floats with one row, which only streams its panels: several of them at once, as
/// many streams are followed faster than one by what CPUs ask for early by themselves. Accumulators need
/// registers, columns are operands in memory. Of no use where all columns, of `columnBytes` bytes each, stay
/// in the second cache.
TileShape streamingTile(TileShape tile, std::optional<int64_t> columns, std::optional<int64_t> columnBytes);

/// The height from `least` to `most` with which tiles cover `rows` rows at the smallest cost, where a tile
/// costs its rows and half a row for its share of the panels' traffic.
unsigned bestTileRows(int64_t rows, unsigned least, unsigned most);

} // namespace tenon::cpu
