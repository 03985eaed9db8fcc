//===- StaticAttentionEmitter.cpp - commands of attention where sizes are known --===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A step is a group of queries against a panel of keys. Commands of three steps are interleaved, so that the
// queues of the engines hold work that does not wait for each other:
//   scores of step i | weighted sum of step i - 1 | update with the sums of step i - 2 | softmax of step i
// and behind these what later steps need: rows are loaded, rounded and turned about a panel ahead.
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/attention/StaticAttention.h"
#include "compiler/emit/mortise/tile/Commands.h"

#include <algorithm>
#include <bit>
#include <cfloat>
#include <map>

namespace tenon::npu {

namespace {

using mortise::Type;

struct Step {
  int64_t batch = 0, head = 0;
  int64_t group = 0, inBlock = 0, block = 0; ///< of queries; blocks of all heads are counted
  int64_t panel = 0, load = 0;               ///< of keys; loads of panels are counted
  bool firstPanel = false, lastPanel = false;
  int64_t maskTile = 0; ///< the slot
};

/// What must be in the scratchpad before a step.
struct Preparation {
  enum Kind : uint8_t { Queries, Keys, Values, Mask } kind = Queries;
  size_t step = 0;     ///< that needs it
  size_t earliest = 0; ///< the step behind whose softmax its place is free
};

class Emitter {
public:
  Emitter(const StaticAttentionPlan &plan, const mortise::Hardware &hardware, Stream &stream)
      : p_(plan), t_(plan.tile), a_(plan.attention), c_(stream, hardware, plan.attention.node) {}

  void run() {
    listSteps();
    listPreparations();
    // The state before a query's first panel: the least maximum, the sum 0.
    int64_t word = t_.lanes * 4;
    float least = a_.mask ? -FLT_MAX : -1e30F;
    c_.fill(c_.inputChannel(), p_.initial.at, word, 1, word, std::bit_cast<int32_t>(least), 4);
    c_.fill(c_.inputChannel(), p_.initial.at + word, word, 1, word, 0, 4);
    for (size_t i = 0; i < steps_.size() + 2; ++i) {
      prepareFor(i);
      if (i < steps_.size())
        scores(i);
      if (i >= 1 && i - 1 < steps_.size())
        weightedSum(i - 1);
      if (i >= 2)
        update(i - 2);
      if (i < steps_.size())
        softmax(i);
      prepareAhead(i);
    }
  }

private:
  int64_t allGroups() const { return (a_.queries + t_.columns - 1) / t_.columns; }
  int64_t rowsOf(const Step &s) const { return std::min(t_.columns, a_.queries - s.group * t_.columns); }
  int64_t keysOf(const Step &s) const {
    return std::min(t_.panel, visibleKeys(s.group) - s.panel * t_.panel);
  }
  int64_t loadedKeys(const Step &s) const { return std::min(t_.panel, a_.keys - s.panel * t_.panel); }
  /// Keys that the last query of a group sees.
  int64_t visibleKeys(int64_t group) const {
    return a_.causal ? a_.keys - a_.queries + std::min(a_.queries, (group + 1) * t_.columns) : a_.keys;
  }
  /// Keys of the panel that its first query sees.
  int64_t seenByFirst(const Step &s) const {
    int64_t seen = a_.causal ? a_.keys - a_.queries + s.group * t_.columns + 1 : a_.keys;
    return seen - s.panel * t_.panel;
  }

  void listSteps() {
    int64_t block = 0, load = 0;
    for (int64_t batch = 0; batch < a_.batch; ++batch)
      for (int64_t head = 0; head < a_.heads; ++head)
        for (int64_t first = 0; first < allGroups(); first += p_.groups(), ++block) {
          int64_t end = std::min(first + p_.groups(), allGroups());
          for (int64_t panel = 0; panel * t_.panel < visibleKeys(end - 1); ++panel, ++load)
            for (int64_t group = first; group < end; ++group)
              if (panel * t_.panel < visibleKeys(group)) {
                bool last = (panel + 1) * t_.panel >= visibleKeys(group);
                steps_.push_back(
                    {batch, head, group, group - first, block, panel, load, panel == 0, last, 0});
              }
        }
  }

  /// In the order of need. A buffer is free behind the softmax of the first step that uses the other one: by
  /// then the commands of all steps before are in the stream.
  void listPreparations() {
    std::map<int64_t, size_t> firstOfBlock, firstOfLoad;
    for (size_t i = 0; i < steps_.size(); ++i) {
      const Step &s = steps_[i];
      firstOfBlock.try_emplace(s.block, i);
      bool loads = firstOfLoad.try_emplace(s.load, i).second;
      if (s.firstPanel)
        todo_.push_back({Preparation::Queries, i, s.block ? firstOfBlock[s.block - 1] : 0});
      if (loads)
        for (auto kind : {Preparation::Keys, Preparation::Values})
          todo_.push_back({kind, i, s.load ? firstOfLoad[s.load - 1] : 0});
      if (a_.mask)
        chooseMaskTile(i);
    }
  }

  /// Tiles of the mask stay until their slot is needed; the slot filled longest ago comes first.
  void chooseMaskTile(size_t i) {
    Step &s = steps_[i];
    const AttentionMask &mask = *a_.mask;
    std::array<int64_t, 4> tile = {mask.batch ? s.batch : 0, mask.head ? s.head : 0, mask.query ? s.group : 0,
                                   s.panel};
    slots_.resize(size_t(p_.maskTiles));
    auto found =
        std::find_if(slots_.begin(), slots_.end(), [&](const Slot &slot) { return slot.tile == tile; });
    if (found == slots_.end()) {
      found = slots_.begin() + std::ptrdiff_t(nextSlot_++ % slots_.size());
      todo_.push_back({Preparation::Mask, i, found->lastUse});
      found->tile = tile;
    }
    found->lastUse = i;
    s.maskTile = found - slots_.begin();
  }

  void prepareFor(size_t step) {
    while (done_ < todo_.size() && todo_[done_].step <= step)
      prepare(todo_[done_++]);
  }
  void prepareAhead(size_t step) {
    constexpr int kAtOnce = 2; // more would keep the array waiting for the next softmax
    for (int i = 0; i < kAtOnce && done_ < todo_.size() && todo_[done_].earliest <= step; ++i)
      prepare(todo_[done_++]);
  }

  void prepare(const Preparation &preparation) {
    const Step &s = steps_[preparation.step];
    switch (preparation.kind) {
    case Preparation::Queries:
      return prepareRows(a_.query, s, s.head, s.group * t_.columns, rowsOf(s), p_.rawQueries[turn(0)],
                         queriesOf(s));
    case Preparation::Keys:
      return prepareRows(a_.key, s, keyHead(s), s.panel * t_.panel, loadedKeys(s), p_.rawKeys[s.load % 2],
                         p_.keys[s.load % 2]);
    case Preparation::Values:
      return prepareValues(s);
    case Preparation::Mask:
      return prepareMask(s);
    }
  }
  /// 0, 1, 0, ... for each of a kind's buffers.
  int64_t turn(size_t kind) { return turns_[kind]++ % 2; }
  int64_t keyHead(const Step &s) const { return s.head / (a_.heads / a_.kvHeads); }
  int64_t queriesOf(const Step &s) const { return p_.queries[s.block % 2 * p_.groups() + s.inBlock]; }
  static int64_t address(const AttentionRows &rows, int64_t batch, int64_t head, int64_t row) {
    return rows.memory + batch * rows.batch + head * rows.head + row * rows.row;
  }

  /// Rows of queries or keys, as bf16.
  void prepareRows(const AttentionRows &from, const Step &s, int64_t head, int64_t first, int64_t count,
                   int64_t raw, int64_t to) {
    bool rounds = from.type == Type::F32;
    int64_t size = rounds ? 4 : 2, pitch = p_.depthPitch;
    c_.loadRows(c_.inputChannel(), rounds ? raw : to, pitch * size, address(from, s.batch, head, first),
                from.row, a_.depth * size, count);
    if (!rounds)
      return;
    int64_t vectors = (count * pitch + t_.lanes - 1) / t_.lanes, elements = vectors * t_.lanes;
    vector(kRound, {raw, to, vectors}, {{raw, elements * 4, false}, {to, elements * 2, true}});
  }

  void prepareValues(const Step &s) {
    int64_t raw = p_.rawValues[s.load % 2], to = p_.values[s.load % 2],
            size = a_.value.type == Type::F32 ? 4 : 2, count = loadedKeys(s);
    c_.loadRows(c_.weightChannel(), raw, p_.valueRowBytes,
                address(a_.value, s.batch, keyHead(s), s.panel * t_.panel), a_.value.row,
                a_.valueDepth * size, count);
    vector(kTurnValues, {raw, to, a_.valueDepth},
           {{raw, t_.panel * p_.valueRowBytes, false}, {to, a_.valueDepth * p_.columnBytes, true}});
  }

  void prepareMask(const Step &s) {
    const AttentionMask &mask = *a_.mask;
    int64_t raw = p_.rawMask[turn(1)], to = p_.mask[s.maskTile],
            size = int64_t(mortise::typeBits(mask.type)) / 8, keys = loadedKeys(s);
    c_.loadRows(c_.weightChannel(), raw, p_.maskRowBytes,
                mask.memory + s.batch * mask.batch + s.head * mask.head + s.group * t_.columns * mask.query +
                    s.panel * t_.panel * size,
                mask.query, keys * size, mask.query ? rowsOf(s) : t_.columns);
    int64_t vectors = (keys + t_.keysOfVector - 1) / t_.keysOfVector;
    vector(kTurnMask, {raw, to, vectors},
           {{raw, t_.columns * p_.maskRowBytes, false}, {to, vectors * t_.lanes * 4, true}});
  }

  int64_t sumsOf(size_t i) const { return int64_t(i % 2) * t_.accumulatorStride; }
  int64_t stateOf(const Step &s) const { return p_.state[s.block % 2 * p_.groups() + s.inBlock]; }
  int64_t addressOfSums(int64_t row) const { return mortise::kAccumulatorBase + row * t_.columns * 4; }
  static int64_t half(size_t i) { return int64_t(i % 2); }

  /// scores^T: keys pass by, the array holds queries.
  void scores(size_t i) {
    const Step &s = steps_[i];
    Rows rows;
    rows.count[0] = keysOf(s);
    rows.stride[0] = p_.depthPitch * 2;
    for (int64_t first = 0; first < a_.depth; first += t_.tileRows) {
      int64_t depth = std::min(t_.tileRows, a_.depth - first);
      c_.loadTile(queriesOf(s) + first * 2, depth, rowsOf(s), p_.depthPitch * 2, Type::Bf16, true);
      c_.multiply(p_.keys[s.load % 2] + first * 2, rows, depth, Type::Bf16, sumsOf(i), rowsOf(s), first != 0);
    }
  }

  /// The columns of values pass by, the array holds weights.
  void weightedSum(size_t i) {
    const Step &s = steps_[i];
    Rows rows;
    rows.count[0] = a_.valueDepth;
    rows.stride[0] = p_.columnBytes;
    int64_t weightBytes = t_.columns * 2;
    for (int64_t first = 0; first < keysOf(s); first += t_.tileRows) {
      int64_t keys = std::min(t_.tileRows, keysOf(s) - first);
      c_.loadTile(p_.weights[half(i)] + first * weightBytes, keys, rowsOf(s), weightBytes, Type::Bf16);
      c_.multiply(p_.values[s.load % 2] + first * 2, rows, keys, Type::Bf16, sumsOf(i) + t_.panel, rowsOf(s),
                  first != 0);
    }
  }

  void softmax(size_t i) {
    const Step &s = steps_[i];
    int64_t keys = keysOf(s), unit = p_.vectorOfKeys(), count = (keys + unit - 1) / unit,
            seen = seenByFirst(s), word = t_.lanes * 4;
    bool limited = std::min(keys, seen) < count * unit;
    int64_t before = s.firstPanel ? p_.initial.at : stateOf(s);
    std::vector<int64_t> arguments = {
        addressOfSums(sumsOf(i)), p_.weights[half(i)], before, stateOf(s), p_.factors[half(i)], count};
    std::vector<Commands::Range> ranges = {{sumsOf(i), count * unit, true, Space::Accumulators},
                                           {p_.weights[half(i)], count * unit * t_.columns * 2, true},
                                           {before, 2 * word, false},
                                           {stateOf(s), 2 * word, true},
                                           {p_.factors[half(i)], word, true}};
    if (limited)
      arguments.insert(arguments.end(), {keys, seen});
    if (a_.mask) {
      int64_t tile = p_.mask[s.maskTile];
      arguments.push_back(tile);
      ranges.push_back({tile, count * unit * t_.columns * 4, false});
    }
    vector(limited ? kLimited : kSoftmax, std::move(arguments), ranges);
  }

  void update(size_t i) {
    const Step &s = steps_[i];
    int64_t sums = sumsOf(i) + t_.panel, result = p_.result[s.inBlock], factor = p_.factors[half(i)];
    std::vector<int64_t> arguments = {addressOfSums(sums), result};
    std::vector<Commands::Range> ranges = {{sums, t_.shape.depth, false, Space::Accumulators},
                                           {result, p_.result.bytes, true}};
    if (!s.firstPanel) {
      arguments.push_back(factor);
      ranges.push_back({factor, t_.lanes * 4, false});
    }
    vector(s.firstPanel ? kFirstUpdate : kUpdate, std::move(arguments), ranges);
    if (s.lastPanel)
      finish(s);
  }

  void finish(const Step &s) {
    int64_t out = p_.out[turn(2)], result = p_.result[s.inBlock], rows = rowsOf(s);
    vector(kFinishRows, {stateOf(s), result, out, rows},
           {{stateOf(s), p_.state.bytes, false},
            {result, p_.result.bytes, false},
            {p_.staging.at, p_.staging.bytes, true},
            {out, rows * p_.outRowBytes, true}});
    TransferBlock block;
    block.bytes = a_.valueDepth * (a_.output.type == Type::F32 ? 4 : 2);
    block.count[0] = rows;
    block.local[0] = p_.outRowBytes;
    block.memory[0] = a_.output.row;
    c_.storeBlock(c_.outputChannel(), out, address(a_.output, s.batch, s.head, s.group * t_.columns), block);
  }

  void vector(StaticKernel kernel, std::vector<int64_t> arguments,
              const std::vector<Commands::Range> &ranges) {
    c_.run(p_.numbers[kernel], std::move(arguments), ranges);
  }

  struct Slot {
    std::array<int64_t, 4> tile = {-1, -1, -1, -1};
    size_t lastUse = 0;
  };

  const StaticAttentionPlan &p_;
  const AttentionPlan &t_;
  const StaticAttention &a_;
  Commands c_;
  std::vector<Step> steps_;
  std::vector<Preparation> todo_; ///< in the order of need
  size_t done_ = 0;
  std::vector<Slot> slots_;
  size_t nextSlot_ = 0;
  std::array<int64_t, 3> turns_{};
};

} // namespace

void emitStatic(const StaticAttentionPlan &plan, const mortise::Hardware &hardware, Stream &stream) {
  Emitter(plan, hardware, stream).run();
}

} // namespace tenon::npu
