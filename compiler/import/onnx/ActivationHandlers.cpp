//===- ActivationHandlers.cpp - activation functions ------------------------===//
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

LogicalResult needFloatInput(NodeContext &n) {
  return success(succeeded(n.needInputs(1)) && succeeded(n.needFloat(0)));
}

template <typename Op> LogicalResult plain(NodeContext &n) {
  if (failed(needFloatInput(n)))
    return failure();
  return n.out(n.g.unary<Op>(n.in(0)));
}

LogicalResult relu(NodeContext &n) {
  if (failed(n.needInputs(1)))
    return failure();
  if (n.in(0).element.isInteger(1))
    return n.invalid("expected numbers, found " + describe(n.in(0)));
  return n.out(n.g.unary<ReluOp>(n.in(0)));
}

template <typename Op> LogicalResult oneParameter(NodeContext &n, StringRef name, double otherwise) {
  if (failed(needFloatInput(n)))
    return failure();
  return n.out(n.g.unary<Op>(n.in(0), n.g.builder.getF64FloatAttr(n.floatAttr(name, otherwise))));
}

LogicalResult leakyRelu(NodeContext &n) { return oneParameter<LeakyReluOp>(n, "alpha", 0.01f); }
LogicalResult thresholdedRelu(NodeContext &n) { return oneParameter<ThresholdedReluOp>(n, "alpha", 1.0); }
LogicalResult elu(NodeContext &n) { return oneParameter<EluOp>(n, "alpha", 1.0); }
LogicalResult celu(NodeContext &n) { return oneParameter<CeluOp>(n, "alpha", 1.0); }
LogicalResult swish(NodeContext &n) { return oneParameter<SiluOp>(n, "alpha", 1.0); }
/// The gate's swish times the value.
LogicalResult swiGlu(NodeContext &n) {
  if (failed(n.needInputs(2)) || failed(n.needFloat(0)))
    return failure();
  const Tensor &gate = n.in(0), &value = n.in(1);
  if (gate.rank() != value.rank() || gate.element != value.element)
    return n.invalid("expected a gate and a value of one shape and type, found " + describe(gate) + " and " +
                     describe(value));
  for (auto [a, b] : llvm::zip_equal(gate.dims, value.dims))
    if (failed(n.sameSize(a, b, "a dimension of the gate and the value")))
      return failure();
  Value v = n.g.value(gate);
  auto swished = SiluOp::create(n.g.builder, n.g.loc, v.getType(), v,
                                n.g.builder.getF64FloatAttr(n.floatAttr("alpha", 1.0)));
  return n.out(n.g.binary<MulOp>(n.g.wrap(swished, gate.dims), value));
}
LogicalResult quickGelu(NodeContext &n) { return oneParameter<SiluOp>(n, "alpha", 1.702f); }

LogicalResult hardSigmoid(NodeContext &n) {
  if (failed(needFloatInput(n)))
    return failure();
  Builder &b = n.g.builder;
  return n.out(n.g.unary<HardSigmoidOp>(n.in(0), b.getF64FloatAttr(n.floatAttr("alpha", 0.2f)),
                                        b.getF64FloatAttr(n.floatAttr("beta", 0.5))));
}

LogicalResult selu(NodeContext &n) {
  if (failed(needFloatInput(n)))
    return failure();
  Builder &b = n.g.builder;
  return n.out(n.g.unary<SeluOp>(n.in(0), b.getF64FloatAttr(n.floatAttr("alpha", 1.67326319217681884765625)),
                                 b.getF64FloatAttr(n.floatAttr("gamma", 1.05070102214813232421875))));
}

LogicalResult gelu(NodeContext &n) {
  if (failed(needFloatInput(n)))
    return failure();
  std::string approximate = n.stringAttr("approximate", "none");
  if (approximate != "none" && approximate != "tanh")
    return n.invalid("expected approximate 'none' or 'tanh', found '" + approximate + "'");
  return n.out(n.g.unary<GeluOp>(n.in(0), approximate == "tanh"));
}

/// The sum with an optional bias along the last dimension, as com.microsoft's fused forms have it.
FailureOr<Tensor> withBias(NodeContext &n) {
  if (failed(needFloatInput(n)))
    return failure();
  if (!n.has(1))
    return n.in(0);
  ONNX_TRY(bias, n.broadcastTo(n.in(1), n.in(0).dims, "the bias"));
  return n.g.binary<AddOp>(n.in(0), bias);
}

LogicalResult fastGelu(NodeContext &n) {
  ONNX_TRY(x, withBias(n));
  return n.out(n.g.unary<GeluOp>(x, true));
}

LogicalResult biasGelu(NodeContext &n) {
  ONNX_TRY(x, withBias(n));
  return n.out(n.g.unary<GeluOp>(x, false));
}

LogicalResult pRelu(NodeContext &n) {
  if (failed(n.needInputs(2)))
    return failure();
  const Tensor &x = n.in(0);
  if (n.in(1).element != x.element)
    return n.invalid("expected the slope to have the input's element type, found " + describe(n.in(1)));
  ONNX_TRY(slope, n.broadcastTo(n.in(1), x.dims, "the slope"));
  Tensor negative = n.g.compare(CmpPredicate::lt, x, n.g.full(0, x.element, x.dims));
  return n.out(n.g.select(negative, n.g.binary<MulOp>(x, slope), x));
}

LogicalResult shrink(NodeContext &n) {
  if (failed(n.needInputs(1)))
    return failure();
  const Tensor &x = n.in(0);
  double lambda = n.floatAttr("lambd", 0.5), bias = n.floatAttr("bias", 0.0);
  Tensor zero = n.g.full(0, x.element, x.dims);
  Tensor below = n.g.compare(CmpPredicate::lt, x, n.g.full(-lambda, x.element, x.dims));
  Tensor above = n.g.compare(CmpPredicate::gt, x, n.g.full(lambda, x.element, x.dims));
  Tensor high = n.g.select(above, n.g.binary<SubOp>(x, bias), zero);
  return n.out(n.g.select(below, n.g.binary<AddOp>(x, bias), high));
}

} // namespace

void tenon::importer::registerActivations(OpTable &t) {
  t.add("Relu", relu);
  t.add("LeakyRelu", leakyRelu);
  t.add("PRelu", pRelu, 7);
  t.add("ThresholdedRelu", thresholdedRelu);
  t.add("Elu", elu);
  t.add("Selu", selu);
  t.add("Celu", celu);
  t.add("Sigmoid", plain<SigmoidOp>);
  t.add("HardSigmoid", hardSigmoid);
  t.add("HardSwish", plain<HardSwishOp>);
  t.add("Swish", swish);
  t.add("SwiGLU", swiGlu);
  t.add("Softplus", plain<SoftplusOp>);
  t.add("Softsign", plain<SoftsignOp>);
  t.add("Mish", plain<MishOp>);
  t.add("Gelu", gelu);
  t.add("Shrink", shrink);
  t.add("com.microsoft:Gelu", gelu);
  t.add("com.microsoft:FastGelu", fastGelu);
  t.add("com.microsoft:BiasGelu", biasGelu);
  t.add("com.microsoft:QuickGelu", quickGelu);
}
