//===- PoolingHandlers.cpp - poolings ---------------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Images.h"

#include <limits>

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

namespace {

Tensor lowest(GraphBuilder &g, Type element) {
  if (isa<FloatType>(element))
    return g.scalar(-std::numeric_limits<double>::infinity(), element);
  auto integer = cast<IntegerType>(element);
  return g.scalarInt(integer.isUnsigned() ? 0 : APInt::getSignedMinValue(integer.getWidth()).getSExtValue(),
                     element);
}

Dims resultDims(NodeContext &n, const Tensor &image, const Window &w) {
  Dims dims{image.dims[0]};
  llvm::append_range(dims, positions(n.g, image, w));
  dims.push_back(image.dims.back());
  return dims;
}

/// ONNX's inference and ONNX Runtime divide towards zero where they count positions: a window that is longer
/// than the padded image by less than a stride has one position and sees what there is. Answers the padding
/// at the end of each axis of [N, spatial..., C] that has the same effect, or nothing when none is needed.
FailureOr<Dims> overhang(NodeContext &n, const Tensor &image, const Window &w) {
  SmallVector<int64_t> slack = llvm::map_to_vector(w.strides, [](int64_t s) { return s - 1; });
  if (failed(needRoom(n, image, w, slack)))
    return failure();
  if (w.ceilMode) // rounds up, which is the same
    return Dims();
  Dims high(image.rank(), n.g.size(0));
  bool any = false;
  for (size_t i = 0; i < w.kernel.size(); ++i) {
    SizeRange range = excess(image, w, i).range();
    if (slack[i] == 0 || (range.max && *range.max <= 0))
      continue;
    high[i + 1] = excess(image, w, i).max(n.g.size(0)).min(n.g.size(slack[i]));
    any = true;
  }
  return any ? high : Dims();
}

Tensor extend(GraphBuilder &g, const Tensor &x, const Tensor &value, const Dims &high) {
  return high.empty() ? x : g.pad(x, value, Dims(x.rank(), g.size(0)), high);
}

Tensor average(NodeContext &n, const Tensor &image, const Window &w, bool includePad) {
  GraphBuilder &g = n.g;
  Dims dims = resultDims(n, image, w);
  auto op = AvgPoolOp::create(g.builder, g.loc, g.type(image.element, dims), g.value(image), w.kernel,
                              w.strides, w.dilations, w.low, w.high, w.ceilMode, includePad);
  return g.wrap(op, dims);
}

FailureOr<Window> poolWindow(NodeContext &n) {
  ONNX_TRY(w, readWindow(n, n.in(0), std::nullopt));
  for (int64_t pad : llvm::concat<int64_t>(w.low, w.high))
    if (pad < 0)
      return n.invalid("expected padding that is not negative, found " + Twine(pad));
  return w;
}

LogicalResult maxPool(NodeContext &n) {
  if (failed(n.needInputs(1)) || failed(n.needRank(0, 3)))
    return failure();
  if (n.wants(1))
    return n.unsupported("the indices of the largest elements are not supported; only the values are");
  GraphBuilder &g = n.g;
  ONNX_TRY(w, poolWindow(n));
  Tensor image = channelsLast(g, n.in(0));
  if (!w.dynamicLow.empty()) {
    Dims low(image.rank(), g.size(0)), high = low;
    llvm::copy(w.dynamicLow, low.begin() + 1);
    llvm::copy(w.dynamicHigh, high.begin() + 1);
    image = g.pad(image, lowest(g, image.element), low, high);
  }
  ONNX_TRY(high, overhang(n, image, w));
  image = extend(g, image, lowest(g, image.element), high);
  Dims dims = resultDims(n, image, w);
  auto op = MaxPoolOp::create(g.builder, g.loc, g.type(image.element, dims), g.value(image), w.kernel,
                              w.strides, w.dilations, w.low, w.high, w.ceilMode);
  return n.out(channelsFirst(g, g.wrap(op, dims)));
}

LogicalResult averagePool(NodeContext &n) {
  if (failed(n.needInputs(1)) || failed(n.needRank(0, 3)) || failed(n.needFloat(0)))
    return failure();
  GraphBuilder &g = n.g;
  ONNX_TRY(w, poolWindow(n));
  if (!w.dynamicLow.empty())
    return n.unsupported("auto_pad SAME with a stride on the symbolic sizes " + describe(n.in(0).dims) +
                         "; fix them with --shape or state explicit pads");
  Tensor image = channelsLast(g, n.in(0));
  ONNX_TRY(high, overhang(n, image, w));
  bool includePad = n.intAttr("count_include_pad", 0) != 0;
  Tensor zero = g.scalar(0, image.element), padded = extend(g, image, zero, high);
  if (high.empty() || includePad)
    return n.out(channelsFirst(g, average(n, padded, w, includePad)));
  // The part of the window that holds elements of the image, by which the mean with the padding is too small.
  Dims sizes = image.dims;
  sizes.front() = sizes.back() = g.size(1);
  Tensor part = average(n, extend(g, g.full(1, image.element, sizes), zero, high), w, true);
  Tensor mean = average(n, padded, w, true);
  return n.out(channelsFirst(g, g.binary<DivOp>(mean, g.broadcast(part, mean.dims))));
}

Tensor raise(GraphBuilder &g, const Tensor &x, double p) {
  if (p == 1)
    return x;
  if (p == 2)
    return g.binary<MulOp>(x, x);
  return p == 0.5 ? g.unary<SqrtOp>(x) : g.binary<PowOp>(x, p);
}

LogicalResult lpPool(NodeContext &n) {
  if (failed(n.needInputs(1)) || failed(n.needRank(0, 3)) || failed(n.needFloat(0)))
    return failure();
  GraphBuilder &g = n.g;
  ONNX_TRY(w, poolWindow(n));
  int64_t p = n.intAttr("p", 2);
  if (p < 1)
    return n.invalid("expected p of at least 1, found " + Twine(p));
  if (w.ceilMode || !w.dynamicLow.empty())
    return n.unsupported("ceil_mode, and auto_pad SAME with a stride on symbolic sizes, are not supported");
  Tensor image = raise(g, g.unary<AbsOp>(channelsLast(g, n.in(0))), static_cast<double>(p));
  ONNX_TRY(high, overhang(n, image, w));
  image = extend(g, image, g.scalar(0, image.element), high);
  Dims dims = resultDims(n, image, w);
  auto everywhere = [](ArrayRef<int64_t> spatial, int64_t outside) {
    SmallVector<int64_t> list{outside};
    llvm::append_range(list, spatial);
    list.push_back(outside);
    return list;
  };
  auto op = ReduceWindowOp::create(g.builder, g.loc, g.type(image.element, dims), ReduceKind::sum,
                                   g.value(image), everywhere(w.kernel, 1), everywhere(w.strides, 1),
                                   everywhere(w.dilations, 1), everywhere(w.low, 0), everywhere(w.high, 0));
  return n.out(channelsFirst(g, raise(g, g.wrap(op, dims), 1.0 / static_cast<double>(p))));
}

SmallVector<int64_t> spatialAxes(const Tensor &x) { return axesFrom(2, x.rank()); }

LogicalResult globalAveragePool(NodeContext &n) {
  if (failed(n.needInputs(1)) || failed(n.needRank(0, 2)) || failed(n.needFloat(0)))
    return failure();
  return n.out(n.g.mean(n.in(0), spatialAxes(n.in(0))));
}

LogicalResult globalMaxPool(NodeContext &n) {
  if (failed(n.needInputs(1)) || failed(n.needRank(0, 2)))
    return failure();
  return n.out(n.g.reduce(ReduceKind::max, n.in(0), spatialAxes(n.in(0))));
}

LogicalResult globalLpPool(NodeContext &n) {
  if (failed(n.needInputs(1)) || failed(n.needRank(0, 2)) || failed(n.needFloat(0)))
    return failure();
  auto p = static_cast<double>(n.intAttr("p", 2));
  if (p < 1)
    return n.invalid("expected p of at least 1");
  Tensor powers = raise(n.g, n.g.unary<AbsOp>(n.in(0)), p);
  return n.out(raise(n.g, n.g.reduce(ReduceKind::sum, powers, spatialAxes(n.in(0))), 1.0 / p));
}

} // namespace

void tenon::importer::registerPooling(OpTable &t) {
  t.add("MaxPool", maxPool);
  t.add("AveragePool", averagePool);
  t.add("LpPool", lpPool);
  t.add("GlobalAveragePool", globalAveragePool);
  t.add("GlobalMaxPool", globalMaxPool);
  t.add("GlobalLpPool", globalLpPool);
}
