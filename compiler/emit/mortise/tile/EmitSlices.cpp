//===- EmitSlices.cpp - the commands of a product whose depth comes in slices --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/tile/EmitSlices.h"

#include "compiler/emit/mortise/tile/ImageLines.h"
#include "compiler/emit/mortise/tile/TileResults.h"

#include <algorithm>
#include <array>
#include <utility>

namespace tenon::npu {

namespace {

/// Of `count` places `first`, `first + step`, ... those within [0, extent): how many come before and how many
/// are inside.
struct Inside {
  int64_t before = 0, inside = 0;
  Inside(int64_t first, int64_t step, int64_t count, int64_t extent) {
    before = std::clamp<int64_t>((-first + step - 1) / step, 0, count);
    int64_t end = std::clamp<int64_t>((extent - first + step - 1) / step, before, count);
    inside = end - before;
  }
};

class SliceEmitter {
public:
  SliceEmitter(const Product &p, const ProductCut &cut, const mortise::Hardware &h, int64_t scratchpad,
               Stream &stream)
      : p_(p), cut_(cut), h_(h), commands_(stream, h, p.node), geometry_(p, cut, h),
        packed_(geometry_.packed()), image_(imageOf(p)), tiles_(tilesOf(p, cut)), inputAt_(scratchpad),
        weightAt_(inputAt_ + cut.inputBuffers * cut.inputBytes),
        tablesAt_(weightAt_ + cut.weightBuffers * cut.weightBytes),
        results_(p, cut, h, commands_, cut.resultsAt(scratchpad), cut.mapAt(scratchpad),
                 cut.mapTablesAt(scratchpad)),
        inputOf_(tiles_.size() * size_t(geometry_.count())), weightsOf_(size_t(geometry_.count())),
        aroundOf_(size_t(cut.inputBuffers)) {}

  void emit() {
    bool inputStays = int64_t(inputOf_.size()) <= cut_.inputBuffers;
    int64_t slices = geometry_.count();
    for (first_ = 0; first_ < packed_.panels; first_ += cut_.slice.panels) {
      end_ = std::min(first_ + cut_.slice.panels, packed_.panels);
      for (size_t t = 0; t < tiles_.size(); ++t)
        for (int64_t slice = 0; slice < slices; ++slice) {
          int64_t &input = inputOf_[t * size_t(slices) + size_t(slice)];
          if (first_ == 0 || !inputStays)
            input = loadInput(tiles_[t], slice);
          int64_t &weights = weightsOf_[size_t(slice)];
          if (t == 0 || !cut_.slice.keep)
            weights = loadWeights(slice);
          if (t == 0 && slice + 1 == slices)
            loadTables();
          for (int64_t panel = first_; panel < end_; ++panel)
            multiply(tiles_[t], slice, panel, input, weights + (panel - first_) * geometry_.panelPitch());
        }
      sums_ += int64_t(tiles_.size()) * (end_ - first_);
    }
  }

private:
  int64_t pixelBytes() const { return p_.channels * p_.leftBytes(); }

  /// The slice of a tile's input with what lies around the image; returns where it lies.
  int64_t loadInput(const Tile &tile, int64_t slice) {
    if (image_.isResident())
      return image_.residentLines(tile.image, tile.row) +
             geometry_.firstWindowRow(slice) * p_.y.dilation * image_.lineBytes() +
             tile.column * p_.x.stride * image_.pixelBytes + geometry_.firstChannel(slice) * p_.leftBytes();
    size_t buffer = size_t(inputs_++ % cut_.inputBuffers);
    int64_t at = inputAt_ + int64_t(buffer) * cut_.inputBytes, pitch = cut_.slice.pitch;
    int64_t line = geometry_.linePitch(), lines = geometry_.lines(tile.rows),
            pixels = geometry_.pixels(tile.columns);
    int64_t row = tile.row * p_.y.stride - p_.y.low + geometry_.firstWindowRow(slice) * p_.y.dilation;
    int64_t column = tile.column * p_.x.stride - p_.x.low;
    Inside y(row, geometry_.lineStep(), lines, p_.height), x(column, geometry_.pixelStep(), pixels, p_.width);
    if (x.inside == 0)
      y = Inside(0, 1, 0, 0);
    int64_t from = at + y.before * line, below = lines - y.before - y.inside,
            right = pixels - x.before - x.inside;
    // What lies around the image is still there where the buffer had such a slice before.
    std::array<int64_t, 6> around = {lines, pixels, y.before, y.inside, x.before, x.inside};
    if (std::exchange(aroundOf_[buffer], around) != around) {
      fill(at, pixels * pitch, y.before, line);
      fill(from + y.inside * line, pixels * pitch, below, line);
      fill(from, x.before * pitch, y.inside, line);
      fill(from + (x.before + x.inside) * pitch, right * pitch, y.inside, line);
    }
    if (y.inside == 0)
      return at;
    TransferBlock block;
    block.bytes = geometry_.channels(slice) * p_.leftBytes();
    block.count[0] = x.inside;
    block.local[0] = pitch;
    block.memory[0] = geometry_.pixelStep() * pixelBytes();
    block.count[1] = y.inside;
    block.local[1] = line;
    block.memory[1] = geometry_.lineStep() * p_.width * pixelBytes();
    int64_t firstLine = tile.image * p_.height + row + y.before * geometry_.lineStep();
    int64_t firstPixel = firstLine * p_.width + column + x.before * geometry_.pixelStep();
    commands_.loadBlock(commands_.inputChannel(), from + x.before * pitch,
                        p_.input + firstPixel * pixelBytes() + geometry_.firstChannel(slice) * p_.leftBytes(),
                        block);
    return at;
  }

  void fill(int64_t at, int64_t bytes, int64_t count, int64_t stride) {
    if (bytes > 0 && count > 0)
      commands_.fill(commands_.inputChannel(), at, bytes, count, stride, p_.padValue, p_.leftBytes());
  }

  /// The slice of the group's weights; returns where it lies.
  int64_t loadWeights(int64_t slice) {
    int64_t at = weightAt_ + weightLoads_++ % cut_.weightBuffers * cut_.weightBytes;
    int64_t channels = geometry_.channels(slice), tap = geometry_.firstWindowRow(slice) * p_.x.size;
    bool run = geometry_.taps() == 1 || channels == p_.channels;
    TransferBlock block;
    block.bytes = channels * packed_.rowBytes * (run ? geometry_.taps() : 1);
    block.count[0] = run ? 1 : geometry_.taps();
    block.local[0] = block.bytes;
    block.memory[0] = p_.channels * packed_.rowBytes;
    block.count[1] = end_ - first_;
    block.local[1] = geometry_.panelPitch();
    block.memory[1] = packed_.panelBytes;
    int64_t row = tap * p_.channels + geometry_.firstChannel(slice);
    commands_.loadBlock(commands_.weightChannel(), at,
                        p_.weights + first_ * packed_.panelBytes + row * packed_.rowBytes, block);
    return at;
  }

  /// The tables of the group's panels.
  void loadTables() {
    tablesOf_ = tablesAt_ + groups_++ % ProductCut::kTableBuffers * cut_.tableBytes;
    if (geometry_.tableBytes() == 0)
      return;
    TransferBlock block;
    block.bytes = geometry_.tableBytes();
    block.count[0] = end_ - first_;
    block.local[0] = geometry_.tableBytes();
    block.memory[0] = packed_.panelBytes;
    commands_.loadBlock(commands_.weightChannel(), tablesOf_,
                        p_.weights + first_ * packed_.panelBytes + packed_.rows * packed_.rowBytes, block);
  }

  /// The part that a slice has in a panel of a tile, and what follows the last.
  void multiply(const Tile &tile, int64_t slice, int64_t panel, int64_t input, int64_t weights) {
    // The number of the product, so that one is drained while the next have other accumulators.
    int64_t number = sums_ + (&tile - tiles_.data()) * (end_ - first_) + panel - first_;
    int64_t sums = number % geometry_.sumSlots() * (cut_.rows * cut_.span);
    // A resident image has all lines and pixels, a copy those that are read.
    int64_t line = image_.isResident() ? image_.lineBytes() : geometry_.linePitch();
    Rows pixels;
    pixels.count[0] = tile.columns;
    pixels.stride[0] = (image_.isResident() ? p_.x.stride : geometry_.columnStride()) * cut_.slice.pitch;
    pixels.count[1] = tile.rows;
    pixels.stride[1] = (image_.isResident() ? p_.y.stride : geometry_.rowStride()) * line;
    int64_t run = geometry_.run(slice), outputs = results_.outputsOf(panel);
    int64_t columns = geometry_.joined() ? 1 : p_.x.size; // runs beside each other
    for (int64_t r = 0; r < geometry_.runs(); ++r)
      for (int64_t channel = 0; channel < run; channel += h_.matrix.rows) {
        int64_t depth = std::min(h_.matrix.rows, run - channel);
        commands_.loadTile(weights, depth, outputs, packed_.rowBytes, p_.right);
        weights += depth * packed_.rowBytes;
        int64_t from = input + r / columns * p_.y.dilation * line +
                       r % columns * p_.x.dilation * cut_.slice.pitch + channel * p_.leftBytes();
        commands_.multiply(from, pixels, depth, p_.left, sums, outputs, slice + r + channel > 0);
      }
    if (slice + 1 == geometry_.count())
      results_.store(tile, panel, sums, tablesOf_ + (panel - first_) * geometry_.tableBytes());
  }

  const Product &p_;
  const ProductCut &cut_;
  const mortise::Hardware &h_;
  Commands commands_;
  SliceGeometry geometry_;
  const PackedWeights &packed_;
  ImageLines image_;
  std::vector<Tile> tiles_;
  int64_t inputAt_, weightAt_, tablesAt_;
  TileResults results_;
  std::vector<int64_t> inputOf_;                 ///< where a tile's slices lie
  std::vector<int64_t> weightsOf_;               ///< where the group's slices lie
  std::vector<std::array<int64_t, 6>> aroundOf_; ///< shapes of slices in the input's buffers
  int64_t first_ = 0, end_ = 0;                  ///< panels of the group
  int64_t inputs_ = 0, weightLoads_ = 0, groups_ = 0, sums_ = 0, tablesOf_ = 0;
};

} // namespace

SliceGeometry::SliceGeometry(const Product &product, const ProductCut &cut, const mortise::Hardware &hardware)
    : p_(product), cut_(cut), packed_(packedWeights(product, hardware)),
      parts_((product.channels + cut.slice.channels - 1) / cut.slice.channels),
      windowParts_(product.y.size / cut.slice.windowRows),
      tableBytes_((int64_t(product.drain.bias) + int64_t(product.drain.scale)) * hardware.matrix.columns * 4),
      accumulatorRows_(hardware.accumulatorRows()) {}

void emitSlices(const Product &product, const ProductCut &cut, const mortise::Hardware &hardware,
                int64_t scratchpad, Stream &stream) {
  SliceEmitter(product, cut, hardware, scratchpad, stream).emit();
}

} // namespace tenon::npu
