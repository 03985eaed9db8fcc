//===- AttentionKernels.cpp - kernels of fused attention ----------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/attention/AttentionKernels.h"

#include <bit>
#include <limits>
#include <numbers>

namespace tenon::npu {

namespace {

using Values = std::vector<Value>;

constexpr float kLowest = -1e30F;

Id storeHalf(const AttentionPlan &p) { return p.type == mortise::Type::Bf16 ? Id::VstBf : Id::VstHf; }

/// All of them as one.
Value reduce(VectorBuilder &b, Id id, Values values) {
  for (; values.size() > 1; values.pop_back())
    values[(values.size() - 1) / 2] = b.op(id, values[(values.size() - 1) / 2], values.back());
  return values[0];
}

/// Combines the lanes of a query: those `columns` apart.
Value exchange(VectorBuilder &b, const AttentionPlan &p, Id id, Value value) {
  for (int64_t distance = p.columns; distance < p.lanes; distance *= 2)
    value = b.op(id, value, b.op(Id::Vslide, value, Immediate{int32_t(distance)}));
  return value;
}

/// For each lane the number of keys that its query sees, less the lane's own key in a vector.
Value visibleKeys(VectorBuilder &b, const AttentionPlan &p, Value keys, Value ofFirst) {
  Value lane = b.op(Id::Viota);
  Value query = b.op(Id::Vand, lane, b.splatInt(int32_t(p.columns - 1)));
  Value limit = b.op(Id::VminI, b.op(Id::Vbc, keys), b.op(Id::VaddI, b.op(Id::Vbc, ofFirst), query));
  Value key = b.op(Id::Vshr, lane, b.splatInt(std::countr_zero(uint64_t(p.columns))));
  return b.op(Id::VsubI, limit, key);
}

struct SoftmaxParameters {
  SoftmaxForm form;
  Value scores, weights, before, after, factor, count, keys, ofFirst, mask;
  ObjectId scoresAt = kNoObject, maskAt = kNoObject;
};

/// With a mask, scores are exponents of 2 afterwards: scaled, and the mask added.
Value largestScore(VectorBuilder &b, const AttentionPlan &p, const SoftmaxParameters &s) {
  auto step = int32_t(p.lanes * 4);
  bool limited = s.form.limited, mask = s.form.mask;
  // Added masks may hold the lowest number that there is: what is no key lies below it.
  Value lowest = b.splat(mask ? -std::numeric_limits<float>::infinity() : kLowest), scale;
  Values carried{s.scores};
  for (int64_t i = 0; i < p.unroll; ++i)
    carried.push_back(lowest);
  Values limits;
  size_t maskAt = carried.size();
  if (mask) {
    carried.push_back(s.mask);
    scale = b.splat(float(p.shape.scale * std::numbers::log2e));
  }
  if (limited) {
    carried.push_back(b.splatInt(0));
    Value visible = visibleKeys(b, p, s.keys, s.ofFirst);
    for (int64_t i = 0; i < p.unroll; ++i)
      limits.push_back(b.op(Id::VsubI, visible, b.splatInt(int32_t(i * p.keysOfVector))));
  }
  carried = b.loop(s.count, carried, [&](std::span<const Value> at) -> Values {
    Values next{b.add(at[0], step * int32_t(p.unroll))};
    for (size_t i = 0; i < size_t(p.unroll); ++i) {
      Address place{at[0], s.scoresAt, step * int32_t(i)};
      Value score = b.load(Id::VldW, place);
      if (mask)
        score = b.op(Id::VfmaF, score, scale, b.load(Id::VldW, {at[maskAt], s.maskAt, step * int32_t(i)}));
      if (limited)
        score = b.select(b.op(Id::VltI, at.back(), limits[i]), score, lowest);
      if (limited || mask)
        b.store(Id::VstW, place, score);
      next.push_back(b.op(Id::VmaxF, at[i + 1], score));
    }
    if (mask)
      next.push_back(b.add(at[maskAt], step * int32_t(p.unroll)));
    if (limited)
      next.push_back(b.op(Id::VaddI, at.back(), b.splatInt(int32_t(p.unroll * p.keysOfVector))));
    return next;
  });
  Values maxima(carried.begin() + 1, carried.begin() + 1 + p.unroll);
  return exchange(b, p, Id::VmaxF, reduce(b, Id::VmaxF, maxima));
}

/// Pairs of rows become words of columns: for each of `pairs` pairs of columns, `words` words from the even
/// and the odd rows go to two rows of the target.
struct Transposition {
  Value index;           ///< bytes from an even row to the first one, by lane
  int64_t indexStep = 0; ///< from a vector of rows to the next
  int64_t odd = 0;       ///< bytes from an even row to the odd one after it
  int64_t words = 0, pitch = 0;
  TripCount pairs = 0;
};

void transpose(VectorBuilder &b, int64_t lanes, Value from, ObjectId source, Value to, ObjectId target,
               const Transposition &t) {
  Value low = b.splatInt(0xffff), high = b.splatInt(int32_t(0xffff0000U)), half = b.splatInt(16);
  Values indices, predicates;
  for (int64_t first = 0; first < t.words; first += lanes) {
    int64_t chunk = first / lanes;
    indices.push_back(chunk ? b.op(Id::VaddI, t.index, b.splatInt(int32_t(chunk * t.indexStep))) : t.index);
    predicates.push_back(t.words - first < lanes ? b.op(Id::Ptail, b.scalar(t.words - first)) : kAlways);
  }
  b.loop(t.pairs, {from, b.add(from, int32_t(t.odd)), to}, [&](std::span<const Value> at) -> Values {
    for (size_t c = 0; c < indices.size(); ++c) {
      Value even = b.gather({at[0], source}, indices[c], predicates[c]);
      Value odd = b.gather({at[1], source}, indices[c], predicates[c]);
      auto offset = int32_t(int64_t(c) * lanes * 4);
      b.store(Id::VstW, {at[2], target, offset},
              b.op(Id::Vor, b.op(Id::Vand, even, low), b.op(Id::Vshl, odd, half)), predicates[c]);
      b.store(Id::VstW, {b.add(at[2], int32_t(t.pitch)), target, offset},
              b.op(Id::Vor, b.op(Id::Vshr, even, half), b.op(Id::Vand, odd, high)), predicates[c]);
    }
    return {b.add(at[0], 4), b.add(at[1], 4), b.add(at[2], int32_t(2 * t.pitch))};
  });
}

} // namespace

VectorFunction softmaxKernel(const AttentionPlan &p, SoftmaxForm form) {
  VectorFunction function(form.mask ? "softmax with a mask" : form.limited ? "limited softmax" : "softmax");
  VectorBuilder b(function);
  SoftmaxParameters s;
  s.form = form;
  s.scores = b.parameter("scores");
  s.weights = b.parameter("weights");
  s.before = b.parameter("before");
  s.after = b.parameter("after");
  s.factor = b.parameter("factor");
  s.count = b.parameter("count");
  if (form.limited) {
    s.keys = b.parameter("keys");
    s.ofFirst = b.parameter("visible");
  }
  if (form.mask)
    s.mask = b.parameter("mask");
  s.scoresAt = b.object("scores", true);
  ObjectId weights = b.object("weights", true), state = b.object("state"), factors = b.object("factor");
  if (form.mask)
    s.maskAt = b.object("mask");
  auto word = int32_t(p.lanes * 4), half = int32_t(p.lanes * 2);
  Value scale = b.splat(float(p.shape.scale * std::numbers::log2e));
  Value before = b.load(Id::VldW, {s.before, state}), sum = b.load(Id::VldW, {s.before, state, word});
  Value largest = largestScore(b, p, s);
  if (!form.mask)
    largest = b.op(Id::VmulF, largest, scale);
  Value after = b.op(Id::VmaxF, before, largest);
  Value factor = b.op(Id::Vexp2F, b.op(Id::VsubF, before, after));
  Value shift = b.op(Id::VnegF, after);
  b.store(Id::VstW, {s.after, state}, after);
  b.store(Id::VstW, {s.factor, factors}, factor);
  Values carried{s.scores, s.weights};
  for (int64_t i = 0; i < p.unroll; ++i)
    carried.push_back(b.splat(0));
  carried = b.loop(s.count, carried, [&](std::span<const Value> at) -> Values {
    Values next{b.add(at[0], word * int32_t(p.unroll)), b.add(at[1], half * int32_t(p.unroll))};
    for (size_t i = 0; i < size_t(p.unroll); ++i) {
      Value score = b.load(Id::VldW, {at[0], s.scoresAt, word * int32_t(i)});
      Value exponent = form.mask ? b.op(Id::VsubF, score, after) : b.op(Id::VfmaF, score, scale, shift);
      Value weight = b.op(Id::Vexp2F, exponent);
      b.store(storeHalf(p), {at[1], weights, half * int32_t(i)}, weight);
      next.push_back(b.op(Id::VaddF, at[i + 2], weight));
    }
    return next;
  });
  Value total = reduce(b, Id::VaddF, Values(carried.begin() + 2, carried.end()));
  b.store(Id::VstW, {s.after, state, word}, b.op(Id::VfmaF, sum, factor, total));
  return function;
}

VectorFunction updateKernel(const AttentionPlan &p, bool first) {
  VectorFunction function(first ? "first update" : "update");
  VectorBuilder b(function);
  Value sums = b.parameter("sums"), result = b.parameter("result");
  ObjectId from = b.object("sums"), to = b.object("result", true);
  auto word = int32_t(p.lanes * 4);
  Value factor;
  if (!first)
    factor = b.load(Id::VldW, {b.parameter("factor"), b.object("factor")});
  b.loop(p.vectorsOfResult() / p.resultUnroll, {sums, result}, [&](std::span<const Value> at) -> Values {
    for (int64_t i = 0; i < p.resultUnroll; ++i) {
      Address place{at[1], to, word * int32_t(i)};
      Value sum = b.load(Id::VldW, {at[0], from, word * int32_t(i)});
      if (!first)
        sum = b.op(Id::VfmaF, b.load(Id::VldW, place), factor, sum);
      b.store(Id::VstW, place, sum);
    }
    auto step = word * int32_t(p.resultUnroll);
    return {b.add(at[0], step), b.add(at[1], step)};
  });
  return function;
}

/// A gather takes `turned` words side by side of as many rows as make a vector, which lie in a bank each; a
/// scatter writes as many words side by side to each column, which lie in a bank each, too. Between them
/// lanes change places.
VectorFunction transposeKernel(const AttentionPlan &p) {
  VectorFunction function("transpose");
  VectorBuilder b(function);
  Value from = b.parameter("from"), to = b.parameter("to"), blocks = b.parameter("blocks");
  ObjectId source = b.object("values"), target = b.object("transposed", true);
  int64_t words = p.turned, rows = p.turnedRows();
  auto split = [&](int64_t size, int64_t low, int64_t high) {
    Value lane = b.op(Id::Viota);
    Value within = b.op(Id::Vand, lane, b.splatInt(int32_t(size - 1)));
    Value above = b.op(Id::Vshr, lane, b.splatInt(std::countr_zero(uint64_t(size))));
    return b.op(Id::VmadI, above, b.splatInt(int32_t(high)),
                b.op(Id::VmulI, within, b.splatInt(int32_t(low))));
  };
  Value gathered = split(words, 4, p.valuePitch), scattered = split(rows, 4, p.transposedPitch),
        places = split(rows, words, 1);
  b.loop(blocks, {from, to}, [&](std::span<const Value> block) -> Values {
    b.loop(p.turnedPairs() / rows, {block[0], block[1]}, [&](std::span<const Value> at) -> Values {
      Value word = b.op(Id::Vperm, b.gather({at[0], source}, gathered), places);
      b.scatter({at[1], target}, scattered, word);
      return {b.add(at[0], int32_t(rows * p.valuePitch)), b.add(at[1], int32_t(rows * 4))};
    });
    return {b.add(block[0], int32_t(words * 4)), b.add(block[1], int32_t(words * p.transposedPitch))};
  });
  return function;
}

VectorFunction finishKernel(const AttentionPlan &p) {
  VectorFunction function("finish");
  VectorBuilder b(function);
  Value state = b.parameter("state"), result = b.parameter("result"), to = b.parameter("to");
  ObjectId sums = b.object("state"), from = b.object("result"), staging = b.object("staging", true),
           target = b.object("output", true);
  auto word = int32_t(p.lanes * 4);
  Value sum = exchange(b, p, Id::VaddF, b.load(Id::VldW, {state, sums, word}));
  Value factor = b.op(Id::VrcpF, sum), staged = b.scalar(p.staging);
  b.loop(p.vectorsOfResult() / p.resultUnroll, {result, staged}, [&](std::span<const Value> at) -> Values {
    for (int64_t i = 0; i < p.resultUnroll; ++i) {
      Value value = b.op(Id::VmulF, b.load(Id::VldW, {at[0], from, word * int32_t(i)}), factor);
      b.store(storeHalf(p), {at[1], staging, int32_t(p.staged * i)}, value);
    }
    return {b.add(at[0], word * int32_t(p.resultUnroll)), b.add(at[1], int32_t(p.staged * p.resultUnroll))};
  });
  // Lane l takes row 2 l of the result: a vector holds `keysOfVector` rows.
  Value lane = b.op(Id::Viota);
  Transposition t;
  if (p.keysOfVector == 1) {
    t.index = b.op(Id::VmulI, lane, b.splatInt(int32_t(2 * p.staged)));
    t.odd = p.staged;
  } else {
    int64_t pairs = p.keysOfVector / 2;
    Value vector = b.op(Id::Vshr, lane, b.splatInt(std::countr_zero(uint64_t(pairs))));
    Value within = b.op(Id::Vand, lane, b.splatInt(int32_t(pairs - 1)));
    t.index = b.op(Id::VmadI, vector, b.splatInt(int32_t(p.staged)),
                   b.op(Id::VmulI, within, b.splatInt(int32_t(p.columns * 4))));
    t.odd = p.columns * 2;
  }
  t.indexStep = 2 * p.lanes / p.keysOfVector * p.staged;
  t.words = p.shape.depth / 2;
  t.pairs = p.columns / 2;
  t.pitch = p.rowBytes;
  transpose(b, p.lanes, staged, staging, to, target, t);
  return function;
}

} // namespace tenon::npu
