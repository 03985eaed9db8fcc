//===- SlicingHandlers.cpp - Slice, Pad and their index arithmetic ----------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/RunTimeAxes.h"
#include "compiler/import/onnx/RunTimeBounds.h"
#include "compiler/import/onnx/SizeLogic.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

namespace {

/// Bounds at or beyond this stand for "to the end"; exporters write the largest i32 or i64.
constexpr int64_t kEndless = INT32_MAX;

/// A slice of one axis in ONNX's terms, brought to offset and length.
struct AxisSlice {
  Size offset, length;
  int64_t step = 1;
};

/// Clamps a bound that counts from the end when negative into [low, high].
Size clampBound(GraphBuilder &g, Size bound, Size dim, Size low, Size high) {
  if (auto c = bound.constant()) {
    if (*c >= kEndless)
      return high;
    if (*c <= -kEndless)
      return low;
  }
  return fromEnd(g, bound, dim).max(low).min(high);
}

AxisSlice sliceOf(GraphBuilder &g, Size start, Size end, int64_t step, Size dim) {
  Size zero = g.size(0);
  AxisSlice s;
  s.step = step;
  if (step > 0) {
    Size first = clampBound(g, start, dim, zero, dim), last = clampBound(g, end, dim, zero, dim);
    s.offset = first;
    s.length = (last - first).max(zero).ceilDiv(step);
  } else {
    Size minusOne = g.size(-1), top = dim - 1;
    Size first = clampBound(g, start, dim, zero, top), last = clampBound(g, end, dim, minusOne, top);
    s.offset = first;
    s.length = (first - last).max(zero).ceilDiv(-step);
  }
  return s;
}

LogicalResult slice(NodeContext &n) {
  if (failed(n.needInputs(1)))
    return failure();
  if (isRunTime(n, 3) || isRunTime(n, 4))
    return sliceAtRunTime(n);
  const Tensor &x = n.in(0);
  SmallVector<Size> starts, ends;
  SmallVector<int64_t> axes, steps;
  auto sizesFrom = [&](int64_t input, StringRef name) -> FailureOr<SmallVector<Size>> {
    if (n.has(input))
      return n.sizesOf(input);
    SmallVector<Size> list;
    auto values = n.intsAttr(name);
    if (!values)
      return n.invalid("expected " + name);
    for (int64_t v : *values)
      list.push_back(n.g.size(v));
    return list;
  };
  ONNX_TRY(startList, sizesFrom(1, "starts"));
  ONNX_TRY(endList, sizesFrom(2, "ends"));
  if (startList.size() != endList.size())
    return n.invalid("expected as many ends as starts, found " + Twine(endList.size()) + " and " +
                     Twine(startList.size()));
  if (n.has(3)) {
    ONNX_TRY(list, n.constantInts(3, "the axes"));
    axes = list;
  } else {
    axes = n.intsAttr("axes").value_or(axesFrom(0, startList.size()));
  }
  steps.assign(startList.size(), 1);
  if (n.has(4)) {
    ONNX_TRY(list, n.constantInts(4, "the steps"));
    steps = list;
  }
  if (axes.size() != startList.size() || steps.size() != startList.size())
    return n.invalid("expected starts, ends, axes and steps of one length");
  Dims offsets(x.rank(), n.g.size(0)), dims = x.dims;
  SmallVector<int64_t> strides(x.rank(), 1);
  SmallVector<bool> seen(x.rank());
  for (auto [i, given] : llvm::enumerate(axes)) {
    ONNX_TRY(axis, n.axis(given, x.rank()));
    if (steps[i] == 0 || seen[axis])
      return n.invalid("expected steps that are not 0 and each axis once");
    seen[axis] = true;
    // A step beyond the axis picks one element, whatever its size.
    int64_t step = std::clamp<int64_t>(steps[i], -kEndless, kEndless);
    AxisSlice s = sliceOf(n.g, startList[i], endList[i], step, x.dims[axis]);
    offsets[axis] = s.offset;
    dims[axis] = s.length;
    strides[axis] = step;
  }
  return n.out(n.g.slice(x, offsets, dims, strides));
}

/// What constant mode pads with.
FailureOr<Tensor> fillOf(NodeContext &n) {
  Type element = n.in(0).element;
  if (n.has(2) && n.in(2).element == element && elementCount(n.in(2).dims) == 1)
    return n.g.reshape(n.in(2), {});
  if (n.has(2))
    return n.invalid("expected one number of the input's type to pad with, found " + describe(n.in(2)));
  return n.g.scalar(isa<FloatType>(element) ? n.floatAttr("value", 0) : 0, element);
}

LogicalResult pad(NodeContext &n) {
  if (failed(n.needInputs(1)))
    return failure();
  GraphBuilder &g = n.g;
  Tensor x = n.in(0);
  std::string mode = n.stringAttr("mode", "constant");
  if (mode != "constant" && mode != "edge" && mode != "reflect" && mode != "wrap")
    return n.invalid("expected mode constant, edge, reflect or wrap, found '" + mode + "'");
  Tensor fill = g.scalar(0, x.element);
  if (mode == "constant") {
    ONNX_TRY(given, fillOf(n));
    fill = given;
  }
  if ((isRunTime(n, 1) && !n.declaredShape(0).empty()) || isRunTime(n, 3))
    return padAtRunTime(n, mode, fill);
  SmallVector<Size> pads;
  if (n.has(1)) {
    ONNX_TRY(list, n.sizesOf(1));
    pads = list;
  } else {
    auto values = n.intsAttr("pads");
    for (int64_t v : values.value_or(SmallVector<int64_t>()))
      pads.push_back(g.size(v));
  }
  SmallVector<int64_t> axes = axesFrom(0, x.rank());
  if (n.has(3)) {
    ONNX_TRY(list, n.constantInts(3, "the axes"));
    axes = list;
  }
  if (pads.size() != 2 * axes.size())
    return n.invalid("expected two pads for each of " + Twine(axes.size()) + " axes, found " +
                     Twine(pads.size()));
  Dims low(x.rank(), g.size(0)), high = low;
  for (auto [i, given] : llvm::enumerate(axes)) {
    ONNX_TRY(axis, n.axis(given, x.rank()));
    low[axis] = pads[i];
    high[axis] = pads[i + axes.size()];
  }
  for (int64_t i = 0; i < x.rank(); ++i) {
    Size length = x.dims[i] + low[i] + high[i];
    if (length.constant() && *length.constant() < 0)
      return n.invalid("the pads remove more than there is of " + describe(x));
    if (mode != "constant") {
      if (!low[i].isConstant(0) || !high[i].isConstant(0))
        x = g.gather(x, foldedPositions(g, mode, x.dims[i], low[i], length), i);
      continue;
    }
    // Negative pads crop.
    Size cropLow = (g.size(0) - low[i]).max(g.size(0)), cropHigh = (g.size(0) - high[i]).max(g.size(0));
    Size kept = x.dims[i] - cropLow - cropHigh;
    if (kept.constant() && *kept.constant() < 0)
      return n.invalid("the pads remove more than there is of " + describe(x));
    x = g.sliceAxis(x, i, cropLow, kept);
    low[i] = low[i].max(g.size(0));
    high[i] = high[i].max(g.size(0));
  }
  return n.out(mode == "constant" ? g.pad(x, fill, low, high) : x);
}

} // namespace

void tenon::importer::registerSlicing(OpTable &t) {
  t.add("Slice", slice);
  t.add("Pad", pad);
  t.add("CenterCropPad", centerCropPad);
}
