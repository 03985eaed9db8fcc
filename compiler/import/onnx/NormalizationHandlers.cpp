//===- NormalizationHandlers.cpp - normalizations ---------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/NodeContext.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

namespace {

FloatAttr epsilonOf(NodeContext &n) {
  bool skips = StringRef(n.node.op_type()).starts_with("Skip"); // com.microsoft has another default
  return n.g.builder.getF64FloatAttr(n.floatAttr("epsilon", skips ? 1e-12f : 1e-5f));
}

/// A parameter for each channel.
FailureOr<Tensor> perChannel(NodeContext &n, int64_t input) {
  const Tensor &x = n.in(0), &p = n.in(input);
  if (p.rank() != 1 || p.element != x.element)
    return n.invalid("expected one number of the input's type for each channel as input " + Twine(input) +
                     ", found " + describe(p));
  if (failed(n.sameSize(p.dims[0], x.dims[1], "the channels of input " + std::to_string(input))))
    return failure();
  return p;
}

/// One number a channel, as [1, C, 1, ...].
Tensor alongChannels(GraphBuilder &g, const Tensor &t, int64_t rank) {
  Dims dims(rank, g.size(1));
  dims[1] = t.dims[0];
  return g.reshape(t, dims);
}

/// Statistics of the batch itself; the running ones move towards them.
LogicalResult batchNormTraining(NodeContext &n, const Tensor &scale, const Tensor &bias, const Tensor &mean,
                                const Tensor &variance) {
  GraphBuilder &g = n.g;
  const Tensor &x = n.in(0);
  SmallVector<int64_t> axes{0};
  for (int64_t axis = 2; axis < x.rank(); ++axis)
    axes.push_back(axis);
  Tensor batchMean = g.mean(x, axes);
  Tensor centered = g.binary<SubOp>(x, g.broadcast(batchMean, x.dims));
  Tensor batchVariance = g.mean(g.binary<MulOp>(centered, centered), axes);
  Tensor factor = g.unary<RsqrtOp>(g.binary<AddOp>(batchVariance, n.floatAttr("epsilon", 1e-5)));
  factor = g.binary<MulOp>(factor, g.convert(alongChannels(g, scale, x.rank()), x.element));
  Tensor y = g.binary<MulOp>(centered, g.broadcast(factor, x.dims));
  y = g.binary<AddOp>(y, g.broadcast(g.convert(alongChannels(g, bias, x.rank()), x.element), x.dims));
  double momentum = n.floatAttr("momentum", 0.9);
  auto moved = [&](const Tensor &running, const Tensor &batch) {
    Tensor flat = g.convert(g.reshape(batch, running.dims), running.element);
    return g.binary<AddOp>(g.binary<MulOp>(running, momentum), g.binary<MulOp>(flat, 1 - momentum));
  };
  (void)n.out(y, 0);
  if (n.wants(1))
    (void)n.out(moved(mean, batchMean), 1);
  if (n.wants(2))
    (void)n.out(moved(variance, batchVariance), 2);
  return success();
}

LogicalResult batchNorm(NodeContext &n) {
  if (failed(n.needInputs(5)) || failed(n.needFloat(0)) || failed(n.needRank(0, 2)))
    return failure();
  bool training = n.opset >= 14 && n.intAttr("training_mode", 0);
  if (n.wants(3) || (n.wants(1) && !training))
    return n.unsupported("statistics are wanted without training_mode; export the model for inference");
  if (!n.intAttr("spatial", 1))
    return n.unsupported("spatial=0 is not supported");
  ONNX_TRY(scale, perChannel(n, 1));
  ONNX_TRY(bias, perChannel(n, 2));
  ONNX_TRY(mean, perChannel(n, 3));
  ONNX_TRY(variance, perChannel(n, 4));
  if (training)
    return batchNormTraining(n, scale, bias, mean, variance);
  GraphBuilder &g = n.g;
  Value v = g.value(n.in(0));
  auto axis = g.builder.getI64IntegerAttr(1);
  auto op = BatchNormOp::create(g.builder, g.loc, v.getType(), v, g.value(scale), g.value(bias),
                                g.value(mean), g.value(variance), axis, epsilonOf(n));
  return n.out(g.wrap(op, n.in(0).dims));
}

LogicalResult groupNormOf(NodeContext &n, const Tensor &scale, const Tensor &bias, int64_t groups) {
  GraphBuilder &g = n.g;
  Value v = g.value(n.in(0)), s = g.value(scale), b = g.value(bias);
  auto op = GroupNormOp::create(g.builder, g.loc, v.getType(), v, s, b, g.builder.getI64IntegerAttr(groups),
                                epsilonOf(n));
  return n.out(g.wrap(op, n.in(0).dims));
}

LogicalResult instanceNorm(NodeContext &n) {
  if (failed(n.needInputs(3)) || failed(n.needFloat(0)) || failed(n.needRank(0, 3)))
    return failure();
  ONNX_TRY(scale, perChannel(n, 1));
  ONNX_TRY(bias, perChannel(n, 2));
  auto channels = n.in(0).dims[1].constant();
  if (!channels)
    channels = scale.dims[0].constant();
  if (!channels)
    return n.unsupported("expected a constant number of channels, found " + describe(n.in(0)));
  return groupNormOf(n, scale, bias, *channels);
}

LogicalResult groupNorm(NodeContext &n) {
  if (failed(n.needInputs(3)) || failed(n.needFloat(0)) || failed(n.needRank(0, 2)))
    return failure();
  const Tensor &x = n.in(0);
  int64_t groups = n.intAttr("num_groups", 0);
  auto channels = x.dims[1].constant();
  if (!channels)
    return n.unsupported("expected a constant number of channels, found " + describe(x));
  if (groups < 1 || *channels % groups)
    return n.invalid("expected num_groups that divides the channels of " + describe(x) + ", found " +
                     Twine(groups));
  if (n.opset >= 21) {
    ONNX_TRY(scale, perChannel(n, 1));
    ONNX_TRY(bias, perChannel(n, 2));
    return groupNormOf(n, scale, bias, groups);
  }
  // Before opset 21 scale and bias are given for each group.
  GraphBuilder &g = n.g;
  auto spread = [&](int64_t input) -> FailureOr<Tensor> {
    const Tensor &p = n.in(input);
    if (p.rank() != 1 || !p.dims[0].isConstant(groups) || p.element != x.element)
      return n.invalid("expected one number for each group as input " + Twine(input) + ", found " +
                       describe(p));
    Tensor t = g.broadcast(g.unsqueeze(p, 1), {g.size(groups), g.size(*channels / groups)});
    return g.reshape(t, {g.size(*channels)});
  };
  ONNX_TRY(scale, spread(1));
  ONNX_TRY(bias, spread(2));
  return groupNormOf(n, scale, bias, groups);
}

/// A parameter of the normalized axes, with the input's rank.
FailureOr<Tensor> normalizedParameter(NodeContext &n, const Tensor &p, const Tensor &x, int64_t axis,
                                      StringRef what) {
  if (p.element != x.element || p.rank() > x.rank())
    return n.invalid("expected " + what + " of the input's element type and at most its rank, found " +
                     describe(p));
  Tensor t = n.g.toRank(p, x.rank());
  Dims dims(x.rank(), n.g.size(1));
  for (int64_t i = 0; i < x.rank(); ++i) {
    if (i >= axis)
      dims[i] = x.dims[i];
    else if (!t.dims[i].isConstant(1))
      return n.unsupported(what + " varies along an axis that is not normalized: " + describe(p));
  }
  return n.broadcastTo(t, dims, what);
}

FailureOr<Tensor> layerNormOf(NodeContext &n, const Tensor &x, const Tensor &scale, const Tensor *bias,
                              int64_t axis) {
  GraphBuilder &g = n.g;
  ONNX_TRY(factor, normalizedParameter(n, scale, x, axis, "the scale"));
  Value offset;
  if (bias) {
    ONNX_TRY(t, normalizedParameter(n, *bias, x, axis, "the bias"));
    offset = g.value(t);
  }
  Value v = g.value(x), f = g.value(factor);
  auto op = LayerNormOp::create(g.builder, g.loc, v.getType(), v, f, offset,
                                g.builder.getI64IntegerAttr(axis), epsilonOf(n));
  return g.wrap(op, x.dims);
}

FailureOr<Tensor> rmsNormOf(NodeContext &n, const Tensor &x, const Tensor &scale, int64_t axis) {
  GraphBuilder &g = n.g;
  ONNX_TRY(factor, normalizedParameter(n, scale, x, axis, "the scale"));
  Value v = g.value(x), f = g.value(factor);
  return g.wrap(
      RmsNormOp::create(g.builder, g.loc, v.getType(), v, f, g.builder.getI64IntegerAttr(axis), epsilonOf(n)),
      x.dims);
}

LogicalResult layerNorm(NodeContext &n) {
  if (failed(n.needInputs(2)) || failed(n.needFloat(0)) || failed(n.needRank(0, 1)))
    return failure();
  const Tensor &x = n.in(0);
  ONNX_TRY(axis, n.axis(n.intAttr("axis", -1), x.rank()));
  ONNX_TRY(result, layerNormOf(n, x, n.in(1), n.has(2) ? &n.in(2) : nullptr, axis));
  if (n.wants(1) || n.wants(2)) {
    GraphBuilder &g = n.g;
    SmallVector<int64_t> axes = axesFrom(axis, x.rank());
    Tensor wide = isa<Float64Type>(x.element) ? x : g.convert(x, n.f32());
    Tensor mean = g.mean(wide, axes);
    Tensor centred = g.binary<SubOp>(wide, g.broadcast(mean, x.dims));
    Tensor variance = g.mean(g.binary<MulOp>(centred, centred), axes);
    (void)n.out(mean, 1);
    (void)n.out(g.unary<RsqrtOp>(g.binary<AddOp>(variance, epsilonOf(n).getValueAsDouble())), 2);
  }
  return n.out(result);
}

LogicalResult rmsNorm(NodeContext &n) {
  if (failed(n.needInputs(2)) || failed(n.needFloat(0)) || failed(n.needRank(0, 1)))
    return failure();
  ONNX_TRY(axis, n.axis(n.intAttr("axis", -1), n.in(0).rank()));
  ONNX_TRY(result, rmsNormOf(n, n.in(0), n.in(1), axis));
  return n.out(result);
}

/// input + skip + bias, normalized along the last dimension; the sum is output 3.
template <bool rms> LogicalResult skipNorm(NodeContext &n) {
  if (failed(n.needInputs(3)) || failed(n.needFloat(0)) || failed(n.needRank(0, 1)))
    return failure();
  if (n.wants(1) || n.wants(2))
    return n.unsupported("mean and inverse deviation are not supported as outputs");
  ONNX_TRY(skip, n.broadcastTo(n.in(1), n.in(0).dims, "the skip input"));
  Tensor sum = n.g.binary<AddOp>(n.in(0), skip);
  int64_t extra = rms ? 3 : 4;
  if (n.has(extra)) {
    ONNX_TRY(bias, n.broadcastTo(n.in(extra), sum.dims, "the bias"));
    sum = n.g.binary<AddOp>(sum, bias);
  }
  int64_t axis = sum.rank() - 1;
  if (n.wants(3))
    (void)n.out(sum, 3);
  if (rms) {
    ONNX_TRY(result, rmsNormOf(n, sum, n.in(2), axis));
    return n.out(result);
  }
  ONNX_TRY(result, layerNormOf(n, sum, n.in(2), n.has(3) ? &n.in(3) : nullptr, axis));
  return n.out(result);
}

/// x / (bias + alpha / size * sum of x * x over `size` neighbouring channels) ^ beta.
LogicalResult localResponseNorm(NodeContext &n) {
  if (failed(n.needInputs(1)) || failed(n.needFloat(0)) || failed(n.needRank(0, 2)))
    return failure();
  GraphBuilder &g = n.g;
  const Tensor &x = n.in(0);
  int64_t size = n.intAttr("size", 0);
  if (size < 1 || size > (1 << 24))
    return n.invalid("expected a size of at least 1, found " + Twine(size));
  SmallVector<int64_t> window(x.rank(), 1), ones(x.rank(), 1), low(x.rank(), 0), high(x.rank(), 0);
  window[1] = size;
  low[1] = (size - 1) / 2;
  high[1] = size - 1 - low[1];
  Value squares = g.value(g.binary<MulOp>(x, x));
  Tensor sum = g.wrap(ReduceWindowOp::create(g.builder, g.loc, squares.getType(), ReduceKind::sum, squares,
                                             window, ones, ones, low, high),
                      x.dims);
  double alpha = n.floatAttr("alpha", 1e-4f), beta = n.floatAttr("beta", 0.75),
         bias = n.floatAttr("bias", 1.0);
  Tensor base = g.binary<AddOp>(g.binary<MulOp>(sum, alpha / static_cast<double>(size)), bias);
  return n.out(g.binary<DivOp>(x, g.binary<PowOp>(base, beta)));
}

LogicalResult meanVarianceNorm(NodeContext &n) {
  if (failed(n.needInputs(1)) || failed(n.needFloat(0)))
    return failure();
  GraphBuilder &g = n.g;
  const Tensor &x = n.in(0);
  SmallVector<int64_t> axes = n.intsAttr("axes").value_or(SmallVector<int64_t>{0, 2, 3});
  for (int64_t &a : axes) {
    ONNX_TRY(normal, n.axis(a, x.rank()));
    a = normal;
  }
  llvm::sort(axes);
  axes.erase(llvm::unique(axes), axes.end());
  Tensor centred = g.binary<SubOp>(x, g.broadcast(g.mean(x, axes), x.dims));
  Tensor deviation = g.unary<SqrtOp>(g.mean(g.binary<MulOp>(centred, centred), axes));
  deviation = g.binary<AddOp>(deviation, 1e-9);
  return n.out(g.binary<DivOp>(centred, g.broadcast(deviation, x.dims)));
}

} // namespace

void tenon::importer::registerNormalizations(OpTable &t) {
  t.add("BatchNormalization", batchNorm);
  t.add("InstanceNormalization", instanceNorm);
  t.add("GroupNormalization", groupNorm);
  t.add("LayerNormalization", layerNorm);
  t.add("RMSNormalization", rmsNorm);
  t.add("LRN", localResponseNorm);
  t.add("MeanVarianceNormalization", meanVarianceNorm);
  t.add("SimplifiedLayerNormalization", rmsNorm);
  t.add("com.microsoft:LayerNormalization", layerNorm);
  t.add("com.microsoft:SimplifiedLayerNormalization", rmsNorm);
  t.add("com.microsoft:SkipLayerNormalization", skipNorm<false>);
  t.add("com.microsoft:SkipSimplifiedLayerNormalization", skipNorm<true>);
}
