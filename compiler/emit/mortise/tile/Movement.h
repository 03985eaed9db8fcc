//===- Movement.h - results whose elements lie elsewhere in their operands --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Transpositions, slices, concatenations and padding, with elementwise work on what has been moved. DMA puts
// elements where the result has them, tile by tile; the vector core sees tiles that lie alike.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/stream/Stream.h"

namespace tenon::npu {

/// Indices [low, high) of each axis.
struct MovedBox {
  std::vector<int64_t> low, high;
};

/// Elements of a tensor that a box of the result reads: that with index i lies `offset` and the sum of
/// i[axis] strides[axis] elements behind `memory`.
struct MovedPart {
  MovedBox box;
  int64_t memory = 0; ///< address
  int64_t offset = 0;
  std::vector<int64_t> strides;
};

/// An operand where the result's elements are. Outside of all parts lies `fill`, the bits of an element.
struct MovedSource {
  int64_t bytes = 1; ///< of an element: 1, 2 or 4
  std::vector<MovedPart> parts;
  std::optional<int64_t> fill;
  bool uniform = false; ///< one element for all; it has one part
};

struct Movement {
  std::vector<int64_t> extents; ///< of the result, which lies row by row
  int64_t resultBytes = 1;      ///< of an element
  int64_t result = 0;           ///< address
  std::vector<MovedSource> sources;
  /// In Stream::kernels: its parameters are the sources' addresses, the result's, and the number of vectors.
  /// Nothing: the only source is the result.
  std::optional<uint32_t> kernel;
  std::vector<MovedBox> filled; ///< elements that become `fill` whatever the kernel says
  int64_t fill = 0;
  uint32_t node = 0;
};

/// Appends the commands; false where two tiles of a vector do not fit `scratchpadBytes`.
bool emitMovement(Movement movement, const mortise::Hardware &hardware, int64_t scratchpad,
                  int64_t scratchpadBytes, Stream &stream);

} // namespace tenon::npu
