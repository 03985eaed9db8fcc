//===- ConvolutionTiles.h - register tiles of convolutions
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A convolution's register tile has output positions as rows. Two forms exist:
// - positions: rows are consecutive positions of all images, each with a pointer of its own for every tap; a
// tap
//   that falls into the padding reads a row of zeros. Any stride, dilation and shape.
// - lines: rows are neighbours in one line of the innermost spatial axis, at a fixed distance in memory, so
//   that one pointer serves all. Taps of outer axes that fall into the padding are skipped; along the line,
//   only rows at its ends can meet padding: those read zeros, or are left out where a tile is a whole line.
// - widened rows: rows are positions whose taps were gathered into words.
// Where padding is another value than 0 (a zero point) nothing is skipped: what falls into it reads a row of
// that value.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/DotCode.h"
#include "compiler/emit/cpu/SumStart.h"
#include "compiler/emit/cpu/TilePrefetch.h"
#include "compiler/emit/cpu/WidenedRows.h"
#include "compiler/emit/cpu/WindowGeometry.h"

namespace tenon::cpu {

/// What all tiles of one convolution share.
struct Convolution {
  explicit Convolution(KernelBuilder &k);

  mutable PackedConvOp op; // a handle, whose accessors are not const
  WindowGeometry g;
  Size positions; ///< output positions of all images
  int64_t groups = 1, channels = 0, outputs = 0, panelCount = 0, taps = 1;
  /// Without padding the innermost window axis and the channels are one contiguous run.
  bool mergedTaps = false;
  SumStart start;
  mlir::Type inElement, filterElement, accumulator;
  int64_t group = 1;             ///< channels that a step takes
  DotForm form = DotForm::Words; ///< where that is more than one
  int64_t padValue = 0;
  mlir::Value padding; ///< a pixel of the padding's value; null when no tap can fall into the padding

  /// What the depth of a product is a multiple of for tiles that take several steps of it at once.
  int64_t stepsDivisor() const { return cpu::stepsDivisor(inElement, filterElement, accumulator, depth()); }
  /// Whether rows are gathered and widened before tiles read them.
  bool widensRows() const { return group > 1 && form == DotForm::WidenedRows; }
  unsigned tapAxes() const { return mergedTaps ? g.rank() - 1 : g.rank(); }
  /// Products of one tap.
  int64_t depth() const { return mergedTaps ? channels * g.window.back() : channels; }
  /// Elements of a panel: of one tap (or run of merged taps), and of all.
  int64_t tapElements() const { return llvm::alignTo(depth(), group) * 16; }
  int64_t panelElements() const { return taps * llvm::alignTo(channels, group) * 16; }
  /// Elements of a row that holds all taps, of which each is filled up to whole groups.
  int64_t rowElements() const { return panelElements() / 16; }
  /// The register tile for `rows` positions `rowBytes` apart, where these are known.
  TileShape tileOf(const CpuTarget &target, std::optional<int64_t> rows,
                   std::optional<int64_t> rowBytes) const;
};

/// A tile's place.
struct ConvolutionTile {
  TileShape shape;
  mlir::Value group, firstPanel;
  mlir::Value number;                   ///< in its block
  bool only = false;                    ///< the block has no other
  llvm::SmallVector<mlir::Value> start; ///< what the sums of each vector of a row begin with; empty: zeros
};

/// The sums of the tile whose rows are the positions from `position` on.
llvm::SmallVector<mlir::Value> positionProducts(KernelBuilder &k, const Convolution &c,
                                                const ConvolutionTile &tile, mlir::Value position);
/// The sums of the tile whose rows are the positions from `first` on in the line at `line` (image, outer
/// spatial positions).
llvm::SmallVector<mlir::Value> lineProducts(KernelBuilder &k, const Convolution &c,
                                            const ConvolutionTile &tile, llvm::ArrayRef<mlir::Value> line,
                                            mlir::Value first);
/// The sums of the tile whose rows, `first` and following, are `rows`.
llvm::SmallVector<mlir::Value> widenedProducts(KernelBuilder &k, const Convolution &c,
                                               const ConvolutionTile &tile, const WidenedRows &rows,
                                               mlir::Value first);
/// Gathers what the windows of the positions [from, to) read of a group's channels into `rows`.
void widenPositions(KernelBuilder &k, const Convolution &c, mlir::Value group, mlir::Value from,
                    mlir::Value to, WidenedRows &rows);
/// How lines are walked.
struct LineTile {
  TileShape shape;
  mlir::Value wasteful; ///< whether too much would be computed twice; null where it is known not to be
};
/// The tile with which lines are walked well; none when positions do better.
std::optional<LineTile> lineTile(KernelBuilder &k, const Convolution &c);

} // namespace tenon::cpu
