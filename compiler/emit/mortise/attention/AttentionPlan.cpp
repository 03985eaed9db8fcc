//===- AttentionPlan.cpp - blocks and buffers of fused attention -------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/attention/AttentionPlan.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

namespace tenon::npu {

using mortise::Error, mortise::Hardware, mortise::Type;

Type attentionType(const Hardware &h) { return h.rate(Type::Bf16) > 0 ? Type::Bf16 : Type::F16; }

namespace {

constexpr int64_t kMostGroups = 16, kMostPanel = 512, kUnroll = 4, kMostSequences = 4096;

[[noreturn]] void refuse(const Hardware &h, const std::string &why) {
  throw Error("TN1361", "attention does not fit " + h.name + ": " + why);
}

void require(bool holds, const Hardware &h, const std::string &what, int64_t found) {
  if (!holds)
    refuse(h, what + ", found " + std::to_string(found));
}

void checkShape(const AttentionShape &s, const Hardware &h) {
  require(s.batch > 0, h, "batch must be positive", s.batch);
  require(s.heads > 0, h, "heads must be positive", s.heads);
  require(s.kvHeads > 0 && s.heads % s.kvHeads == 0, h,
          "kvHeads must divide the " + std::to_string(s.heads) + " heads", s.kvHeads);
  require(s.queries > 0, h, "the bound of queries must be positive", s.queries);
  require(s.keys > 0, h, "the bound of keys must be positive", s.keys);
  require(s.batch <= kMostSequences, h, "batch must be at most " + std::to_string(kMostSequences), s.batch);
  require(s.depth > 0, h, "the depth must be positive", s.depth);
  if (!(s.scale >= 0))
    refuse(h, "the scale must not be negative, found " + std::to_string(s.scale));
}

void checkMachine(const Hardware &h) {
  if (h.rate(attentionType(h)) == 0)
    refuse(h, "the array multiplies neither bf16 nor f16; choose a machine with one of these rates");
  require(h.vector.lanes % h.matrix.columns == 0, h,
          "lanes must be a multiple of the array's " + std::to_string(h.matrix.columns) + " columns",
          h.vector.lanes);
  require(std::has_single_bit(uint64_t(h.matrix.rows)), h, "the array's rows must be a power of two",
          h.matrix.rows);
  require(h.dma.dimensions >= 2, h, "dma.dimensions must be at least 2", h.dma.dimensions);
}

/// The least odd multiple of a unit that holds `bytes`.
int64_t oddMultiple(int64_t bytes, int64_t unit) {
  unit = std::max<int64_t>(unit, 4);
  return ((bytes + unit - 1) / unit | 1) * unit;
}

/// Sizes that follow from groups and panel.
void placeBuffers(AttentionPlan &p, const Hardware &h) {
  p.bytes = 0;
  p.transposedPitch = oddMultiple(p.turnedPairs() * 4, h.scratchpad.width);
  auto take = [&](int64_t &at, int64_t &size, int64_t bytes, int64_t count) {
    size = (bytes + 63) / 64 * 64;
    at = p.bytes;
    p.bytes += count * size;
  };
  int64_t word = p.lanes * 4, ignored = 0;
  take(p.queries, p.queryBytes, p.blockRows() * p.rowBytes, 2);
  take(p.keys, p.keyBytes, p.panel * p.rowBytes, 2);
  take(p.values, p.valueBytes, p.turnedPairs() * p.valuePitch, p.valueBuffers);
  take(p.transposed, p.transposedBytes, p.shape.depth * p.transposedPitch, 2);
  take(p.powers, p.powerBytes, p.panel * p.columns * 2, 2);
  take(p.out, p.outBytes, p.columns * p.rowBytes, 2);
  take(p.staging, ignored, p.vectorsOfResult() * p.staged, 1);
  take(p.factors, p.factorBytes, word, 2);
  take(p.initial, ignored, 2 * word, 1);
  take(p.state, p.stateBytes, 2 * word, 2 * p.groups);
  take(p.result, p.resultBytes, p.shape.depth * p.columns * 4, p.groups);
  take(p.lengths, ignored, p.shape.batch * 4, 2);
}

/// The array writes those of one step while the vector core reads those of another: a bank for each.
void chooseAccumulators(AttentionPlan &p, const Hardware &h) {
  int64_t rows = h.accumulatorRows(), unit = std::max(p.tileRows, 2 * p.keysOfVector);
  int64_t banked = h.accumulators.banks > 1 ? rows / h.accumulators.banks * (h.accumulators.banks / 2) : 0;
  int64_t most =
      std::max(unit, std::min<int64_t>(kMostPanel, int64_t(std::bit_ceil(uint64_t(p.shape.keys)))));
  for (int64_t stride : {banked, rows / 2})
    for (p.panel = most; p.panel >= unit; p.panel /= 2)
      if (p.panel % unit == 0 && p.panel + p.shape.depth <= stride) {
        p.accumulatorStride = stride;
        return;
      }
  refuse(h, "accumulators hold " + std::to_string(rows) + " rows, scores and sums of depth " +
                std::to_string(p.shape.depth) + " need " + std::to_string(2 * (unit + p.shape.depth)));
}

/// The least number of blocks of queries with so many buffers of values; 0: nothing fits.
int64_t blocksWith(AttentionPlan &p, int64_t buffers, const Hardware &h) {
  int64_t all = (p.shape.queries + p.columns - 1) / p.columns;
  p.valueBuffers = buffers;
  for (p.groups = std::min(all, kMostGroups); p.groups > 0; --p.groups) {
    placeBuffers(p, h);
    if (p.bytes > h.scratchpad.bytes)
      continue;
    int64_t blocks = (all + p.groups - 1) / p.groups;
    p.groups = (all + blocks - 1) / blocks;
    placeBuffers(p, h);
    return blocks;
  }
  return 0;
}

/// The fewest blocks: keys and values are loaded again for each. A second buffer of values where it costs
/// none.
void chooseGroups(AttentionPlan &p, const Hardware &h) {
  for (int64_t least = std::max(p.tileRows, 2 * p.keysOfVector); p.panel >= least; p.panel /= 2) {
    int64_t one = blocksWith(p, 1, h), two = blocksWith(p, 2, h);
    if (two && (!one || two <= one))
      return;
    if (one) {
      blocksWith(p, 1, h);
      return;
    }
  }
  refuse(h, "buffers of depth " + std::to_string(p.shape.depth) + " do not fit its scratchpad of " +
                std::to_string(h.scratchpad.bytes) + " bytes");
}

} // namespace

AttentionPlan planAttention(const AttentionShape &shape, const Hardware &h) {
  checkShape(shape, h);
  checkMachine(h);
  AttentionPlan p;
  p.shape = shape;
  if (shape.scale == 0)
    p.shape.scale = 1 / std::sqrt(double(shape.depth));
  if (shape.queries == 1) {
    p.packed = true;
    p.shape.queries = shape.heads / shape.kvHeads;
    p.shape.heads = shape.kvHeads;
    p.shape.causal = false;
  }
  p.type = attentionType(h);
  p.columns = h.matrix.columns;
  p.tileRows = h.matrix.rows;
  p.lanes = h.vector.lanes;
  p.keysOfVector = p.lanes / p.columns;
  int64_t unit = std::max(p.tileRows, p.keysOfVector);
  require(shape.depth % unit == 0, h, "the depth must be a multiple of " + std::to_string(unit), shape.depth);
  require(p.tileRows % p.keysOfVector == 0, h,
          "the array's rows must be a multiple of lanes / columns = " + std::to_string(p.keysOfVector),
          p.tileRows);
  p.unroll = std::gcd(kUnroll, p.tileRows / p.keysOfVector);
  p.resultUnroll = std::gcd(kUnroll, p.vectorsOfResult());
  p.rowBytes = shape.depth * 2;
  // What lanes take of rows of values or results shall lie in as many banks as there are.
  p.turned =
      std::min({p.lanes, int64_t(std::bit_floor(uint64_t(std::max<int64_t>(h.scratchpad.width, 4)))) / 4,
                shape.depth & -shape.depth});
  p.valuePitch = oddMultiple(2 * p.rowBytes, h.scratchpad.width);
  p.staged = oddMultiple(p.lanes * 2, h.scratchpad.width / (p.keysOfVector > 1 ? 1 : 2));
  chooseAccumulators(p, h);
  chooseGroups(p, h);
  for (int64_t count : {p.rowBytes, p.panel, p.blockRows(), shape.batch})
    require(count <= h.dma.maxCount, h, "dma.max_count must be at least " + std::to_string(count),
            h.dma.maxCount);
  return p;
}

} // namespace tenon::npu
