//===- DepthwiseCode.cpp - depthwise convolutions of bytes
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/DepthwiseCode.h"

#include "compiler/defects/PlantedDefect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

#include <map>

using namespace mlir;

namespace tenon::cpu {
namespace {

/// Whether a position lies in the image: known, or an i1.
struct Inside {
  std::optional<bool> known;
  Value test;
};

class DepthwiseSums {
public:
  DepthwiseSums(KernelBuilder &k, const WindowGeometry &g, const DepthwiseOperands &o, const DepthwiseTile &t)
      : k(k), b(k.builder()), g(g), o(o), t(t), dots(k, t.lanes) {
    row = k.sub(k.mul(t.y, k.constant(g.strides[0])), k.constant(g.low[0]));
    column = k.sub(k.mul(t.x, k.constant(g.strides[1])), k.constant(g.low[1]));
  }
  SmallVector<Value> run();

private:
  /// The taps above each other that a step takes: rows [first, first + count) of the window.
  struct Step {
    int64_t first, count;
    Value inside = {}; ///< the bits of a lane (i32) whose rows lie in the image; null: all
  };
  Inside isInside(unsigned axis, Value at, bool sure);
  Value lane(int64_t bits) {
    return arith::ConstantOp::create(b, k.loc(), b.getI32IntegerAttr(static_cast<int32_t>(bits)));
  }
  /// The bits of a lane that belong to the step's taps: all set, or the padding's byte.
  int64_t bitsOf(const Step &step, bool ones) const;
  Step step(int64_t first);
  Value clamped(unsigned axis, Value at) {
    return k.max(k.constant(0), k.min(at, k.sub(k.size(g.in[axis]), k.constant(1))));
  }
  Value weights(const Step &step, int64_t tap, unsigned u);
  /// Adds the step's products of the vectors [from, to) of channels.
  void add(const Step &step, unsigned from, unsigned to, MutableArrayRef<Value> sums);
  /// What the step's taps read `at` columns behind the first; null where that is nothing but zeros.
  Value values(const Step &step, int64_t at, unsigned u);

  KernelBuilder &k;
  OpBuilder &b;
  const WindowGeometry &g;
  const DepthwiseOperands &o;
  const DepthwiseTile &t;
  TapDots dots;
  Value row, column; // of the first tap of the first position; may be negative
};

Inside DepthwiseSums::isInside(unsigned axis, Value at, bool sure) {
  if (sure || (g.low[axis] == 0 && g.high[axis] == 0))
    return {true, {}};
  Value test = b.createOrFold<arith::CmpIOp>(k.loc(), arith::CmpIPredicate::ult, at, k.size(g.in[axis]));
  if (auto known = getConstantIntValue(test))
    return {*known != 0, {}};
  return {std::nullopt, test};
}

int64_t DepthwiseSums::bitsOf(const Step &step, bool ones) const {
  int64_t bits = 0;
  for (int64_t i = 0; i < step.count; ++i)
    bits |= dots.bitsOf(i, ones, o.padValue);
  return bits;
}

DepthwiseSums::Step DepthwiseSums::step(int64_t first) {
  Step step{first, std::min<int64_t>(dots.group(), g.window[0] - first)};
  for (int64_t i = 0; i < step.count; ++i) {
    Inside inside = isInside(0, k.add(row, k.constant((first + i) * g.dilations[0])), t.rowsInside);
    if (inside.known.value_or(false))
      continue;
    if (!step.inside)
      step.inside = lane(-1);
    Value others = lane(~dots.bitsOf(i, true));
    if (inside.test)
      others = arith::SelectOp::create(b, k.loc(), inside.test, lane(-1), others);
    step.inside = arith::AndIOp::create(b, k.loc(), step.inside, others);
  }
  return step;
}

Value DepthwiseSums::weights(const Step &step, int64_t tap, unsigned u) {
  SmallVector<Value> taps;
  for (int64_t r = step.first; r < step.first + step.count; ++r) {
    Value offset = k.add(k.mul(k.constant(r * g.window[1] + tap), k.size(o.channels)),
                         k.add(t.channel, k.constant(u * t.lanes)));
    taps.push_back(k.load(o.filter, offset, o.filterElement, t.lanes, t.mask));
  }
  return dots.pack(taps, /*isUnsigned=*/false);
}

Value DepthwiseSums::values(const Step &step, int64_t at, unsigned u) {
  Value x = k.add(column, k.constant(at)), mask = step.inside, padding = lane(bitsOf(step, false));
  Inside inside = isInside(1, x, t.columnsInside);
  if (inside.known && !*inside.known)
    return o.padValue == 0 ? Value() : k.splat(padding, t.lanes);
  if (inside.test) {
    mask = arith::SelectOp::create(b, k.loc(), inside.test, mask ? mask : lane(-1), lane(0));
    x = clamped(1, x);
  }
  SmallVector<Value> taps;
  for (int64_t r = step.first; r < step.first + step.count; ++r) {
    Value y = k.add(row, k.constant(r * g.dilations[0]));
    if (step.inside)
      y = clamped(0, y);
    Value pixel = k.add(k.mul(k.add(k.mul(t.image, k.size(g.in[0])), y), k.size(g.in[1])), x);
    Value offset = k.add(k.add(k.mul(pixel, k.size(o.channels)), t.channel), k.constant(u * t.lanes));
    taps.push_back(k.load(o.input, offset, o.element, t.lanes, t.mask));
  }
  if (planted(Defect::TapsSwapped) && taps.size() > 1)
    std::swap(taps[0], taps[1]);
  Value packed = dots.pack(taps, /*isUnsigned=*/true);
  if (!mask)
    return packed;
  packed = arith::AndIOp::create(b, k.loc(), packed, k.splat(mask, t.lanes));
  if (o.padValue == 0)
    return packed;
  Value rest = arith::AndIOp::create(b, k.loc(), padding, arith::XOrIOp::create(b, k.loc(), mask, lane(-1)));
  return arith::OrIOp::create(b, k.loc(), packed, k.splat(rest, t.lanes));
}

/// Column by column of the input: of all that a step needs, only the sums and the weights of its taps stay in
/// registers.
SmallVector<Value> DepthwiseSums::run() {
  SmallVector<Value> sums = tileZero(k, TileShape{t.count, t.vectors, t.lanes}, b.getI32Type());
  for (size_t i = 0; i < sums.size() && !t.start.empty(); ++i)
    sums[i] = t.start[i % t.vectors];
  // Few registers hold the sums of one vector of channels.
  unsigned together = k.target().vectorRegisters >= 32 ? t.vectors : 1;
  for (unsigned from = 0; from < t.vectors; from += together)
    for (int64_t first = 0; first < g.window[0]; first += dots.group())
      add(step(first), from, from + together, sums);
  return sums;
}

void DepthwiseSums::add(const Step &step, unsigned from, unsigned to, MutableArrayRef<Value> sums) {
  int64_t stride = g.strides[1], dilation = g.dilations[1], taps = g.window[1];
  int64_t columns = (t.count - 1) * stride + (taps - 1) * dilation + 1;
  std::map<std::pair<int64_t, unsigned>, Value> filter;
  for (int64_t tap = 0; tap < taps; ++tap)
    for (unsigned u = from; u < to; ++u)
      filter[{tap, u}] = weights(step, tap, u);
  for (int64_t at = 0; at < columns; ++at) {
    SmallVector<std::pair<int64_t, int64_t>, 8> uses; // position and tap
    for (int64_t tap = 0; tap < taps; ++tap)
      if (int64_t in = at - tap * dilation; in >= 0 && in % stride == 0 && in / stride < t.count)
        uses.emplace_back(in / stride, tap);
    for (unsigned u = from; u < to && !uses.empty(); ++u) {
      Value read = values(step, at, u);
      for (auto [position, tap] : uses)
        if (Value &sum = sums[position * t.vectors + u]; read)
          sum = dots.add(sum, read, filter[{tap, u}]);
    }
  }
}

} // namespace

SmallVector<Value> depthwiseDots(KernelBuilder &k, const WindowGeometry &g, const DepthwiseOperands &operands,
                                 const DepthwiseTile &tile) {
  return DepthwiseSums(k, g, operands, tile).run();
}

} // namespace tenon::cpu
