//===- EmitSlices.h - products whose depth comes in slices --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/tile/Product.h"

namespace tenon::npu {

/// What lies where in the buffers of a sliced product. The input of a slice is [lines][pixels][channels],
/// with what lies around the image; of a window one pixel wide only the pixels that are read, of one window
/// row only the lines that are read. The weights of a slice are [panels][window rows][window
/// columns][channels] and, after each panel, room for the drain's tables.
class SliceGeometry {
public:
  SliceGeometry(const Product &product, const ProductCut &cut, const mortise::Hardware &hardware);

  int64_t count() const { return parts_ * windowParts_; }
  int64_t firstChannel(int64_t slice) const { return slice % parts_ * cut_.slice.channels; }
  int64_t channels(int64_t slice) const {
    return std::min(cut_.slice.channels, p_.channels - firstChannel(slice));
  }
  int64_t firstWindowRow(int64_t slice) const { return slice / parts_ * cut_.slice.windowRows; }
  /// Window rows times columns.
  int64_t taps() const { return cut_.slice.windowRows * p_.x.size; }

  /// Whether only lines (pixels) that one window row (column) reads are there.
  bool sparseLines() const { return cut_.slice.windowRows == 1; }
  bool sparsePixels() const { return p_.x.size == 1; }
  int64_t lines(int64_t rows) const {
    return sparseLines() ? rows : (rows - 1) * p_.y.stride + p_.y.extent();
  }
  int64_t pixels(int64_t span) const {
    return sparsePixels() ? span : (span - 1) * p_.x.stride + p_.x.extent();
  }
  int64_t lineStep() const { return sparseLines() ? p_.y.stride : 1; }   ///< in the image
  int64_t pixelStep() const { return sparsePixels() ? p_.x.stride : 1; } ///< in the image
  int64_t rowStride() const {
    return sparseLines() ? 1 : p_.y.stride;
  } ///< lines from an output row to the next
  int64_t columnStride() const { return sparsePixels() ? 1 : p_.x.stride; }
  int64_t linePitch() const { return pixels(cut_.span) * cut_.slice.pitch; }
  int64_t inputBytes() const { return lines(cut_.rows) * linePitch(); }

  /// Whether neighbouring pixels continue each other, so that a weight tile may span several columns.
  bool joined() const {
    return cut_.slice.channels == p_.channels && cut_.slice.pitch == p_.channels * p_.leftBytes() &&
           p_.x.dilation == 1;
  }
  /// Runs of channels that weight tiles are cut from, and the channels of one.
  int64_t runs() const { return joined() ? cut_.slice.windowRows : taps(); }
  int64_t run(int64_t slice) const { return joined() ? p_.x.size * p_.channels : channels(slice); }

  int64_t tableBytes() const { return tableBytes_; } ///< of a panel
  int64_t panelPitch() const { return cut_.slice.channels * taps() * packed_.rowBytes; }
  int64_t weightBytes() const { return cut_.slice.panels * panelPitch(); }
  const PackedWeights &packed() const { return packed_; }
  /// Tiles that the accumulators hold sums of a panel of.
  int64_t sumSlots() const { return accumulatorRows_ / (cut_.rows * cut_.span); }

private:
  const Product &p_;
  const ProductCut &cut_;
  PackedWeights packed_;
  int64_t parts_, windowParts_, tableBytes_, accumulatorRows_;
};

/// Appends the commands of a cut with slices.
void emitSlices(const Product &product, const ProductCut &cut, const mortise::Hardware &hardware,
                int64_t scratchpad, Stream &stream);

/// The best cut with slices whose price is estimated to be below `price`; nothing where there is none.
std::optional<ProductCut> cutSlices(const Product &product, const mortise::Hardware &hardware,
                                    int64_t scratchpadBytes, double price);

} // namespace tenon::npu
