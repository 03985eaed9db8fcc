//===- SliceCut.cpp - which slices of a product's depth are best --------------------===//
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

namespace tenon::npu {

namespace {

/// What the engines need for a slice of a tile, and for a tile's results, in cycles.
struct SliceCosts {
  double input = 0, weights = 0, output = 0, operands = 0; ///< of the memories
  double inputSetup = 0;                                   ///< of the channel, with what is filled
  double product = 0;                                      ///< of the array, a panel
  double products = 0;                                     ///< of the array, all panels of the group
  double exposed = 0;                                      ///< of a tile: a drain that nothing hides
  double vector = 0;                                       ///< of a tile
  double behind = 0; ///< of dense tiles: the last one's vector work, which begins when all channels are there
  const mortise::MemoryTiming *in = nullptr, *out = nullptr, *from = nullptr;
};

/// Groups, tiles and slices one after the other: when the array has each slice's input and weights, when
/// their buffers are free again. The first groups are followed, the others take as long as these.
class Timeline {
public:
  Timeline(const ProductCut &cut, const SliceCosts &costs, const mortise::Hardware &h, int64_t slices,
           int64_t tiles)
      : cut_(cut), costs_(costs), setup_(double(h.dma.setup)), slices_(slices), tiles_(tiles),
        inputFree_(size_t(cut.inputBuffers), 0), weightFree_(size_t(cut.weightBuffers), 0),
        weightReady_(size_t(slices), 0), weightSlot_(size_t(slices), 0) {}

  double run(int64_t groups) {
    constexpr int64_t kFollowed = 3;
    double first = 0, last = 0;
    for (group_ = 0; group_ < std::min(groups, kFollowed); ++group_) {
      group();
      (group_ == 0 ? first : last) = array_;
    }
    double all = array_ + costs_.behind;
    if (groups > kFollowed)
      all += (last - first) / double(kFollowed - 1) * double(groups - kFollowed);
    return all + costs_.output + costs_.out->latency;
  }

private:
  struct Bus {
    double free = 0;
  };
  Bus &bus(const mortise::MemoryTiming *memory) { return memory == costs_.in ? bus_ : otherBus_; }

  void group() {
    int64_t most = std::max<int64_t>(3, 256 / slices_), followed = std::min(tiles_, most);
    for (int64_t t = 0; t < followed; ++t) {
      double before = array_;
      tile(t);
      if (t + 2 == followed && followed < tiles_)
        skip((array_ - before) * double(tiles_ - followed));
    }
  }
  void skip(double cycles) {
    for (double *time : {&array_, &bus_.free, &otherBus_.free, &inputIssued_, &vector_})
      *time += cycles;
    for (std::vector<double> *times : {&inputFree_, &weightFree_})
      for (double &time : *times)
        time += cycles;
  }

  void tile(int64_t t) {
    bool inputStays = tiles_ * slices_ <= cut_.inputBuffers;
    for (int64_t slice = 0; slice < slices_; ++slice) {
      size_t input = size_t(inputs_ % cut_.inputBuffers);
      if (!inputStays || group_ == 0) {
        inputIssued_ = std::max(inputIssued_, inputFree_[input]) + costs_.inputSetup;
        inputReady_ = transfer(costs_.in, inputIssued_, costs_.input);
        ++inputs_;
      }
      if (t == 0 || !cut_.slice.keep) {
        weightSlot_[size_t(slice)] = size_t(weightLoads_++ % cut_.weightBuffers);
        weightIssued_ = std::max(weightIssued_, weightFree_[weightSlot_[size_t(slice)]]) + setup_;
        weightReady_[size_t(slice)] = transfer(costs_.from, weightIssued_, costs_.weights);
      }
      array_ = std::max({array_, inputReady_, weightReady_[size_t(slice)]}) + costs_.products;
      constexpr double kRelease = 24; // through the array and the semaphores
      inputFree_[input] = array_ + kRelease;
      weightFree_[weightSlot_[size_t(slice)]] = array_ + kRelease;
    }
    array_ += costs_.exposed;
    bus(costs_.out).free += costs_.output;
    bus_.free += costs_.operands;
    vector_ = std::max(vector_, array_) + costs_.vector;
    array_ = std::max(array_, vector_ - 2 * costs_.vector);
  }

  double transfer(const mortise::MemoryTiming *memory, double at, double cycles) {
    Bus &on = bus(memory);
    on.free = std::max(on.free, at) + cycles;
    return on.free + double(memory->latency) + 8;
  }

  const ProductCut &cut_;
  const SliceCosts &costs_;
  double setup_;
  int64_t slices_, tiles_, group_ = 0, inputs_ = 0, weightLoads_ = 0;
  double array_ = 0, vector_ = 0, inputReady_ = 0, inputIssued_ = 0, weightIssued_ = 0;
  Bus bus_, otherBus_;
  std::vector<double> inputFree_, weightFree_, weightReady_;
  std::vector<size_t> weightSlot_;
};

class SliceCutter {
public:
  SliceCutter(const Product &p, const mortise::Hardware &h, int64_t scratchpad, double price)
      : p_(p), h_(h), scratchpad_(scratchpad), packed_(packedWeights(p, h)), rate_(h.rate(p.left)),
        price_(price) {}

  std::optional<ProductCut> best() {
    int64_t sums = h_.accumulatorRows(), width = p_.outputWidth(), height = p_.outputHeight();
    for (int64_t parts = 1; parts <= width; parts = parts < 4 ? parts + 1 : parts * 3 / 2) {
      ProductCut cut;
      cut.span = ceilDiv(width, parts);
      if (cut.span > sums)
        continue;
      int64_t last = 0;
      for (int64_t count = ceilDiv(height, std::min(height, sums / cut.span)); count <= height;
           count = count < 8 ? count + 1 : count * 5 / 4) {
        cut.rows = ceilDiv(height, count);
        if (cut.rows != last)
          withTile(cut);
        last = cut.rows;
      }
    }
    return best_;
  }

private:
  void withTile(ProductCut cut) {
    int64_t rows = h_.matrix.rows, last = 0;
    for (int64_t parts = 1; parts <= ceilDiv(p_.channels, rows);
         parts = parts < 4 ? parts + 1 : parts * 4 / 3) {
      int64_t channels = ceilDiv(p_.channels, parts);
      cut.slice.channels = parts == 1 ? channels : ceilDiv(channels, rows) * rows;
      if (cut.slice.channels == last)
        continue;
      last = cut.slice.channels;
      for (int64_t windowRows : {p_.y.size, int64_t(1)}) {
        cut.slice.windowRows = windowRows;
        cut.slice.pitch = pitchOf(cut);
        withSlice(cut);
        if (p_.y.size == 1)
          break;
      }
    }
  }

  /// The channels of a pixel, and a gap where the pixels of a step would lie in the same banks.
  int64_t pitchOf(const ProductCut &cut) const {
    if (isResident(p_.input)) // as it lies
      return p_.channels * p_.leftBytes();
    int64_t bytes = cut.slice.channels * p_.leftBytes(), step = p_.x.size == 1 ? 1 : p_.x.stride;
    auto conflicts = [&](int64_t pitch) {
      int64_t found = 0;
      for (int64_t i = 1; i < h_.matrix.positions; ++i)
        for (int64_t j = 0; j < i; ++j)
          found += i * pitch * step / h_.scratchpad.interleave % h_.scratchpad.banks ==
                   j * pitch * step / h_.scratchpad.interleave % h_.scratchpad.banks;
      return found;
    };
    int64_t apart =
        ceilDiv(bytes, h_.scratchpad.interleave) * h_.scratchpad.interleave + h_.scratchpad.interleave;
    return conflicts(bytes) > conflicts(apart) && bytes >= h_.scratchpad.interleave ? apart : bytes;
  }

  void withSlice(ProductCut cut) {
    SliceGeometry geometry(p_, cut, h_);
    bool there = isResident(p_.input);
    cut.inputBytes = there ? 0 : alignedBytes(geometry.inputBytes());
    bool fits = (there || geometry.linePitch() <= h_.dma.maxCount) && 2 * cut.inputBytes <= scratchpad_ &&
                cut.slice.channels * geometry.taps() * packed_.rowBytes <= h_.dma.maxCount;
    if (!fits)
      return;
    int64_t last = 0, count = geometry.count();
    for (int64_t groups = 1; groups <= packed_.panels; ++groups) {
      int64_t panels = ceilDiv(packed_.panels, groups);
      if (panels == last || (count > 1 && panels > geometry.sumSlots()))
        continue;
      last = cut.slice.panels = panels;
      withGroup(cut, SliceGeometry(p_, cut, h_));
    }
  }

  void withGroup(ProductCut cut, const SliceGeometry &geometry) {
    int64_t columns = h_.matrix.columns, burst = memoryOf(p_.output, h_).burst;
    cut.weightBytes = alignedBytes(geometry.weightBytes());
    cut.tableBytes = alignedBytes(cut.slice.panels * geometry.tableBytes());
    int64_t most = std::min(cut.slice.panels, ceilDiv(burst, columns * p_.resultBytes()));
    while (cut.slice.panels % most)
      --most;
    // Dense pixels have all channels and follow each other.
    bool dense = p_.isDense();
    if (dense && (cut.slice.panels != packed_.panels || (cut.rows > 1 && cut.span != p_.outputWidth())))
      return;
    if (dense)
      most = cut.slice.panels;
    for (int64_t stored : {most, int64_t(1)}) {
      cut.stored = stored;
      ResultTile results(p_, h_, cut.rows * cut.span, stored);
      cut.resultBytes = p_.map || !isResident(p_.output) ? results.drained(p_) : 0;
      cut.mapBytes = results.ofMap(p_);
      cut.mapTableBytes = results.tables(p_);
      for (int64_t buffers : {int64_t(2), int64_t(1)}) {
        cut.resultBuffers = buffers;
        if (results.isRegular())
          withResults(cut, geometry);
      }
      if (most == 1 || dense)
        break;
    }
  }

  void withResults(ProductCut cut, const SliceGeometry &geometry) {
    int64_t tiles = p_.images * ceilDiv(p_.outputHeight(), cut.rows) * ceilDiv(p_.outputWidth(), cut.span);
    int64_t slices = geometry.count(), groups = ceilDiv(packed_.panels, cut.slice.panels);
    SliceCosts costs = costsOf(cut, geometry);
    for (bool keep : {false, true}) {
      cut.slice.keep = keep;
      if ((keep && tiles == 1) || bound(cut, costs, tiles, slices, groups) >= price_)
        continue;
      int64_t first = keep ? slices : std::min<int64_t>(2, slices * groups);
      for (int64_t more : {int64_t(0), int64_t(1), int64_t(2), slices}) {
        cut.weightBuffers = first + more;
        for (int64_t buffers : {int64_t(2), int64_t(3), tiles * slices}) {
          cut.inputBuffers = std::min(buffers, tiles * slices * groups);
          if (cut.scratchpadBytes() <= scratchpad_)
            consider(cut, costs, tiles, slices, groups);
        }
      }
    }
  }

  SliceCosts costsOf(const ProductCut &cut, const SliceGeometry &geometry) const {
    SliceCosts costs;
    costs.in = &memoryOf(p_.input, h_);
    costs.out = &memoryOf(p_.output, h_);
    costs.from = &memoryOf(p_.weights, h_);
    int64_t pixels = cut.rows * cut.span, panels = cut.slice.panels, columns = h_.matrix.columns;
    int64_t lines = geometry.lines(cut.rows), across = geometry.pixels(cut.span);
    int64_t pixelBytes = p_.channels * p_.leftBytes(), channels = cut.slice.channels;
    // What lies around the image is not loaded.
    double inside = std::min(1.0, double(p_.height) / double(p_.height + p_.y.low + p_.y.high)) *
                    std::min(1.0, double(p_.width) / double(p_.width + p_.x.low + p_.x.high));
    bool whole = channels == p_.channels && geometry.pixelStep() == 1 && cut.slice.pitch == pixelBytes;
    // The last tiles of rows and lines may be smaller.
    double share = double(p_.outputHeight()) / double(ceilDiv(p_.outputHeight(), cut.rows) * cut.rows) *
                   double(p_.outputWidth()) / double(ceilDiv(p_.outputWidth(), cut.span) * cut.span);
    costs.input = share * inside *
                  (whole ? transferCycles(across * pixelBytes, lines, p_.width * pixelBytes, 0, *costs.in)
                         : transferCycles(channels * p_.leftBytes(), lines * across, pixelBytes,
                                          channels * p_.leftBytes(), *costs.in));
    int64_t fills = int64_t(p_.x.low > 0) + int64_t(p_.x.high > 0) + int64_t(p_.y.low + p_.y.high > 0);
    if (cut.rows == p_.outputHeight() && cut.span == p_.outputWidth() && cut.slice.windowRows == p_.y.size)
      fills = 0; // it stays
    if (!isResident(p_.input))
      costs.inputSetup = double((1 + fills) * h_.dma.setup) +
                         (1 - inside) * double(geometry.inputBytes()) / double(h_.scratchpad.width);
    bool run = geometry.taps() == 1 || channels == p_.channels;
    int64_t tap = channels * packed_.rowBytes;
    costs.weights =
        transferCycles(tap * (run ? geometry.taps() : 1), panels * (run ? 1 : geometry.taps()),
                       run ? packed_.panelBytes : p_.channels * packed_.rowBytes, tap, *costs.from);
    if (geometry.tableBytes())
      costs.weights +=
          transferCycles(geometry.tableBytes(), panels, packed_.panelBytes, packed_.rowBytes, *costs.from) /
          double(geometry.count());
    int64_t stored = cut.stored * columns * p_.resultBytes();
    int64_t blocks = panels / cut.stored; // that leave together
    costs.output =
        share * double(blocks) *
        transferCycles(stored, pixels, packed_.panels * columns * p_.resultBytes(), stored, *costs.out);
    double stream = double(ceilDiv(pixels, h_.matrix.positions)) / rate_;
    double tile = std::max({share * stream, double(h_.matrix.issueGap), double(h_.matrix.rows)}) + 0.4;
    costs.product = tile * double(geometry.runs() * ceilDiv(geometry.run(0), h_.matrix.rows));
    costs.products = costs.product * double(panels);
    double drain = stream + double(h_.matrix.rows + columns) + 24;
    if (geometry.sumSlots() < 2 * panels)
      costs.exposed =
          std::max(0.0, drain - double(std::min(panels, geometry.sumSlots()) - 1) * costs.product);
    if (cut.resultBuffers == 1) { // drains and stores take turns
      double turns =
          double(blocks) * (double(cut.stored) * drain + double(costs.out->latency + h_.dma.setup)) +
          costs.output;
      costs.exposed += std::max(0.0, turns - costs.products * double(geometry.count()) / 2);
    }
    if (p_.map) {
      int64_t elements = pixels * panels * columns;
      costs.vector = share * double(elements) / double(h_.vector.lanes) * p_.map->vectorCycles;
      if (p_.isDense())
        costs.behind = std::min(costs.vector, costs.products * double(geometry.count()));
      for (const MapStage::Operand &operand : p_.map->operands)
        if (operand.period == 0)
          costs.operands +=
              share * double(blocks) *
              transferCycles(cut.stored * columns * operand.bytes, pixels,
                             packed_.panels * columns * operand.bytes, cut.stored * columns * operand.bytes,
                             memoryOf(operand.memory, h_));
    }
    return costs;
  }

  /// Of the memories, with the results and what the vector core reads beside them.
  double traffic(const ProductCut &cut, const SliceCosts &costs, int64_t tiles, int64_t slices,
                 int64_t groups) const {
    bool inputStays = tiles * slices <= cut.inputBuffers;
    double each = costs.input * double(slices * tiles) / double(inputStays ? groups : 1) +
                  costs.weights * double(slices * (cut.slice.keep ? 1 : tiles)) +
                  (costs.output + costs.operands) * double(tiles);
    return each * double(groups) * lastGroup(groups);
  }
  /// The price that no order of the work can be below.
  double bound(const ProductCut &cut, const SliceCosts &costs, int64_t tiles, int64_t slices,
               int64_t groups) const {
    double inputs =
        double(slices * tiles) * (tiles * slices * cut.inputBytes <= scratchpad_ ? 1 : double(groups));
    double array = costs.products * double(tiles * slices * groups), input = costs.input * inputs;
    double output = costs.output * double(tiles * groups);
    double weights = costs.weights * double(slices * groups * (cut.slice.keep ? 1 : tiles));
    double same = input + (costs.out == costs.in ? output : 0) + (costs.from == costs.in ? weights : 0);
    double cycles = std::max({array, same, weights}), all = input + output + weights;
    return ProductCut::price(cycles, all) * lastGroup(groups);
  }
  /// The last group may be smaller than the others.
  double lastGroup(int64_t groups) const {
    return double(packed_.panels) / double(ceilDiv(packed_.panels, groups) * groups);
  }

  void consider(ProductCut &cut, const SliceCosts &costs, int64_t tiles, int64_t slices, int64_t groups) {
    cut.cycles = Timeline(cut, costs, h_, slices, tiles).run(groups) * lastGroup(groups);
    cut.traffic = traffic(cut, costs, tiles, slices, groups);
    if (cut.price() >= price_)
      return;
    double array = costs.products * double(tiles * slices * groups);
    cut.limit = costs.vector * double(tiles * groups) > 0.8 * cut.cycles ? "vector"
                : array > 0.8 * cut.cycles                               ? "matrix"
                                                                         : "memory";
    price_ = cut.price();
    best_ = cut;
  }

  const Product &p_;
  const mortise::Hardware &h_;
  int64_t scratchpad_;
  PackedWeights packed_;
  double rate_;
  double price_; ///< of the best
  std::optional<ProductCut> best_;
};

} // namespace

std::optional<ProductCut> cutSlices(const Product &product, const mortise::Hardware &hardware,
                                    int64_t scratchpadBytes, double price) {
  if (product.groups != 1 || product.memoryGroups > 1)
    return std::nullopt;
  return SliceCutter(product, hardware, scratchpadBytes, price).best();
}

} // namespace tenon::npu
