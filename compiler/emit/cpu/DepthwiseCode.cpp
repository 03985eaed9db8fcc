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

class DepthwiseSums {
public:
  DepthwiseSums(KernelBuilder &k, const WindowGeometry &g, const DepthwiseOperands &o, const DepthwiseTile &t)
      : k(k), b(k.builder()), g(g), o(o), t(t), dots(k, t.lanes) {
    row = k.sub(k.mul(t.y, k.constant(g.strides[0])), k.constant(g.low[0]));
    column = k.sub(k.mul(t.x, k.constant(g.strides[1])), k.constant(g.low[1]));
  }
  SmallVector<Value> run();

private:
  Value isInside(unsigned axis, Value at) {
    return b.createOrFold<arith::CmpIOp>(k.loc(), arith::CmpIPredicate::ult, at, k.size(g.in[axis]));
  }
  Value input(int64_t tapRow, int64_t at, unsigned u);
  Value weight(int64_t tapRow, int64_t tap, unsigned u);
  Value packed(int64_t first, bool isUnsigned, llvm::function_ref<Value(int64_t)> tap);

  KernelBuilder &k;
  OpBuilder &b;
  const WindowGeometry &g;
  const DepthwiseOperands &o;
  const DepthwiseTile &t;
  TapDots dots;
  Value row, column; // of the first tap of the first position; may be negative
};

/// The bytes under row `tapRow` of the window, `at` columns behind the first.
Value DepthwiseSums::input(int64_t tapRow, int64_t at, unsigned u) {
  Value y = k.add(row, k.constant(tapRow * g.dilations[0])), x = k.add(column, k.constant(at));
  Value pixel = k.add(k.mul(k.add(k.mul(t.image, k.size(g.in[0])), y), k.size(g.in[1])), x);
  Value offset = k.add(k.add(k.mul(pixel, k.size(o.channels)), t.channel), k.constant(u * t.lanes));
  if (t.interior)
    return k.load(o.input, offset, o.element, t.lanes, t.mask);
  Value inside = b.createOrFold<arith::AndIOp>(k.loc(), isInside(0, y), isInside(1, x));
  Value pointer =
      arith::SelectOp::create(b, k.loc(), inside, k.address(o.input, offset, o.element), o.padding);
  return k.load(pointer, k.constant(0), o.element, t.lanes, t.mask);
}

Value DepthwiseSums::weight(int64_t tapRow, int64_t tap, unsigned u) {
  Value offset = k.add(k.mul(k.constant(tapRow * g.window[1] + tap), k.size(o.channels)),
                       k.add(t.channel, k.constant(u * t.lanes)));
  return k.load(o.filter, offset, o.filterElement, t.lanes, t.mask);
}

/// The rows from `first` on that one step takes.
Value DepthwiseSums::packed(int64_t first, bool isUnsigned, llvm::function_ref<Value(int64_t)> tap) {
  SmallVector<Value> taps;
  for (int64_t r = first; r < std::min<int64_t>(g.window[0], first + dots.group()); ++r)
    taps.push_back(tap(r));
  if (planted(Defect::TapsSwapped) && isUnsigned && taps.size() > 1)
    std::swap(taps[0], taps[1]);
  return dots.pack(taps, isUnsigned);
}

SmallVector<Value> DepthwiseSums::run() {
  TileShape shape{t.count, t.vectors, t.lanes};
  SmallVector<Value> sums = tileZero(k, shape, b.getI32Type());
  for (int64_t first = 0; first < g.window[0]; first += dots.group()) {
    std::map<std::pair<int64_t, unsigned>, Value> columns; // neighbours share them
    for (int64_t tap = 0; tap < g.window[1]; ++tap)
      for (unsigned u = 0; u < t.vectors; ++u) {
        Value weights = packed(first, false, [&](int64_t r) { return weight(r, tap, u); });
        for (unsigned i = 0; i < t.count; ++i) {
          int64_t at = i * g.strides[1] + tap * g.dilations[1];
          Value &values = columns[{at, u}];
          if (!values)
            values = packed(first, true, [&](int64_t r) { return input(r, at, u); });
          Value &sum = sums[i * t.vectors + u];
          sum = dots.add(sum, values, weights);
        }
      }
  }
  return sums;
}

} // namespace

SmallVector<Value> depthwiseDots(KernelBuilder &k, const WindowGeometry &g, const DepthwiseOperands &operands,
                                 const DepthwiseTile &tile) {
  return DepthwiseSums(k, g, operands, tile).run();
}

} // namespace tenon::cpu
