//===- DepthwiseCode.h - depthwise convolutions of bytes
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/DotCode.h"
#include "compiler/emit/cpu/WindowGeometry.h"

namespace tenon::cpu {

struct DepthwiseOperands {
  mlir::Value input, filter; ///< pointers: [N, H, W, C] of ui8, [window.., 1, C] of i8
  int64_t padValue;          ///< the byte that padded taps read
  Size channels;
  mlir::Type element, filterElement;
};

/// `count` neighbouring positions of one row of the result, and a block of channels.
struct DepthwiseTile {
  mlir::Value image, y, x;
  unsigned count;
  mlir::Value channel;
  unsigned vectors, lanes;           ///< 8 or 16 lanes
  mlir::Value mask;                  ///< of the channels' tail, or null
  llvm::ArrayRef<mlir::Value> start; ///< what the sums of each vector begin with; empty: zeros
  /// Every tap lies within the rows of the image; within its columns. Columns of constant positions are
  /// judged here.
  bool rowsInside, columnsInside;
};

/// The sums (i32, vector u of position i is i * vectors + u) of a tile of a convolution over two spatial
/// axes: taps above each other are multiplied together, and positions share what they read.
llvm::SmallVector<mlir::Value> depthwiseDots(KernelBuilder &k, const WindowGeometry &g,
                                             const DepthwiseOperands &operands, const DepthwiseTile &tile);

} // namespace tenon::cpu
