//===- WidenedRows.h - rows of products, widened from bytes to words
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Without dot products of bytes a product multiplies words. Rows are widened once for all panels: a part of
// the block's rows that stays in the second cache, into the worker's scratch. A convolution gathers the taps
// of a position into one row on the way, so that its inner loop runs over all of them.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/DotCode.h"

namespace tenon::cpu {

class WidenedRows {
public:
  /// At most `most` rows (where known) of `depth` bytes; tiles have `tileRows` of them.
  WidenedRows(KernelBuilder &k, Size depth, std::optional<int64_t> most, unsigned tileRows);

  /// Bytes of scratch of a worker.
  Size scratchBytes() const { return stride * (rows * 2) + 64; }
  /// Elements of a row, with zeros behind the last to a whole group.
  Size depth() const { return filled; }
  /// Calls `body(first, last)` for parts of the rows [from, to), each of whole tiles but for the last one's
  /// end.
  void forParts(mlir::Value from, mlir::Value to, llvm::function_ref<void(mlir::Value, mlir::Value)> body);
  /// Widens `count` bytes from pointer[offset] on to elements `at` and following of row `row` of the part.
  /// Behind them follow zeros to a whole group.
  void widen(mlir::Value row, mlir::Value at, mlir::Value pointer, mlir::Value offset, Size count);
  TileRow row(mlir::Value row) const;

private:
  KernelBuilder &k;
  Size stride, filled; // words
  int64_t rows;        // of a part
  unsigned tileRows;
};

/// Calls `body(outer, from, to)` for the items of the kernel's range that have one outer index, [from, to).
void forOuterItems(KernelBuilder &k, Size panels,
                   llvm::function_ref<void(mlir::Value, mlir::Value, mlir::Value)> body);

} // namespace tenon::cpu
