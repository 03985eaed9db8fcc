//===- WindowKernel.cpp - the vector core's loops over windows --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/tile/TileKernel.h"
#include "compiler/emit/mortise/tile/Window.h"

#include <algorithm>

namespace tenon::npu {

namespace {

constexpr int64_t kMostOffset = 32767; ///< of a load

/// How the loops are cut.
struct LoopCut {
  int64_t vectors = 1;   ///< of the result that are computed together and share what they load
  bool resident = false; ///< weights stay in registers
};

class WindowBuilder {
public:
  WindowBuilder(const Window &w, const WindowBody &body, int64_t lanes, LoopCut cut, VectorFunction &function)
      : w_(w), body_(body), lanes_(lanes), cut_(cut), b_(function), repeats_(w.pixelsOfVector(lanes)) {
    width_ = w.channels * repeats_;
    columns_ = (w.outputWidth() + repeats_ - 1) / repeats_;
    step_ = (repeats_ > 1 ? lanes : w.image.x.stride * w.channels) * w.image.elementBytes;
  }

  /// Whether offsets within a window row fit an instruction.
  bool fits() const {
    int64_t tap = w_.image.x.dilation * w_.image.pixelBytes;
    return (w_.image.x.size - 1) * tap + (cut_.vectors - 1) * step_ <= kMostOffset &&
           (cut_.vectors - 1) * resultStep() <= kMostOffset &&
           (!w_.weighted || w_.image.x.size * width_ * w_.tables[0].bytes <= kMostOffset);
  }

  void build() {
    Value input = b_.parameter("input"), result = b_.parameter("result");
    rows_ = b_.parameter("rows");
    from_ = b_.object("input");
    to_ = b_.object("result", true);
    std::vector<Value> initial = {input, result};
    bool masked = width_ % lanes_ != 0;
    if (masked)
      initial.push_back(b_.scalar(width_));
    for (size_t t = 0; t < w_.tables.size(); ++t) {
      initial.push_back(b_.parameter("table" + std::to_string(t)));
      tableObjects_.push_back(b_.object("table" + std::to_string(t)));
    }
    b_.loop((width_ + lanes_ - 1) / lanes_, initial, [&](std::span<const Value> at) {
      size_t next = 2;
      active_ = masked ? b_.op(Id::Ptail, at[next++]) : kAlways;
      tables_.assign(at.begin() + int64_t(next), at.end());
      loadTables();
      block(at[0], at[1]);
      std::vector<Value> yielded = {b_.add(at[0], int32_t(lanes_ * w_.image.elementBytes)),
                                    b_.add(at[1], int32_t(lanes_ * w_.resultBytes))};
      if (masked)
        yielded.push_back(b_.add(at[2], int32_t(-lanes_)));
      for (size_t t = 0; t < tables_.size(); ++t)
        yielded.push_back(w_.tables[t].perChannel ? b_.add(tables_[t], int32_t(lanes_ * w_.tables[t].bytes))
                                                  : tables_[t]);
      return yielded;
    });
  }

private:
  int64_t resultStep() const { return (repeats_ > 1 ? lanes_ : w_.channels) * w_.resultBytes; }

  void loadTables() {
    values_.clear();
    weights_.clear();
    for (size_t t = w_.weighted ? 1 : 0; t < tables_.size(); ++t) {
      bool one = !w_.tables[t].perChannel;
      if (w_.tables[t].lookUp)
        values_.push_back(tables_[t]);
      else
        values_.push_back(
            b_.load(w_.tables[t].load, {tables_[t], tableObjects_[t]}, one ? kAlways : active_));
    }
    if (w_.weighted && cut_.resident)
      for (int64_t tap = 0; tap < w_.taps(); ++tap)
        weights_.push_back(loadWeight(tables_[0], tap));
  }
  Value loadWeight(Value from, int64_t tap) {
    const ChannelTable &table = w_.tables[0];
    int64_t bytes = width_ * table.bytes, row = tap / w_.image.x.size;
    Value base = row ? b_.add(from, int32_t(row * w_.image.x.size * bytes)) : from;
    return b_.load(table.load, {base, tableObjects_[0], int32_t(tap % w_.image.x.size * bytes)}, active_);
  }

  /// All rows of the tile for the lanes' channels.
  void block(Value input, Value result) {
    b_.loop(rows_, {input, result}, [&](std::span<const Value> at) {
      std::vector<Value> addresses;
      for (int64_t r = 0; r < w_.image.y.size; ++r)
        addresses.push_back(r ? b_.add(at[0], int32_t(r * w_.image.y.dilation * w_.image.lineBytes()))
                              : at[0]);
      addresses.push_back(at[1]);
      // Carried, so that the combiner does not load all weights before the loop: they are more than
      // registers.
      if (w_.weighted && !cut_.resident)
        addresses.push_back(tables_[0]);
      int64_t rest = columns_ % cut_.vectors;
      addresses = b_.loop(columns_ / cut_.vectors, addresses, [&](std::span<const Value> values) {
        vectors(values, cut_.vectors);
        std::vector<Value> next;
        auto rows = size_t(w_.image.y.size);
        for (Value value : values.first(rows))
          next.push_back(b_.add(value, int32_t(cut_.vectors * step_)));
        next.push_back(b_.add(values[rows], int32_t(cut_.vectors * resultStep())));
        next.insert(next.end(), values.begin() + int64_t(rows) + 1, values.end());
        return next;
      });
      if (rest)
        vectors(addresses, rest);
      return std::vector<Value>{b_.add(at[0], int32_t(w_.image.y.stride * w_.image.lineBytes())),
                                b_.add(at[1], int32_t(w_.resultPitch(lanes_)))};
    });
  }

  /// Neighbouring vectors of a row. `at`: of each row of the window, of the result, of weights.
  void vectors(std::span<const Value> at, int64_t count) {
    std::vector<Value> sums(static_cast<size_t>(count));
    for (int64_t r = 0; r < w_.image.y.size; ++r) {
      std::vector<std::pair<int64_t, Value>> loaded; // by offset
      auto pixel = [&](int64_t offset) {
        for (auto &[known, value] : loaded)
          if (known == offset)
            return value;
        Value value = b_.load(w_.load, {at[size_t(r)], from_, int32_t(offset)}, active_);
        loaded.emplace_back(offset, value);
        return value;
      };
      for (int64_t s = 0; s < w_.image.x.size; ++s) {
        int64_t tap = r * w_.image.x.size + s;
        Value weight;
        if (w_.weighted)
          weight = cut_.resident ? weights_[size_t(tap)] : loadWeight(at.back(), tap);
        for (int64_t v = 0; v < count; ++v)
          sums[size_t(v)] = body_.accumulate(
              b_, sums[size_t(v)], pixel(s * w_.image.x.dilation * w_.image.pixelBytes + v * step_), weight);
      }
    }
    for (int64_t v = 0; v < count; ++v)
      b_.store(w_.store, {at[size_t(w_.image.y.size)], to_, int32_t(v * resultStep())},
               body_.finish(b_, sums[size_t(v)], values_), active_);
  }

  const Window &w_;
  const WindowBody &body_;
  int64_t lanes_;
  LoopCut cut_;
  VectorBuilder b_;
  int64_t repeats_, width_ = 0, columns_ = 0, step_ = 0;
  Value rows_, active_;
  ObjectId from_ = kNoObject, to_ = kNoObject;
  std::vector<ObjectId> tableObjects_;
  std::vector<Value> tables_, values_, weights_;
};

} // namespace

std::optional<CompiledKernel> windowKernel(const Window &window, const WindowBody &body,
                                           const mortise::Hardware &hardware, std::string &why) {
  std::optional<CompiledKernel> best;
  uint64_t bestCycles = 0;
  why = "pixels of its window lie too far apart for the vector core's loads";
  bool spills = false;
  for (LoopCut cut : {LoopCut{1, false}, {2, false}, {2, true}, {4, false}, {4, true}}) {
    constexpr int64_t kMostResident = 16;
    if (spills || (cut.resident && (!window.weighted || window.taps() > kMostResident)))
      continue;
    VectorFunction function("window");
    WindowBuilder builder(window, body, hardware.vector.lanes, cut, function);
    if (!builder.fits())
      continue;
    try {
      builder.build();
      std::optional<CompiledKernel> kernel = compileForTiles(function, hardware, why);
      if (!kernel)
        continue;
      spills = kernel->statistics.spilled > 0; // more vectors at a time would spill more
      std::vector<int64_t> arguments(window.tables.size() + 3, 0);
      arguments[2] = std::max<int64_t>(1, window.outputHeight() / 4);
      uint64_t cycles = estimateCycles(*kernel, hardware, arguments);
      if (!best || cycles < bestCycles) {
        best = std::move(*kernel);
        bestCycles = cycles;
      }
    } catch (const mortise::Error &e) {
      why = e.message();
    }
  }
  return best;
}

} // namespace tenon::npu
