//===- StaticAttentionKernels.cpp - what known sizes need of the vector core ---===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/attention/StaticAttentionKernels.h"

#include <bit>
#include <limits>
#include <numbers>

namespace tenon::npu {

namespace {

using mortise::Type;

/// An element from the word that begins with it.
Value elementOf(VectorBuilder &b, Value word, Type type) {
  if (type == Type::Bf16)
    return b.op(Id::Vshl, word, b.splatInt(16));
  return word;
}

/// The lane's number times `low` below `size`, times `high` above: `size` is a power of two.
Value laneOffsets(VectorBuilder &b, int64_t size, int64_t low, int64_t high) {
  Value lane = b.op(Id::Viota);
  Value within = b.op(Id::Vand, lane, b.splatInt(int32_t(size - 1)));
  Value above = b.op(Id::Vshr, lane, b.splatInt(std::countr_zero(uint64_t(size))));
  return b.op(Id::VmadI, above, b.splatInt(int32_t(high)), b.op(Id::VmulI, within, b.splatInt(int32_t(low))));
}

} // namespace

VectorFunction roundKernel(const StaticAttentionPlan &plan) {
  VectorFunction function("round rows");
  VectorBuilder b(function);
  Value from = b.parameter("from"), to = b.parameter("to"), vectors = b.parameter("vectors");
  ObjectId source = b.object("rows"), target = b.object("rounded", true);
  auto lanes = int32_t(plan.tile.lanes);
  b.loop(vectors, {from, to}, [&](std::span<const Value> at) -> std::vector<Value> {
    b.store(Id::VstBf, {at[1], target}, b.load(Id::VldW, {at[0], source}));
    return {b.add(at[0], lanes * 4), b.add(at[1], lanes * 2)};
  });
  return function;
}

VectorFunction turnValuesKernel(const StaticAttentionPlan &plan) {
  VectorFunction function("columns of values");
  VectorBuilder b(function);
  Value from = b.parameter("from"), to = b.parameter("to"), columns = b.parameter("columns");
  ObjectId source = b.object("values"), target = b.object("columns", true);
  Type type = plan.attention.value.type;
  int64_t lanes = plan.tile.lanes, panel = plan.tile.panel, pitch = plan.valueRowBytes;
  Value row = b.op(Id::VmulI, b.op(Id::Viota), b.splatInt(int32_t(pitch)));
  std::vector<Value> offsets, active;
  for (int64_t first = 0; first < panel; first += lanes) {
    offsets.push_back(first ? b.op(Id::VaddI, row, b.splatInt(int32_t(first * pitch))) : row);
    active.push_back(panel - first < lanes ? b.op(Id::Ptail, b.scalar(panel - first)) : kAlways);
  }
  b.loop(columns, {from, to}, [&](std::span<const Value> at) -> std::vector<Value> {
    for (size_t i = 0; i < offsets.size(); ++i) {
      Value word = b.gather({at[0], source}, offsets[i], active[i]);
      b.store(Id::VstBf, {at[1], target, int32_t(int64_t(i) * lanes * 2)}, elementOf(b, word, type),
              active[i]);
    }
    return {b.add(at[0], type == Type::F32 ? 4 : 2), b.add(at[1], int32_t(plan.columnBytes))};
  });
  return function;
}

VectorFunction turnMaskKernel(const StaticAttentionPlan &plan) {
  VectorFunction function("mask");
  VectorBuilder b(function);
  Value from = b.parameter("from"), to = b.parameter("to"), vectors = b.parameter("vectors");
  ObjectId source = b.object("rows"), target = b.object("mask", true);
  Type type = plan.attention.mask->type;
  int64_t size = int64_t(mortise::typeBits(type)) / 8;
  Value offsets = laneOffsets(b, plan.tile.columns, plan.maskRowBytes, size);
  Value low = b.splatInt(255), zero = b.splatInt(0);
  Value hidden = b.splat(-std::numeric_limits<float>::infinity());
  // What hides keys by the lowest number stays that: a row of which it hides all has equal weights.
  Value lowest = b.splat(std::numeric_limits<float>::lowest()), log2e = b.splat(float(std::numbers::log2e));
  auto exponent = [&](Value added) {
    Value scaled = b.op(Id::VmaxF, b.op(Id::VmulF, added, log2e), lowest);
    return b.select(b.op(Id::VeqF, added, hidden), hidden, scaled);
  };
  b.loop(vectors, {from, to}, [&](std::span<const Value> at) -> std::vector<Value> {
    Value element = elementOf(b, b.gather({at[0], source}, offsets), type);
    if (type == Type::U8)
      element = b.select(b.op(Id::VeqI, b.op(Id::Vand, element, low), zero), hidden, zero);
    else
      element = exponent(element);
    b.store(Id::VstW, {at[1], target}, element);
    return {b.add(at[0], int32_t(size * plan.tile.keysOfVector)), b.add(at[1], int32_t(plan.tile.lanes * 4))};
  });
  return function;
}

VectorFunction finishRowsKernel(const StaticAttentionPlan &plan) {
  VectorFunction function("rows of the result");
  VectorBuilder b(function);
  const AttentionPlan &p = plan.tile;
  Value state = b.parameter("state"), result = b.parameter("result"), to = b.parameter("to"),
        rows = b.parameter("rows");
  ObjectId sums = b.object("state"), from = b.object("result"), staging = b.object("staging", true),
           target = b.object("output", true);
  auto word = int32_t(p.lanes * 4);
  Value sum = b.load(Id::VldW, {state, sums, word});
  for (int64_t distance = p.columns; distance < p.lanes; distance *= 2)
    sum = b.op(Id::VaddF, sum, b.op(Id::Vslide, sum, Immediate{int32_t(distance)}));
  // A row that sees no key has the sum 0 and the result 0.
  Value factor = b.op(Id::VrcpF, b.op(Id::VmaxF, sum, b.splat(std::numeric_limits<float>::min())));
  Value staged = b.scalar(plan.staging.at);
  b.loop(p.vectorsOfResult() / p.resultUnroll, {result, staged},
         [&](std::span<const Value> at) -> std::vector<Value> {
           for (int64_t i = 0; i < p.resultUnroll; ++i) {
             Value value = b.load(Id::VldW, {at[0], from, word * int32_t(i)});
             b.store(Id::VstW, {at[1], staging, int32_t(p.staged * i)}, b.op(Id::VmulF, value, factor));
           }
           return {b.add(at[0], word * int32_t(p.resultUnroll)),
                   b.add(at[1], int32_t(p.staged * p.resultUnroll))};
         });
  // Lane l takes element l of a query.
  Type type = plan.attention.output.type;
  int64_t elements = plan.attention.valueDepth, size = int64_t(mortise::typeBits(type)) / 8;
  Value first = laneOffsets(b, p.keysOfVector, p.columns * 4, p.staged);
  std::vector<Value> offsets, active;
  for (int64_t at = 0; at < elements; at += p.lanes) {
    auto vectors = int32_t(at / p.keysOfVector * p.staged);
    offsets.push_back(at ? b.op(Id::VaddI, first, b.splatInt(vectors)) : first);
    active.push_back(elements - at < p.lanes ? b.op(Id::Ptail, b.scalar(elements - at)) : kAlways);
  }
  b.loop(rows, {staged, to}, [&](std::span<const Value> at) -> std::vector<Value> {
    for (size_t i = 0; i < offsets.size(); ++i)
      b.store(type == Type::F32 ? Id::VstW : Id::VstBf, {at[1], target, int32_t(int64_t(i) * p.lanes * size)},
              b.gather({at[0], staging}, offsets[i], active[i]), active[i]);
    return {b.add(at[0], 4), b.add(at[1], int32_t(plan.outRowBytes))};
  });
  return function;
}

} // namespace tenon::npu
