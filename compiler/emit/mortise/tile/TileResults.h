//===- TileResults.h - what becomes of a tile's sums --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/tile/Commands.h"
#include "compiler/emit/mortise/tile/Product.h"
#include "compiler/emit/mortise/tile/Transfers.h"

namespace tenon::npu {

/// Output pixels that are computed together.
struct Tile {
  int64_t image = 0, row = 0, rows = 0, column = 0, columns = 0;
  int64_t input = 0; ///< number of the input that it reads: tiles beside each other may share one
  int64_t pixels() const { return rows * columns; }
};
/// The tiles of a cut: images, rows of tiles, tiles of a row, the last innermost.
std::vector<Tile> tilesOf(const Product &product, const ProductCut &cut);

/// How the results of a tile lie in the scratchpad: `stored` panels beside each other, pixels below. Dense
/// ones have no room behind a pixel's last channel.
struct ResultTile {
  int64_t channels = 0; ///< from a pixel to the next
  int64_t row = 0;      ///< elements: whole vectors and whole pixels, where numbers for each channel repeat
  int64_t elements = 0; ///< whole rows

  ResultTile(const Product &p, const mortise::Hardware &h, int64_t pixels, int64_t stored);
  /// Whether a row holds whole vectors and whole pixels, where it must.
  bool isRegular() const { return regular; }
  /// Bytes of what the drain stores, and of the vector core's operands and result.
  int64_t drained(const Product &p) const { return alignedBytes(elements * p.drainBytes()); }
  int64_t ofMap(const Product &p) const;
  /// Bytes of the tables that its kernel looks numbers up in.
  static int64_t tables(const Product &p) { return p.map ? alignedBytes(p.map->tableBytes) : 0; }
  /// Bytes of an operand of the vector core's part, or of its result.
  int64_t ofOperand(const MapStage::Operand &operand) const;

private:
  bool regular = true;
};

/// Drains sums, runs the vector core's part and stores, for products however they are cut. All references
/// outlive it.
class TileResults {
public:
  /// Results of the drain lie in `resultAt`, the vector core's operands and results in `mapAt`, its
  /// tables in `tablesAt`.
  TileResults(const Product &p, const ProductCut &cut, const mortise::Hardware &h, Commands &commands,
              int64_t resultAt, int64_t mapAt, int64_t tablesAt);

  /// Drains a panel (counted over all groups); `stored` panels, which must come one after the other, leave
  /// together. `tables`: where the panel's bias and scale lie.
  void store(const Tile &tile, int64_t panel, int64_t sums, int64_t tables);
  /// Whether the drain writes into a resident tensor.
  bool drainsInPlace() const { return !p_.map && isResident(p_.output); }
  int64_t outputsOf(int64_t panel) const {
    return std::min(h_.matrix.columns, p_.outputs - panel % packed_.panels * h_.matrix.columns);
  }

private:
  int64_t placeOf(const Tile &tile, int64_t channel) const;
  int64_t residentPlace(const Tile &tile, int64_t channel, int64_t size) const;
  TransferBlock blockOf(const Tile &tile, int64_t width, int64_t size) const;
  int64_t runMap(const Tile &tile, int64_t drained, int64_t channel, int64_t width);
  void loadOperand(const MapStage::Operand &operand, const ResultTile &results, const Tile &tile,
                   int64_t channel, int64_t width, int64_t at);

  const Product &p_;
  const ProductCut &cut_;
  const mortise::Hardware &h_;
  Commands &commands_;
  PackedWeights packed_;
  int64_t pitch_, resultAt_, mapAt_, tablesAt_, results_ = 0;
  bool haveTables_ = false;
};

} // namespace tenon::npu
