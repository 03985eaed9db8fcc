//===- StaticAttentionPlan.cpp - blocks and buffers where sizes are known ----===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/attention/AttentionKernels.h"
#include "compiler/emit/mortise/attention/StaticAttentionKernels.h"

#include <algorithm>
#include <bit>
#include <numeric>

namespace tenon::npu {

using mortise::Hardware, mortise::Type;

namespace {

constexpr int64_t kMostGroups = 16, kUnroll = 4, kLeastMaskTiles = 2;

int64_t roundUp(int64_t number, int64_t unit) { return (number + unit - 1) / unit * unit; }
int64_t bytesOf(Type type) { return int64_t(mortise::typeBits(type)) / 8; }
/// The least odd multiple of a bank's word: lanes that take a word of each row find as many banks as there
/// are.
int64_t oddWords(int64_t bytes, const Hardware &h) {
  return (roundUp(bytes, h.scratchpad.width) / h.scratchpad.width | 1) * h.scratchpad.width;
}

class Planner {
public:
  Planner(const StaticAttention &attention, const Hardware &hardware, std::string &why)
      : h_(hardware), why_(why) {
    p_.attention = attention;
  }

  std::optional<StaticAttentionPlan> plan() {
    if (!checkMachine() || !chooseSizes() || !chooseCut() || !compileKernels())
      return std::nullopt;
    return std::move(p_);
  }

private:
  bool refuse(const std::string &why) {
    why_ = why;
    return false;
  }

  bool checkMachine() {
    if (h_.rate(Type::Bf16) == 0)
      return refuse("the matrix unit multiplies no bf16");
    int64_t lanes = h_.vector.lanes, columns = h_.matrix.columns;
    if (lanes % columns != 0 || !std::has_single_bit(uint64_t(columns)) ||
        !std::has_single_bit(uint64_t(lanes)))
      return refuse("attention needs lanes that are a multiple of the array's columns, both powers of two");
    if (h_.dma.dimensions < 2)
      return refuse("attention needs transfers of two dimensions");
    const StaticAttention &a = p_.attention;
    if (a.causal && a.queries > a.keys)
      return refuse("a causal mask with more queries than keys has no form on the NPU");
    if (!(a.scale >= 0))
      return refuse("scores have a scale below zero");
    return true;
  }

  bool chooseSizes() {
    const StaticAttention &a = p_.attention;
    AttentionPlan &t = p_.tile;
    t.columns = h_.matrix.columns;
    t.tileRows = h_.matrix.rows;
    t.lanes = h_.vector.lanes;
    t.keysOfVector = t.lanes / t.columns;
    t.unroll = kUnroll;
    t.shape.scale = a.scale;
    t.shape.depth = roundUp(a.valueDepth, kUnroll * t.keysOfVector);
    t.resultUnroll = std::gcd(kUnroll, t.vectorsOfResult());
    t.staged = oddWords(t.lanes * 4, h_);
    // Rows that the array reads lie in a bank's word where they can.
    p_.depthPitch = a.depth <= 16 ? 16 : roundUp(a.depth, 32);
    p_.valueRowBytes = oddWords(a.valueDepth * bytesOf(a.value.type) + 4, h_);
    p_.outRowBytes = roundUp(a.valueDepth * bytesOf(a.output.type), h_.scratchpad.width);
    int64_t rows = h_.accumulatorRows(), banks = h_.accumulators.banks;
    t.accumulatorStride = banks > 1 ? rows / banks * (banks / 2) : rows / 2;
    int64_t longest = std::max(a.depth, a.valueDepth) * 4;
    return longest <= h_.dma.maxCount ||
           refuse("a row of " + std::to_string(longest) + " bytes is longer than a transfer's");
  }

  /// The fewest blocks of queries, for each of which keys and values are loaded, then the fewest panels.
  bool chooseCut() {
    const StaticAttention &a = p_.attention;
    AttentionPlan &t = p_.tile;
    int64_t unit = p_.vectorOfKeys(), all = (a.queries + t.columns - 1) / t.columns;
    int64_t most = (t.accumulatorStride - t.shape.depth) / unit * unit;
    if (most <= 0)
      return refuse("scores and results of " + std::to_string(a.valueDepth) +
                    " columns do not fit the accumulators");
    int64_t bestBlocks = INT64_MAX, bestPanels = 0, bestGroups = 0;
    for (int64_t panels = (a.keys + most - 1) / most;; panels *= 2) {
      cutKeys(panels);
      t.groups = std::min(all, kMostGroups);
      while (t.groups > 0 && !fits())
        --t.groups;
      int64_t blocks = t.groups ? (all + t.groups - 1) / t.groups : INT64_MAX;
      if (blocks < bestBlocks) {
        bestBlocks = blocks;
        bestPanels = panels;
        bestGroups = (all + blocks - 1) / blocks;
      }
      if (t.panel <= unit || blocks == (all + kMostGroups - 1) / kMostGroups)
        break;
    }
    if (!bestGroups)
      return refuse("a group of queries and the least panel of keys do not fit the scratchpad");
    cutKeys(bestPanels);
    t.groups = bestGroups;
    placeBuffers(kLeastMaskTiles);
    if (a.mask) {
      // A mask that heads share stays where there is room for all of it.
      int64_t useful = (a.mask->query ? all : 1) * p_.panels;
      int64_t room = (h_.scratchpad.bytes - p_.bytes) / p_.mask.bytes + kLeastMaskTiles;
      if (a.mask->head == 0 && useful > kLeastMaskTiles)
        placeBuffers(std::min(useful, room));
    }
    return true;
  }

  void cutKeys(int64_t panels) {
    AttentionPlan &t = p_.tile;
    t.panel = roundUp((p_.attention.keys + panels - 1) / panels, p_.vectorOfKeys());
    p_.panels = (p_.attention.keys + t.panel - 1) / t.panel;
    p_.columnBytes = roundUp(t.panel * 2, h_.scratchpad.width);
    if (const auto &mask = p_.attention.mask)
      p_.maskRowBytes = oddWords(t.panel * bytesOf(mask->type) + 4, h_);
  }

  bool fits() {
    placeBuffers(kLeastMaskTiles);
    return p_.bytes <= h_.scratchpad.bytes;
  }

  void placeBuffers(int64_t maskTiles) {
    const StaticAttention &a = p_.attention;
    const AttentionPlan &t = p_.tile;
    p_.bytes = 0;
    auto take = [&](StaticAttentionPlan::Buffer &buffer, int64_t bytes, int64_t count) {
      buffer = {p_.bytes, roundUp(bytes, 64)};
      p_.bytes += count * buffer.bytes;
    };
    // The vector core rounds whole vectors.
    int64_t word = t.lanes * 4, group = roundUp(t.columns * p_.depthPitch, t.lanes),
            panel = roundUp(t.panel * p_.depthPitch, t.lanes);
    take(p_.rawQueries, group * 4, a.query.type == Type::F32 ? 2 : 0);
    take(p_.rawKeys, panel * 4, a.key.type == Type::F32 ? 2 : 0);
    take(p_.rawValues, t.panel * p_.valueRowBytes, 2);
    take(p_.queries, group * 2, 2 * t.groups);
    take(p_.keys, panel * 2, 2);
    take(p_.values, t.shape.depth * p_.columnBytes, 2);
    take(p_.weights, t.panel * t.columns * 2, 2);
    take(p_.factors, word, 2);
    take(p_.initial, 2 * word, 1);
    take(p_.state, 2 * word, 2 * t.groups);
    take(p_.result, t.shape.depth * t.columns * 4, t.groups);
    take(p_.staging, t.vectorsOfResult() * t.staged, 1);
    take(p_.out, t.columns * p_.outRowBytes, 2);
    p_.maskTiles = a.mask ? maskTiles : 0;
    take(p_.rawMask, t.columns * p_.maskRowBytes, a.mask ? 2 : 0);
    take(p_.mask, t.panel * t.columns * 4, p_.maskTiles);
  }

  bool compileKernels() {
    const StaticAttention &a = p_.attention;
    try {
      auto make = [&](StaticKernel k, const VectorFunction &function) {
        p_.kernels[k] = compile(function, h_, {});
      };
      if (a.query.type == Type::F32 || a.key.type == Type::F32)
        make(kRound, roundKernel(p_));
      make(kTurnValues, turnValuesKernel(p_));
      if (a.mask)
        make(kTurnMask, turnMaskKernel(p_));
      make(kSoftmax, softmaxKernel(p_.tile, {.limited = false, .mask = a.mask.has_value()}));
      make(kLimited, softmaxKernel(p_.tile, {.limited = true, .mask = a.mask.has_value()}));
      make(kFirstUpdate, updateKernel(p_.tile, true));
      make(kUpdate, updateKernel(p_.tile, false));
      make(kFinishRows, finishRowsKernel(p_));
      return true;
    } catch (const mortise::Error &e) {
      return refuse(e.message());
    }
  }

  const Hardware &h_;
  std::string &why_;
  StaticAttentionPlan p_;
};

} // namespace

std::optional<StaticAttentionPlan> planStatic(const StaticAttention &attention, const Hardware &hardware,
                                              std::string &why) {
  return Planner(attention, hardware, why).plan();
}

} // namespace tenon::npu
