//===- EmitProduct.cpp - the commands of a product --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/tile/EmitSlices.h"
#include "compiler/emit/mortise/tile/ImageLines.h"
#include "compiler/emit/mortise/tile/TileResults.h"

#include <algorithm>
#include <utility>

namespace tenon::npu {

namespace {

ImageLines linesOf(const Product &p, const mortise::Hardware &h) {
  ImageLines image = imageOf(p);
  image.pitch = image.isResident() ? 0 : linePitch(p, h);
  return image;
}

class ProductEmitter {
public:
  ProductEmitter(const Product &p, const ProductCut &cut, const mortise::Hardware &h, int64_t scratchpad,
                 Stream &stream)
      : p_(p), cut_(cut), h_(h), commands_(stream, h, p.node), packed_(packedWeights(p, h)),
        weights_(weightTiles(p, h)), image_(linesOf(p, h)), tiles_(tilesOf(p, cut)),
        lines_(image_, scratchpad, cut.lines), weightAt_(scratchpad + cut.inputBuffers * cut.inputBytes),
        results_(p, cut, h, commands_, cut.resultsAt(scratchpad), cut.mapAt(scratchpad),
                 cut.mapTablesAt(scratchpad)) {}

  void emit() {
    int64_t all = p_.groups * packed_.panels;
    auto panels = [&](const Tile &tile, int64_t first, int64_t end) {
      for (int64_t panel = first; panel < end; ++panel)
        multiply(tile, panel);
    };
    if (!cut_.resident) {
      for (const Tile &tile : tiles_)
        panels(tile, 0, all);
      return;
    }
    for (int64_t run = 0; run < all; run += packed_.adjacent)
      for (int64_t first = run, end = run + packed_.adjacent; first < end; first += cut_.resident, ++chunks_)
        for (const Tile &tile : tiles_)
          panels(tile, first, std::min(first + cut_.resident, end));
  }

private:
  int64_t pixelBytes() const { return image_.pixelBytes; }
  int64_t linePitch() const { return image_.linePitch(); }

  void multiply(const Tile &tile, int64_t panel) {
    loadInput(tile);
    int64_t sums = nextSums(), tables = 0;
    for (size_t first = 0; first < weights_.size(); first += size_t(cut_.piece)) {
      size_t end = std::min(weights_.size(), first + size_t(cut_.piece));
      int64_t at = loadWeights(panel, first, end);
      for (size_t t = first; t < end; ++t) {
        const WeightTile &weight = weights_[t];
        commands_.loadTile(at, weight.rows, results_.outputsOf(panel), packed_.rowBytes, p_.right);
        at += weight.rows * packed_.rowBytes;
        int64_t group = panel / packed_.panels;
        int64_t within =
            tile.column * p_.x.stride * pixelBytes() + group * p_.channels * p_.leftBytes() + weight.offset;
        pass(tile, weight, within, sums, results_.outputsOf(panel), t > 0);
      }
      tables = at;
    }
    results_.store(tile, panel, sums, tables);
  }

  /// Where a product's sums go: to one half of the accumulators (a bank, or several) while the other is
  /// drained. A drain begins when the last sums have left the array: where the next product is done before
  /// the drain is, each half has several places, so that the one after it need not wait.
  int64_t nextSums() {
    int64_t half = h_.accumulatorRows() / 2, pixels = cut_.rows * cut_.span, number = products_++;
    constexpr int64_t kSynchronize = 24;
    int64_t drained = pixels + h_.matrix.rows + h_.matrix.columns + kSynchronize;
    int64_t places = pixels * int64_t(weights_.size()) < drained ? std::min<int64_t>(2, half / pixels) : 1;
    return number % 2 * half + number / 2 % places * pixels;
  }

  /// A tile's pixels through the array, whose weights are there: rows that lie above each other at a time.
  /// `within`: of a line.
  void pass(const Tile &tile, const WeightTile &weight, int64_t within, int64_t sums, int64_t outputs,
            bool accumulate) {
    for (int64_t row = 0, rows = 0; row < tile.rows; row += rows) {
      int64_t line = (tile.row + row) * p_.y.stride + weight.windowRow * p_.y.dilation;
      rows = lines_.together(line, p_.y.stride, tile.rows - row);
      Rows pixels;
      pixels.count[0] = tile.columns;
      pixels.stride[0] = p_.x.stride * pixelBytes();
      pixels.count[1] = rows;
      pixels.stride[1] = p_.y.stride * linePitch();
      commands_.multiply(lines_.addressOf(line) + within, pixels, weight.rows, p_.left,
                         sums + row * tile.columns, outputs, accumulate, row > 0);
    }
  }

  /// The lines of a tile with what lies around the image.
  void loadInput(const Tile &tile) {
    if (tile.input != std::exchange(loadedInput_, tile.input))
      lines_.load(commands_, tile.image, tile.row, tile.rows);
  }

  /// Weight tiles [first, end) of a panel, and its tables with the last. Returns their address.
  int64_t loadWeights(int64_t panel, size_t first, size_t end) {
    int64_t before = 0, rows = 0;
    for (size_t t = 0; t < end; ++t)
      (t < first ? before : rows) += weights_[t].rows;
    int64_t tables = 0;
    if (end == weights_.size())
      tables = (int64_t(p_.drain.bias) + int64_t(p_.drain.scale)) * h_.matrix.columns * 4;
    int64_t from = p_.weights + panel * packed_.panelBytes + before * packed_.rowBytes;
    int64_t at = 0;
    if (cut_.resident) {
      at = weightAt_ + chunks_ % cut_.weightBuffers * cut_.weightBytes +
           panel % packed_.adjacent % cut_.resident * packed_.panelBytes;
      if (panel <= loadedPanel_)
        return at;
      loadedPanel_ = panel;
    } else {
      int64_t key = panel * int64_t(weights_.size()) + int64_t(first);
      if (key == loadedPiece_)
        return weightsOf_;
      loadedPiece_ = key;
      at = weightsOf_ = weightAt_ + weightLoads_++ % cut_.weightBuffers * cut_.weightBytes;
    }
    commands_.loadBytes(commands_.weightChannel(), at, from, rows * packed_.rowBytes + tables);
    return at;
  }

  const Product &p_;
  const ProductCut &cut_;
  const mortise::Hardware &h_;
  Commands commands_;
  PackedWeights packed_;
  std::vector<WeightTile> weights_;
  ImageLines image_;
  std::vector<Tile> tiles_;
  LineRing lines_;
  int64_t weightAt_;
  TileResults results_;
  int64_t weightsOf_ = 0; ///< the buffer in use
  int64_t loadedInput_ = -1, loadedPiece_ = -1, loadedPanel_ = -1;
  int64_t weightLoads_ = 0, chunks_ = 0, products_ = 0;
};

} // namespace

void emitProduct(const Product &product, const ProductCut &cut, const mortise::Hardware &hardware,
                 int64_t scratchpad, Stream &stream) {
  if (cut.slice)
    emitSlices(product, cut, hardware, scratchpad, stream);
  else
    ProductEmitter(product, cut, hardware, scratchpad, stream).emit();
}

} // namespace tenon::npu
