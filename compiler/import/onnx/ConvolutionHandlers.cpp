//===- ConvolutionHandlers.cpp - Conv and ConvTranspose ---------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/SizeRules.h"
#include "compiler/import/onnx/GraphImporter.h"
#include "compiler/import/onnx/Images.h"
#include "compiler/import/onnx/Products.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

/// Kernel sizes, strides, dilations and paddings above this are nonsense and would overflow sizes.
static constexpr int64_t kMaxWindow = 1 << 24;

Tensor tenon::importer::channelsLast(GraphBuilder &g, const Tensor &x) {
  SmallVector<int64_t> permutation{0};
  for (int64_t i = 2; i < x.rank(); ++i)
    permutation.push_back(i);
  permutation.push_back(1);
  return g.transpose(x, permutation);
}

Tensor tenon::importer::channelsFirst(GraphBuilder &g, const Tensor &x) {
  SmallVector<int64_t> permutation{0, x.rank() - 1};
  for (int64_t i = 1; i < x.rank() - 1; ++i)
    permutation.push_back(i);
  return g.transpose(x, permutation);
}

namespace {

FailureOr<SmallVector<int64_t>> perAxis(NodeContext &n, StringRef name, size_t count, int64_t otherwise,
                                        int64_t least) {
  auto values = n.intsAttr(name);
  SmallVector<int64_t> list = values ? *values : SmallVector<int64_t>(count, otherwise);
  if (list.size() != count)
    return n.invalid("expected " + Twine(count) + " numbers in '" + name + "', found " + Twine(list.size()));
  for (int64_t v : list)
    if (v < least || v > kMaxWindow)
      return n.invalid("expected numbers from " + Twine(least) + " to " + Twine(kMaxWindow) + " in '" + name +
                       "', found " + Twine(v));
  return list;
}

/// SAME: as many positions as ceil(size / stride); the odd one of the padding goes to the end (UPPER) or the
/// start.
void samePadding(GraphBuilder &g, Window &w, const Tensor &x, bool upper) {
  bool isDynamic = false;
  for (size_t i = 0; i < w.kernel.size(); ++i) {
    Size size = x.dims[i + 2];
    int64_t reach = w.dilations[i] * (w.kernel[i] - 1) + 1;
    Size total = w.strides[i] == 1
                     ? g.size(reach - 1)
                     : ((size.ceilDiv(w.strides[i]) - 1) * w.strides[i] + reach - size).max(g.size(0));
    Size half = total.floorDiv(2), rest = total - half;
    w.dynamicLow.push_back(upper ? half : rest);
    w.dynamicHigh.push_back(upper ? rest : half);
    isDynamic |= !total.constant();
  }
  w.low.assign(w.kernel.size(), 0);
  w.high.assign(w.kernel.size(), 0);
  if (isDynamic)
    return;
  for (size_t i = 0; i < w.kernel.size(); ++i) {
    w.low[i] = *w.dynamicLow[i].constant();
    w.high[i] = *w.dynamicHigh[i].constant();
  }
  w.dynamicLow.clear();
  w.dynamicHigh.clear();
}

} // namespace

FailureOr<Window> tenon::importer::readWindow(NodeContext &n, const Tensor &x,
                                              std::optional<SmallVector<int64_t>> kernel) {
  if (x.rank() < 3)
    return n.invalid("expected an image [N, C, spatial...], found " + describe(x));
  size_t count = x.rank() - 2;
  Window w;
  if (kernel) {
    w.kernel = *kernel;
    if (auto stated = n.intsAttr("kernel_shape"); stated && *stated != *kernel)
      return n.invalid("expected kernel_shape to be the filter's shape");
  } else if (!n.attr("kernel_shape")) {
    return n.invalid("expected the attribute kernel_shape");
  } else {
    ONNX_TRY(sizes, perAxis(n, "kernel_shape", count, 1, 1));
    w.kernel = sizes;
  }
  ONNX_TRY(strides, perAxis(n, "strides", count, 1, 1));
  ONNX_TRY(dilations, perAxis(n, "dilations", count, 1, 1));
  w.strides = strides;
  w.dilations = dilations;
  w.ceilMode = n.intAttr("ceil_mode", 0);
  std::string mode = n.stringAttr("auto_pad", "NOTSET");
  if (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
    samePadding(n.g, w, x, mode == "SAME_UPPER");
    return w;
  }
  if (mode != "NOTSET" && mode != "VALID" && !mode.empty())
    return n.invalid("expected auto_pad NOTSET, VALID, SAME_UPPER or SAME_LOWER, found '" + mode + "'");
  ONNX_TRY(pads, perAxis(n, "pads", 2 * count, 0, -kMaxWindow));
  if (mode == "VALID")
    pads.assign(2 * count, 0);
  w.low.assign(pads.begin(), pads.begin() + count);
  w.high.assign(pads.begin() + count, pads.end());
  return w;
}

Size tenon::importer::excess(const Tensor &x, const Window &w, size_t axis) {
  Size reach = x.dims[axis + 1].context()->constant((w.kernel[axis] - 1) * w.dilations[axis] + 1);
  return reach - (x.dims[axis + 1] + (w.low[axis] + w.high[axis]));
}

LogicalResult tenon::importer::needRoom(NodeContext &n, const Tensor &x, const Window &w,
                                        ArrayRef<int64_t> slack) {
  for (size_t i = 0; i < w.kernel.size(); ++i) {
    Size room = n.g.size(slack[i]) - excess(x, w, i);
    SizeRange range = room.range();
    if (range.min && *range.min >= 0)
      continue;
    SmallVector<StringRef> symbols = room.symbols();
    bool never = range.max && *range.max < 0;
    if (never || (symbols.size() == 1 && !smallestFor(n.g.sizes, room, symbols.front(), 0)))
      return n.invalid("the window is larger than the image " + describe(x));
    if (isa_and_nonnull<func::FuncOp>(n.g.builder.getInsertionBlock()->getParentOp()))
      n.g.bounds.push_back({room, 0});
  }
  return success();
}

SmallVector<Size> tenon::importer::positions(GraphBuilder &g, const Tensor &x, const Window &w) {
  SmallVector<Size> list;
  for (size_t i = 0; i < w.kernel.size(); ++i)
    list.push_back(windowPositions(x.dims[i + 1], g.size(w.kernel[i]), w.strides[i], w.dilations[i], w.low[i],
                                   w.high[i], w.ceilMode));
  return list;
}

namespace {

/// The filter's window sizes, which must be constant.
FailureOr<SmallVector<int64_t>> filterWindow(NodeContext &n, const Tensor &filter) {
  SmallVector<int64_t> window;
  for (Size s : ArrayRef<Size>(filter.dims).drop_front(2)) {
    if (!s.constant())
      return n.unsupported("expected a filter of constant shape, found " + describe(filter));
    if (*s.constant() < 1 || *s.constant() > kMaxWindow)
      return n.invalid("expected a filter that is not empty, found " + describe(filter));
    window.push_back(*s.constant());
  }
  return window;
}

/// Builds the convolution of channels-last operands, adds the bias and goes back to channels-first.
FailureOr<Tensor> finish(NodeContext &n, const Tensor &x, const Tensor &filter, const Tensor *bias,
                         const Window &w, ArrayRef<int64_t> inputDilations, int64_t groups) {
  GraphBuilder &g = n.g;
  Dims dims{x.dims[0]}, spreads = x.dims;
  for (size_t i = 0; i < w.kernel.size(); ++i) {
    Size spread = (x.dims[i + 1] - 1) * inputDilations[i] + 1;
    Size count = windowPositions(spread, g.size(w.kernel[i]), w.strides[i], w.dilations[i], w.low[i],
                                 w.high[i], false);
    dims.push_back(count);
    spreads[i + 1] = spread;
  }
  Tensor spreadImage = x;
  spreadImage.dims = spreads;
  if (failed(needRoom(n, spreadImage, w, SmallVector<int64_t>(w.kernel.size(), 0))))
    return failure();
  dims.push_back(filter.dims.back());
  Value v = g.value(x), f = g.value(filter);
  auto op = ConvOp::create(g.builder, g.loc, g.type(x.element, dims), v, f, w.strides, w.dilations, w.low,
                           w.high, inputDilations, groups);
  Tensor result = g.wrap(op, dims);
  if (bias) {
    if (bias->rank() != 1 || bias->element != x.element)
      return n.invalid("expected a bias for each channel, found " + describe(*bias));
    ONNX_TRY(everywhere, n.broadcastTo(*bias, dims, "the bias"));
    result = g.binary<AddOp>(result, everywhere);
  }
  return channelsFirst(g, result);
}

FailureOr<int64_t> groupsOf(NodeContext &n, const Tensor &x, const Tensor &filter) {
  int64_t groups = n.intAttr("group", 1);
  if (filter.rank() != x.rank() || filter.element != x.element)
    return n.invalid("expected a filter of the input's rank and type, found " + describe(filter) + " for " +
                     describe(x));
  if (groups < 1 || groups > kMaxWindow)
    return n.invalid("expected at least one group, found " + Twine(groups));
  if (!filter.dims[0].constant() || !filter.dims[1].constant())
    return n.unsupported("expected a filter of constant shape, found " + describe(filter));
  return groups;
}

} // namespace

FailureOr<Tensor> tenon::importer::convolve(NodeContext &n, const Tensor &x, const Tensor &filter,
                                            const Tensor *bias) {
  ONNX_TRY(groups, groupsOf(n, x, filter));
  if (*filter.dims[0].constant() % groups)
    return n.invalid("expected output channels in " + Twine(groups) + " equal groups, found " +
                     describe(filter));
  if (failed(n.sameSize(filter.dims[1] * groups, x.dims[1], "the channels of the input and of the filter")))
    return failure();
  ONNX_TRY(kernel, filterWindow(n, filter));
  ONNX_TRY(w, readWindow(n, x, kernel));
  GraphBuilder &g = n.g;
  Tensor image = channelsLast(g, x);
  if (!w.dynamicLow.empty()) {
    Dims low(x.rank(), g.size(0)), high = low;
    llvm::copy(w.dynamicLow, low.begin() + 1);
    llvm::copy(w.dynamicHigh, high.begin() + 1);
    image = g.pad(image, g.scalar(0, x.element), low, high);
  }
  SmallVector<int64_t> permutation; // [O, C, window...] -> [window..., C, O]
  for (int64_t i = 2; i < filter.rank(); ++i)
    permutation.push_back(i);
  permutation.append({1, 0});
  return finish(n, image, g.transpose(filter, permutation), bias, w, SmallVector<int64_t>(kernel.size(), 1),
                groups);
}

namespace {

LogicalResult conv(NodeContext &n) {
  if (failed(n.needInputs(2)) || failed(n.needFloat(0)) || failed(n.needRank(0, 3)))
    return failure();
  ONNX_TRY(result, convolve(n, n.in(0), n.in(1), n.has(2) ? &n.in(2) : nullptr));
  return n.out(result);
}

/// [C, O / groups, window...] to [window..., C / groups, O] with the window turned round: a transposed
/// convolution is the convolution of an image with zeros between its elements.
Tensor turnedFilter(GraphBuilder &g, const Tensor &filter, int64_t groups) {
  int64_t spatial = filter.rank() - 2;
  Dims split{g.size(groups), g.size(*filter.dims[0].constant() / groups)};
  split.append(filter.dims.begin() + 1, filter.dims.end());
  SmallVector<int64_t> permutation;
  for (int64_t i = 0; i < spatial; ++i)
    permutation.push_back(3 + i);
  permutation.append({1, 0, 2});
  Tensor t = g.transpose(g.reshape(filter, split), permutation);
  Dims dims(t.dims.begin(), t.dims.begin() + spatial + 1);
  dims.push_back(t.dims[spatial + 1] * t.dims[spatial + 2]);
  t = g.reshape(t, dims);
  Dims offsets(t.rank(), g.size(0));
  SmallVector<int64_t> strides(t.rank(), 1);
  for (int64_t i = 0; i < spatial; ++i) {
    offsets[i] = t.dims[i] - 1;
    strides[i] = -1;
  }
  return g.slice(t, offsets, t.dims, strides);
}

/// The pads of the transposed convolution, from pads, output_shape or auto_pad.
LogicalResult transposedPads(NodeContext &n, const Tensor &x, Window &w, ArrayRef<int64_t> outputPadding) {
  size_t count = w.kernel.size();
  std::string mode = n.stringAttr("auto_pad", "NOTSET");
  bool same = mode == "SAME_UPPER" || mode == "SAME_LOWER";
  auto shape = n.intsAttr("output_shape");
  if (!same && (!shape || shape->empty()))
    return success();
  if (shape && shape->size() == count + 2)
    shape->erase(shape->begin(), shape->begin() + 2);
  if (shape && !shape->empty() && shape->size() != count)
    return n.invalid("expected " + Twine(count) + " sizes in output_shape, found " + Twine(shape->size()));
  w.low.assign(count, 0);
  w.high.assign(count, 0);
  for (size_t i = 0; i < count; ++i) {
    Size size = x.dims[i + 2];
    Size wanted = shape && !shape->empty() ? n.g.size((*shape)[i]) : size * w.strides[i];
    Size full = (size - 1) * w.strides[i] + (outputPadding[i] + w.dilations[i] * (w.kernel[i] - 1) + 1);
    auto total = (full - wanted).constant();
    if (!total)
      return n.unsupported("output_shape with the symbolic input size " + size.str() +
                           "; fix it with --shape");
    int64_t half = std::max<int64_t>(*total, 0) / 2, rest = std::max<int64_t>(*total, 0) - half;
    w.low[i] = mode == "SAME_UPPER" ? half : rest;
    w.high[i] = mode == "SAME_UPPER" ? rest : half;
    w.high[i] += std::min<int64_t>(*total, 0); // a wanted shape beyond the full one grows at the end
  }
  return success();
}

LogicalResult convTranspose(NodeContext &n) {
  if (failed(n.needInputs(2)) || failed(n.needFloat(0)) || failed(n.needRank(0, 3)))
    return failure();
  const Tensor &x = n.in(0), &filter = n.in(1);
  ONNX_TRY(groups, groupsOf(n, x, filter));
  if (*filter.dims[0].constant() % groups)
    return n.invalid("expected input channels in " + Twine(groups) + " equal groups, found " +
                     describe(filter));
  if (failed(n.sameSize(filter.dims[0], x.dims[1], "the channels of the input and of the filter")))
    return failure();
  ONNX_TRY(kernel, filterWindow(n, filter));
  ONNX_TRY(w, readWindow(n, x, kernel));
  ONNX_TRY(outputPadding, perAxis(n, "output_padding", kernel.size(), 0, 0));
  if (failed(transposedPads(n, x, w, outputPadding)))
    return failure();
  SmallVector<int64_t> inputDilations = w.strides;
  for (size_t i = 0; i < kernel.size(); ++i) {
    int64_t reach = w.dilations[i] * (kernel[i] - 1);
    w.low[i] = reach - w.low[i];
    w.high[i] = reach - w.high[i] + outputPadding[i];
  }
  w.strides.assign(kernel.size(), 1);
  ONNX_TRY(result, finish(n, channelsLast(n.g, x), turnedFilter(n.g, filter, groups),
                          n.has(2) ? &n.in(2) : nullptr, w, inputDilations, groups));
  return n.out(result);
}

} // namespace

void tenon::importer::registerConvolutions(OpTable &t) {
  t.add("Conv", conv);
  t.add("ConvTranspose", convTranspose);
}
