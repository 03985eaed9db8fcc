//===- ProductLines.h - lines of an image that a window's kernel computes
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The image under a depthwise convolution may be computed by the same kernel, by a product of every pixel's
// elements (a 1x1 convolution) and its epilogue. It is never stored: a ring in the worker's scratch holds as
// many lines as the window spans, of a block of channels that lets them stay in the first cache.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/TileCode.h"

namespace tenon::cpu {

class ProductLines {
public:
  /// `image` is what the region makes of its PackedContractOp, [N, H, W, C] of f32; `span` lines are kept.
  ProductLines(KernelBuilder &k, mlir::Value image, int64_t span);

  /// Blocks of channels.
  Size blocks() const { return channelBlocks; }
  Size scratchBytes() const;
  Size flops() const;
  std::string schedule() const;

  /// From here on, lines are those of this block of channels of this image; as much of them as is worked on
  /// together is part number `part` of all.
  void enter(mlir::Value image, mlir::Value part, mlir::Value block);
  mlir::Value channelFrom() const { return firstChannel; }
  mlir::Value channelTo() const { return endChannel; }
  /// The number of line 0: lines are numbered through, a part's behind those of the one before it.
  mlir::Value firstLine() const { return first; }
  /// Computes the lines numbered [from, to), which replace the oldest ones. False where an operation has no
  /// form, which is `failedOp` then.
  bool fill(mlir::Value from, mlir::Value to);
  mlir::Operation *failedOp() const { return failed; }

  /// Where the element of channel `channel` of a pixel is: scratch()[offset(...)].
  mlir::Value offset(mlir::Value line, mlir::Value x, mlir::Value channel);

private:
  void tile(mlir::Value line, mlir::Value row, mlir::Value x, TileShape t, mlir::Value panel, bool masked);
  mlir::Value lineOffset(mlir::Value line);

  KernelBuilder &k;
  PackedContractOp op;
  mlir::Value image; // tensor
  int64_t span;
  Size height, width, channels, depth, channelBlocks;
  int64_t depthDivisor = 1, pixel = 0; // elements of a pixel in the ring
  PanelRange range;
  TileShape shapeOfTile;
  mlir::Value batchIndex, firstChannel, endChannel, firstPanel, endPanel, first;
  mlir::Operation *failed = nullptr;
};

} // namespace tenon::cpu
