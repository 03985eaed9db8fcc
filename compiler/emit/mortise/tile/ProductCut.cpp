//===- ProductCut.cpp - which cut of a product is best --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/tile/EmitSlices.h"
#include "compiler/emit/mortise/tile/TileResults.h"
#include "compiler/emit/mortise/tile/Transfers.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tenon::npu {

namespace {

int64_t tableBytes(const Product &p, const mortise::Hardware &h) {
  return (int64_t(p.drain.bias) + int64_t(p.drain.scale)) * h.matrix.columns * 4;
}

class Cutter {
public:
  Cutter(const Product &p, const mortise::Hardware &h, int64_t scratchpad)
      : p_(p), h_(h), scratchpad_(scratchpad), packed_(packedWeights(p, h)), tiles_(weightTiles(p, h)),
        rate_(h.rate(p.left)) {}

  std::optional<ProductCut> best() {
    int64_t half = h_.accumulatorRows() / 2;
    int64_t width = p_.outputWidth(), height = p_.outputHeight();
    // Rows of whole lines, or parts of one line.
    int64_t parts = ceilDiv(width, half), span = ceilDiv(width, parts);
    int64_t most = parts > 1 ? 1 : std::min(height, half / width);
    int64_t last = 0;
    for (int64_t count = ceilDiv(height, most); last != 1; count = count < 8 ? count + 1 : count * 5 / 4) {
      ProductCut cut;
      cut.rows = ceilDiv(height, std::min(count, height));
      cut.span = span;
      if (cut.rows != last)
        withRows(cut);
      last = cut.rows;
    }
    return best_;
  }

private:
  void withRows(ProductCut cut) {
    bool dense = p_.isDense(), drains = p_.map || !isResident(p_.output);
    // Dense pixels have the channels of all groups.
    if (dense && (p_.memoryGroups || packed_.adjacent != p_.groups * packed_.panels))
      return;
    cut.inputBuffers = 1;
    for (int64_t stored : storedTogether(dense)) {
      cut.stored = stored;
      ResultTile results(p_, h_, cut.rows * cut.span, cut.stored);
      if (!results.isRegular())
        continue;
      cut.resultBytes = drains ? results.drained(p_) : 0;
      cut.mapBytes = results.ofMap(p_);
      cut.mapTableBytes = results.tables(p_);
      if (isResident(p_.input)) {
        cut.inputBytes = 0;
        withInput(cut);
        continue;
      }
      for (int64_t lines : ringsOf(cut)) {
        cut.lines = lines;
        cut.inputBytes = alignedBytes(lines * linePitch(p_, h_));
        withInput(cut);
      }
    }
  }

  /// Panels worth storing together: all, so that pixels are whole, and those that fill a burst, or fewer.
  std::vector<int64_t> storedTogether(bool dense) const {
    constexpr int64_t kMost = 12;
    int64_t burst = memoryOf(p_.output, h_).burst;
    int64_t whole = std::min(packed_.adjacent, ceilDiv(burst, h_.matrix.columns * p_.resultBytes()));
    std::vector<int64_t> counts;
    if (dense || (whole < packed_.adjacent && packed_.adjacent <= kMost))
      counts.push_back(packed_.adjacent);
    for (int64_t stored = dense ? 0 : whole; stored >= 1; stored /= 2)
      counts.push_back(stored);
    return counts;
  }

  /// Lines that so many rows of the output read.
  int64_t linesOf(int64_t rows) const { return (rows - 1) * p_.y.stride + p_.y.extent(); }
  int64_t imageLines() const { return linesOf(p_.outputHeight()); }

  /// Lines worth holding: those of a tile, with those of the next ones, and all of an image.
  std::vector<int64_t> ringsOf(const ProductCut &cut) const {
    std::vector<int64_t> rings;
    int64_t more = cut.rows * p_.y.stride, all = imageLines();
    for (int64_t ahead : {0, 1, 2})
      if (int64_t lines = upTo(linesOf(cut.rows) + ahead * more, more); lines < all)
        rings.push_back(lines);
    rings.push_back(all);
    return rings;
  }

  void withInput(ProductCut cut) {
    auto all = int64_t(tiles_.size());
    cut.resident = 0;
    for (int64_t pieces = 1; pieces <= all; pieces = pieces < 4 ? pieces + 1 : pieces * 3 / 2) {
      cut.piece = ceilDiv(all, pieces);
      cut.weightBytes = alignedBytes(deepest(cut.piece) * packed_.rowBytes + tableBytes(p_, h_));
      for (cut.weightBuffers = 1; cut.weightBuffers <= 4; ++cut.weightBuffers)
        consider(cut);
    }
    cut.piece = all;
    for (int64_t chunks = 1; chunks <= packed_.adjacent; chunks = chunks < 8 ? chunks + 1 : chunks * 3 / 2) {
      int64_t panels = upTo(ceilDiv(packed_.adjacent, chunks), cut.stored);
      if (panels == cut.resident)
        continue;
      cut.resident = panels;
      cut.weightBytes = panels * packed_.panelBytes;
      for (cut.weightBuffers = 1; cut.weightBuffers <= 2; ++cut.weightBuffers)
        consider(cut);
    }
  }

  /// Rows of the largest piece of weights.
  int64_t deepest(int64_t piece) const {
    int64_t rows = 0, most = 0;
    for (size_t t = 0; t < tiles_.size(); ++t) {
      rows = t % size_t(piece) == 0 ? tiles_[t].rows : rows + tiles_[t].rows;
      most = std::max(most, rows);
    }
    return most;
  }

  void consider(ProductCut &cut) {
    if (cut.scratchpadBytes() > scratchpad_)
      return;
    estimate(cut);
    if (!best_ || cut.price() < best_->price())
      best_ = cut;
  }

  /// The array's cycles for all tiles.
  double matrixCycles(const ProductCut &cut) const {
    double steps = 0;
    for (int64_t row = 0; row < p_.outputHeight(); row += cut.rows)
      for (int64_t column = 0; column < p_.outputWidth(); column += cut.span) {
        int64_t pixels =
            std::min(cut.rows, p_.outputHeight() - row) * std::min(cut.span, p_.outputWidth() - column);
        double stream = double(ceilDiv(pixels, h_.matrix.positions)) / rate_;
        double least = std::max(double(h_.matrix.issueGap), double(h_.matrix.rows));
        steps += std::max(stream, least);
        // Where a tile's lines reach beyond the ring's end it is two pieces.
        if (cut.lines && cut.lines < imageLines())
          steps += double((cut.rows - 1) * p_.y.stride) / double(cut.lines) *
                   (2 * std::max(stream / 2, least) - std::max(stream, least));
      }
    return steps * double(p_.images * p_.groups * packed_.panels) * double(tiles_.size());
  }

  /// Of `loads` that take `load` cycles each, beside `work` cycles for which each is needed: the time that
  /// both take with that many buffers.
  double pipelined(double loads, double load, double work, int64_t buffers) const {
    double latency = double(h_.dram.latency + h_.dma.setup) + 8;
    if (loads <= 1)
      return work; // the first load is counted apart
    return buffers == 1 ? loads * (work / loads + load + latency)
                        : loads * std::max(work / loads, (load + latency) / double(buffers - 1));
  }

  /// Of so many lines of the image, where pixels of the product may lie apart.
  double loadCycles(int64_t lines, const mortise::MemoryTiming &in) const {
    int64_t pixel = p_.groups * p_.channels * p_.leftBytes(), pitch = p_.inputPitch() * p_.leftBytes();
    int64_t pixels = lines * (p_.width + p_.x.low + p_.x.high);
    return pixel == pitch ? double(pixels * pixel) / in.bytesPerCycle
                          : transferCycles(pixel, pixels, pitch, pixel, in);
  }

  /// Roughly: the array's work beside the memories' traffic, and what nothing hides.
  void estimate(ProductCut &cut) const {
    const auto &in = memoryOf(p_.input, h_), &out = memoryOf(p_.output, h_), &from = memoryOf(p_.weights, h_);
    int64_t tiles = p_.images * ceilDiv(p_.outputHeight(), cut.rows) * ceilDiv(p_.outputWidth(), cut.span);
    int64_t panels = packed_.panels * p_.groups, inputs = p_.images * ceilDiv(p_.outputHeight(), cut.rows);
    int64_t runs = panels / packed_.adjacent;
    int64_t chunks = cut.resident ? runs * ceilDiv(packed_.adjacent, cut.resident) : 1;
    double matrix = matrixCycles(cut);

    // An image of which all is there comes once.
    bool stays = p_.images == 1 && cut.lines >= imageLines();
    double inputLoads = double(stays ? inputs : inputs * chunks);
    double inputCycles = double(p_.images * (stays ? 1 : chunks)) * loadCycles(imageLines(), in);
    double weightLoads =
        cut.resident ? double(panels) : double(tiles * panels * ceilDiv(int64_t(tiles_.size()), cut.piece));
    double weightCycles = double(packed_.bytes) / from.bytesPerCycle;
    if (!cut.resident)
      weightCycles = weightLoads * transferCycles(deepest(cut.piece) * packed_.rowBytes, 1,
                                                  tiles_[0].rows * cut.piece * packed_.rowBytes, 0, from);
    int64_t run = std::min(packed_.adjacent, cut.stored) * h_.matrix.columns * p_.resultBytes();
    int64_t stores = runs * ceilDiv(packed_.adjacent, cut.stored); // of a pixel
    int64_t pitch = p_.outputPitch() * p_.resultBytes();
    double outputCycles = run >= pitch ? double(p_.pixels() * pitch) / out.bytesPerCycle
                                       : double(stores) * transferCycles(run, p_.pixels(), pitch, run, out);
    double dram = 0, l2 = 0;
    for (auto [cycles, where] :
         {std::pair(inputCycles, &in), std::pair(weightCycles, &from), std::pair(outputCycles, &out)})
      (where == &h_.l2 ? l2 : dram) += cycles;

    double vector = 0;
    if (p_.map) {
      auto elements = double(p_.pixels()) * double(packed_.panels * p_.groups * h_.matrix.columns);
      vector = elements / double(h_.vector.lanes) * p_.map->vectorCycles;
      for (const MapStage::Operand &operand : p_.map->operands)
        if (operand.period == 0 && !isResident(operand.memory))
          dram += double(p_.pixels()) * double(ceilDiv(run * operand.bytes, p_.resultBytes())) *
                  double(stores) / h_.dram.bytesPerCycle;
    }
    // Dense tiles are started one by one, and the last begins when all of its channels are there.
    double exposed = 0;
    if (p_.isDense()) {
      constexpr double kStart = 40;
      vector += kStart * double(tiles);
      exposed = std::min(vector, matrix) / double(tiles);
    }
    int64_t ahead = stays ? 2 : 1 + (cut.lines - linesOf(cut.rows)) / (cut.rows * p_.y.stride);
    double byInput = isResident(p_.input) ? matrix
                                          : pipelined(inputLoads, inputCycles / inputLoads, matrix,
                                                      std::min<int64_t>(ahead, 2));
    double byWeights = 0;
    if (!cut.resident)
      byWeights = pipelined(weightLoads, weightCycles / weightLoads, matrix, cut.weightBuffers);
    else if (cut.weightBuffers == 1) { // the next chunk comes while the last tile is done with this one
      double hidden = matrix / double(chunks * tiles), load = weightCycles / double(chunks);
      byWeights =
          matrix + double(chunks - 1) * (weightCycles / double(panels) + std::max(0.0, load - hidden) +
                                         double(h_.dram.latency + h_.dma.setup));
    } else
      byWeights = pipelined(double(chunks), weightCycles / double(chunks), matrix, 2);
    double memory = std::max(dram, l2), longest = std::max({matrix, memory, byInput, byWeights, vector});
    // Where memory is nearly full, transfers wait for each other.
    double crowd = std::min(matrix, memory) / std::max(matrix, memory);
    longest *= 1 + 0.2 * std::pow(crowd, 4);
    double firstWeights =
        (cut.resident ? double(packed_.panelBytes) : double(cut.weightBytes)) / from.bytesPerCycle;
    cut.cycles = longest + exposed + loadCycles(linesOf(cut.rows), in) + firstWeights +
                 double(cut.resultBytes) / out.bytesPerCycle + 3 * double(h_.dram.latency + h_.dma.setup);
    cut.traffic = dram + l2;
    cut.limit = vector > std::max(matrix, memory) ? "vector" : matrix >= memory ? "matrix" : "memory";
  }

  const Product &p_;
  const mortise::Hardware &h_;
  int64_t scratchpad_;
  PackedWeights packed_;
  std::vector<WeightTile> tiles_;
  double rate_;
  std::optional<ProductCut> best_;
};

} // namespace

Product Product::part(int64_t first, int64_t count, const mortise::Hardware &hardware) const {
  Product some = *this;
  PackedWeights packed = packedWeights(*this, hardware);
  some.memoryGroups = memoryGroups ? memoryGroups : groups;
  some.groups = count;
  some.input += first * channels * leftBytes();
  some.weights += first * packed.panels * packed.panelBytes;
  some.output += first * outputs * resultBytes();
  if (map)
    for (MapStage::Operand &operand : some.map->operands)
      if (operand.period != 1)
        operand.memory += first * outputs * operand.bytes;
  return some;
}

int64_t linePitch(const Product &p, const mortise::Hardware &h) {
  int64_t bytes = (p.width + p.x.low + p.x.high) * p.groups * p.channels * p.leftBytes();
  return p.y.extent() > 1 ? upTo(bytes, h.scratchpad.width) : bytes;
}

PackedWeights packedWeights(const Product &p, const mortise::Hardware &h) {
  PackedWeights packed;
  packed.panels = ceilDiv(p.outputs, h.matrix.columns);
  packed.adjacent = p.outputs % h.matrix.columns == 0 ? p.groups * packed.panels : packed.panels;
  packed.rows = p.y.size * p.x.size * p.channels;
  packed.rowBytes = h.matrix.columns * int64_t(mortise::typeBits(p.right)) / 8;
  int64_t burst = std::max({int64_t(64), h.dram.burst, h.l2.burst});
  packed.panelBytes = ceilDiv(packed.rows * packed.rowBytes + tableBytes(p, h), burst) * burst;
  packed.bytes = packed.panelBytes * packed.panels * p.groups;
  return packed;
}

std::vector<WeightTile> weightTiles(const Product &p, const mortise::Hardware &h) {
  // Neighbouring pixels continue each other where nothing lies between them.
  int64_t pixel = isResident(p.input) ? p.inputPitch() : p.groups * p.channels;
  bool joined = pixel == p.channels && (p.x.dilation == 1 || p.x.size == 1);
  int64_t runs = joined ? 1 : p.x.size, run = joined ? p.x.size * p.channels : p.channels;
  int64_t step = p.x.dilation * pixel;
  std::vector<WeightTile> tiles;
  for (int64_t r = 0; r < p.y.size; ++r)
    for (int64_t s = 0; s < runs; ++s) {
      // Parts of equal size: the array's rows are idle in all of them alike.
      int64_t parts = ceilDiv(run, h.matrix.rows);
      for (int64_t part = 0, at = 0; part < parts; ++part) {
        int64_t rows = std::min(h.matrix.rows, run - at);
        tiles.push_back({rows, r, (s * step + at) * p.leftBytes()});
        at += rows;
      }
    }
  return tiles;
}

/// What is left of the scratchpad makes results wait less for the memory.
static void useRoom(ProductCut &cut, int64_t scratchpadBytes) {
  constexpr int64_t kMost = 4;
  for (int64_t *buffers : {&cut.mapBuffers, &cut.resultBuffers}) {
    while (*buffers < kMost && cut.scratchpadBytes() <= scratchpadBytes)
      ++*buffers;
    if (cut.scratchpadBytes() > scratchpadBytes)
      --*buffers;
  }
}

std::optional<GroupCut> cutGroups(const Product &product, const mortise::Hardware &hardware,
                                  int64_t scratchpadBytes) {
  std::optional<GroupCut> best;
  auto consider = [&](int64_t groups) {
    std::optional<ProductCut> cut = cutProduct(
        groups == product.groups ? product : product.part(0, groups, hardware), hardware, scratchpadBytes);
    double parts = double(product.groups) / double(groups);
    if (cut && (!best || cut->price() * parts < best->price))
      best = {groups, *cut, cut->cycles * parts, cut->price() * parts};
  };
  // Parts of equal size, and those whose pixels are whole bursts.
  int64_t burst = std::max<int64_t>(1, memoryOf(product.input, hardware).burst /
                                           (product.channels * product.leftBytes()));
  int64_t last = 0;
  for (int64_t parts = 1; parts <= product.groups; parts = parts < 4 ? parts + 1 : parts * 3 / 2) {
    int64_t groups = ceilDiv(product.groups, parts), whole = std::min(product.groups, upTo(groups, burst));
    for (int64_t count : {groups, whole})
      if (count != last)
        consider(last = count);
  }
  return best;
}

std::optional<ProductCut> cutProduct(const Product &product, const mortise::Hardware &hardware,
                                     int64_t scratchpadBytes) {
  int64_t lineBytes = (product.width + product.x.low + product.x.high) * product.groups * product.channels *
                      product.leftBytes();
  if (hardware.rate(product.left) == 0 || hardware.dma.dimensions < 3)
    return std::nullopt;
  std::optional<ProductCut> whole;
  if (lineBytes <= hardware.dma.maxCount)
    whole = Cutter(product, hardware, scratchpadBytes).best();
  double price = whole ? whole->price() : std::numeric_limits<double>::infinity();
  if (std::optional<ProductCut> slices = cutSlices(product, hardware, scratchpadBytes, price))
    whole = slices;
  if (!whole)
    return whole;
  whole->neededBytes = whole->scratchpadBytes();
  useRoom(*whole, scratchpadBytes);
  return whole;
}

} // namespace tenon::npu
