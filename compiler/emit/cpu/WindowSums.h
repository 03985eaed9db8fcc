//===- WindowSums.h - what lies under the windows of a tile
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/KernelBuilder.h"
#include "compiler/emit/cpu/WindowGeometry.h"

namespace tenon::cpu {

class ProductLines;

/// A depthwise convolution or a pooling, [N, spatial.., C] to [N, spatial.., C].
struct Window {
  mlir::Value input, result, filter; ///< tensors; filter is null for pooling
  ReduceKind kind = ReduceKind::sum;
  WindowGeometry g;
  Size channels;
  mlir::Type element, filterElement, accumulator;
  mlir::Type summed; ///< the accumulator, unsigned where the result is: what orders it
  int64_t padValue = 0;
  mlir::Value paddingRow; ///< a pointer to what channels are in the padding, where there is any
  int64_t taps = 1;
};

/// Neighbouring output positions of one image row and one block of channels.
struct WindowTile {
  mlir::Value image;
  llvm::ArrayRef<mlir::Value> outer; ///< the position along all spatial axes but the last
  mlir::Value x;
  unsigned count;
  mlir::Value channel = {};
  unsigned vectors = 1, lanes = 1;
  mlir::Value mask = {};                          ///< of the channels' tail, or null
  bool rowsInside = false, columnsInside = false; ///< every tap is known to lie within them
  bool endsInside = false;                        ///< no tap is known to lie beyond the end of the line
};

/// Windows of up to this many taps are unrolled whole, unless padding decides how many taps there are.
constexpr int64_t kUnrolledTaps = 25;

/// Sums (or largest elements) under windows; vector u of position i is i * vectors + u.
class WindowSums {
public:
  /// `lines`: where the kernel computes the image itself, or null.
  WindowSums(KernelBuilder &k, const Window &w, ProductLines *lines)
      : k(k), b(k.builder()), w(w), lines(lines) {}

  /// Any geometry: every tap is tested.
  llvm::SmallVector<mlir::Value> accumulateTested(const WindowTile &t);
  /// Of inputs without holes. Padding is skipped, not computed: the ranges of the outer axes' taps end at the
  /// image's border. Along the last axis, positions that neighbours share are read once (`interior`), or
  /// tested tap by tap, as far as constant positions do not say which lie inside.
  llvm::SmallVector<mlir::Value> accumulate(const WindowTile &t, bool interior);

private:
  llvm::SmallVector<mlir::Value> loadWeights(const WindowTile &t, mlir::Value tapIndex);
  mlir::Value load(const WindowTile &t, mlir::Value base, mlir::Value offset, mlir::Type type);
  mlir::Value combine(const WindowTile &t, mlir::Value sum, mlir::Value v, mlir::Value weight);
  mlir::Value neutral(unsigned lanes);

  KernelBuilder &k;
  mlir::OpBuilder &b;
  const Window &w;
  ProductLines *lines;
};

} // namespace tenon::cpu
