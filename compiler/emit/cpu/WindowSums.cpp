//===- WindowSums.cpp - what lies under the windows of a tile
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/WindowSums.h"

#include "compiler/defects/PlantedDefect.h"
#include "compiler/emit/cpu/ElementwiseCode.h"
#include "compiler/emit/cpu/ProductLines.h"
#include "compiler/emit/cpu/TileCode.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <map>

using namespace mlir;

namespace tenon::cpu {

/// The accumulators' start: the neutral element of the reduction.
Value WindowSums::neutral(unsigned lanes) {
  TypedAttr start = neutralElement(k, w.kind, w.summed);
  if (lanes == 1)
    return arith::ConstantOp::create(b, k.loc(), start);
  auto type = cast<VectorType>(k.vectorOf(w.accumulator, lanes));
  return arith::ConstantOp::create(b, k.loc(), DenseElementsAttr::get(type, start));
}

Value WindowSums::load(const WindowTile &t, Value base, Value offset, Type type) {
  Value v = k.load(base, offset, type, t.lanes, t.mask);
  Type target = k.vectorOf(w.accumulator, t.lanes);
  if (v.getType() == target)
    return v;
  if (isa<FloatType>(w.accumulator))
    return arith::ExtFOp::create(b, k.loc(), target, v);
  if (type.isUnsignedInteger())
    return arith::ExtUIOp::create(b, k.loc(), target, v);
  return arith::ExtSIOp::create(b, k.loc(), target, v);
}

Value WindowSums::combine(const WindowTile &t, Value sum, Value v, Value weight) {
  if (!w.filter)
    return emitCombine(k, w.kind, w.summed, sum, v);
  if (isa<FloatType>(w.accumulator) && t.lanes > 1)
    return vector::FMAOp::create(b, k.loc(), v, weight, sum);
  if (isa<FloatType>(w.accumulator))
    return arith::AddFOp::create(b, k.loc(), sum, arith::MulFOp::create(b, k.loc(), v, weight));
  return arith::AddIOp::create(b, k.loc(), sum, arith::MulIOp::create(b, k.loc(), v, weight));
}

SmallVector<Value> WindowSums::loadWeights(const WindowTile &t, Value tapIndex) {
  SmallVector<Value> weights(t.vectors);
  for (unsigned u = 0; w.filter && u < t.vectors; ++u) {
    Value offset = k.add(k.add(k.mul(tapIndex, k.size(w.channels)), t.channel), k.constant(u * t.lanes));
    weights[u] = load(t, k.bufferOf(w.filter), offset, w.filterElement);
  }
  return weights;
}

SmallVector<Value> WindowSums::accumulateTested(const WindowTile &t) {
  SmallVector<SmallVector<Value>> origins;
  for (unsigned i = 0; i < t.count; ++i) {
    SmallVector<Value> at(t.outer.begin(), t.outer.end());
    at.push_back(k.add(t.x, k.constant(i)));
    origins.push_back(windowOrigin(k, w.g, at));
  }
  Value imageBase = k.mul(t.image, k.size(productOf(k.spec().context(), w.g.in)));
  auto oneTap = [&](ArrayRef<Value> tap, Value tapIndex, SmallVector<Value> sums) {
    SmallVector<Value> weights = loadWeights(t, tapIndex);
    for (unsigned i = 0; i < t.count; ++i) {
      WindowTap at = windowTap(k, w.g, origins[i], tap);
      Value offset = k.add(k.mul(k.add(imageBase, at.pixel), k.size(w.channels)), t.channel);
      Value base = k.bufferOf(w.input);
      if (at.inside) {
        base =
            arith::SelectOp::create(b, k.loc(), at.inside, k.address(base, offset, w.element), w.paddingRow);
        offset = k.constant(0);
      }
      for (unsigned u = 0; u < t.vectors; ++u) {
        Value v = load(t, base, k.add(offset, k.constant(u * t.lanes)), w.element);
        Value &sum = sums[i * t.vectors + u];
        sum = combine(t, sum, v, weights[u]);
      }
    }
    return sums;
  };
  std::function<SmallVector<Value>(unsigned, SmallVector<Value>, Value, ValueRange)> nest =
      [&](unsigned axis, SmallVector<Value> tap, Value tapIndex, ValueRange sums) {
        if (axis == w.g.rank())
          return oneTap(tap, tapIndex, SmallVector<Value>(sums));
        return k.loop(k.constant(0), k.constant(w.g.window[axis]), 1, sums, [&](Value i, ValueRange carried) {
          SmallVector<Value> next = tap;
          next.push_back(i);
          return nest(axis + 1, next, k.add(k.mul(tapIndex, k.constant(w.g.window[axis])), i), carried);
        });
      };
  return nest(0, {}, k.constant(0), SmallVector<Value>(t.count * t.vectors, neutral(t.lanes)));
}

SmallVector<Value> WindowSums::accumulate(const WindowTile &t, bool interior) {
  unsigned last = w.g.rank() - 1;
  auto dilation = [&](unsigned d) { return planted(Defect::DilationIgnored) ? 1 : w.g.dilations[d]; };
  Value column = k.sub(k.mul(t.x, k.constant(w.g.strides[last])), k.constant(w.g.low[last]));

  // `rowInside`: whether the row lies in the image; null where the loops around see to that.
  auto row = [&](Value line, Value tapIndex, Value rowInside, ValueRange carried) {
    SmallVector<Value> sums(carried);
    std::map<int64_t, SmallVector<Value>> columns;
    auto inputAt = [&](int64_t at) -> ArrayRef<Value> {
      SmallVector<Value> &found = columns[at];
      if (!found.empty())
        return found;
      Value c = k.add(column, k.constant(at));
      Value base = lines ? k.scratch() : k.bufferOf(w.input);
      Value offset =
          lines ? lines->offset(line, c, t.channel)
                : k.add(k.mul(k.add(k.mul(line, k.size(w.g.in[last])), c), k.size(w.channels)), t.channel);
      Value inside = rowInside;
      if (!interior) {
        // One unsigned comparison covers both ends.
        Value here =
            b.createOrFold<arith::CmpIOp>(k.loc(), arith::CmpIPredicate::ult, c, k.size(w.g.in[last]));
        auto known = getConstantIntValue(here);
        if (auto place = t.endsInside ? getConstantIntValue(c) : std::nullopt)
          known = *place >= 0;
        if (known && *known == 0 && w.padValue == 0 && !planted(Defect::MaxPoolPadsZero)) {
          found.assign(t.vectors, {}); // adds nothing
          return found;
        }
        if (!known || *known == 0)
          inside = inside ? b.createOrFold<arith::AndIOp>(k.loc(), inside, here) : here;
      }
      if (inside) {
        base = arith::SelectOp::create(b, k.loc(), inside, k.address(base, offset, w.element), w.paddingRow);
        offset = k.constant(0);
      }
      for (unsigned u = 0; u < t.vectors; ++u)
        found.push_back(load(t, base, k.add(offset, k.constant(u * t.lanes)), w.element));
      return found;
    };
    for (int64_t tap = 0; tap < w.g.window[last]; ++tap) {
      SmallVector<Value> weights =
          loadWeights(t, k.add(k.mul(tapIndex, k.constant(w.g.window[last])), k.constant(tap)));
      for (unsigned i = 0; i < t.count; ++i) {
        ArrayRef<Value> values = inputAt(i * w.g.strides[last] + tap * dilation(last));
        for (unsigned u = 0; u < t.vectors && values[u]; ++u)
          sums[i * t.vectors + u] = combine(t, sums[i * t.vectors + u], values[u], weights[u]);
      }
    }
    return sums;
  };
  std::function<SmallVector<Value>(unsigned, Value, Value, Value, ValueRange)> nest =
      [&](unsigned axis, Value pixel, Value tapIndex, Value inside, ValueRange sums) -> SmallVector<Value> {
    if (axis == last)
      return row(lines ? k.add(lines->firstLine(), pixel) : pixel, tapIndex, inside, sums);
    Value origin = k.sub(k.mul(t.outer[axis], k.constant(w.g.strides[axis])), k.constant(w.g.low[axis]));
    bool unpadded = w.g.low[axis] == 0 && w.g.high[axis] == 0;
    auto step = [&](Value tap, ValueRange carried) {
      Value at = k.add(origin, k.mul(tap, k.constant(dilation(axis)))), within = inside;
      if (!unpadded && w.padValue != 0) {
        Value here =
            b.createOrFold<arith::CmpIOp>(k.loc(), arith::CmpIPredicate::ult, at, k.size(w.g.in[axis]));
        within = within ? b.createOrFold<arith::AndIOp>(k.loc(), within, here) : here;
      }
      return nest(axis + 1, k.add(k.mul(pixel, k.size(w.g.in[axis])), at),
                  k.add(k.mul(tapIndex, k.constant(w.g.window[axis])), tap), within, carried);
    };
    bool allTaps = unpadded || w.padValue != 0;
    if (allTaps && w.taps <= kUnrolledTaps) {
      SmallVector<Value> carried(sums);
      for (int64_t tap = 0; tap < w.g.window[axis]; ++tap)
        carried = step(k.constant(tap), carried);
      return carried;
    }
    Value from = k.constant(0), to = k.constant(w.g.window[axis]);
    if (!allTaps) {
      Value spacing = k.constant(dilation(axis)), rounding = k.constant(dilation(axis) - 1);
      from = k.div(k.add(k.max(k.sub(k.constant(0), origin), k.constant(0)), rounding), spacing);
      Value rest = k.max(k.sub(k.size(w.g.in[axis]), origin), k.constant(0));
      to = k.min(to, k.div(k.add(rest, rounding), spacing));
    }
    return k.loop(from, to, 1, sums, [&](Value tap, ValueRange carried) { return step(tap, carried); });
  };
  return nest(0, lines ? k.constant(0) : t.image, k.constant(0), {},
              SmallVector<Value>(t.count * t.vectors, neutral(t.lanes)));
}

} // namespace tenon::cpu
