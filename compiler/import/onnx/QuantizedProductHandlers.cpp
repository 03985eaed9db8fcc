//===- QuantizedProductHandlers.cpp - operations on quantized tensors
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An operation on quantized tensors is the floating one between tenon.dequantize and tenon.quantize: the pass
// FormIntegerProducts gives products integer arithmetic again, whichever way a model was written.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Products.h"
#include "compiler/import/onnx/Quantization.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

namespace {

/// The quantized tensor at an input, whose scale and zero point follow it, as floating numbers.
FailureOr<Tensor> floating(NodeContext &n, int64_t input, int64_t axis = 0) {
  return dequantize(n, n.in(input), parametersAt(n, input + 1, axis), n.in(input + 1).element);
}

LogicalResult quantized(NodeContext &n, const Tensor &x, int64_t scale) {
  Type byte = n.g.builder.getIntegerType(8, /*isSigned=*/false);
  ONNX_TRY(y, quantize(n, x, parametersAt(n, scale), n.has(scale + 1) ? n.in(scale + 1).element : byte));
  return n.out(y);
}

LogicalResult needParameters(NodeContext &n, std::initializer_list<int64_t> inputs) {
  for (int64_t i : inputs)
    if (!n.has(i))
      return n.invalid("expected a scale as input " + Twine(i));
  return success();
}

/// The bias of a product of quantized tensors: integers in units of the product of both scales.
FailureOr<Tensor> floatingBias(NodeContext &n, const Tensor &bias, const Tensor &xScale,
                               const Tensor &wScale) {
  if (!bias.element.isInteger(32))
    return n.invalid("expected a bias of type int32, found " + describe(bias));
  Tensor left = xScale, right = wScale;
  GraphBuilder &g = n.g;
  if (elementCount(left.dims) != 1 || right.rank() > 1)
    return n.unsupported("expected one scale for the input, found " + describe(xScale));
  Dims dims = right.rank() ? right.dims : Dims{g.size(1)};
  Tensor unit = g.binary<MulOp>(g.broadcast(g.reshape(left, {g.size(1)}), dims), g.reshape(right, dims));
  return dequantize(n, bias, {unit, Tensor(), 0, 0}, unit.element);
}

LogicalResult qLinearConv(NodeContext &n) {
  if (failed(n.needInputs(2)) || failed(needParameters(n, {1, 3, 4, 6})) || failed(n.needRank(0, 3)))
    return failure();
  ONNX_TRY(x, floating(n, 0));
  ONNX_TRY(filter, floating(n, 3));
  if (!n.has(8)) {
    ONNX_TRY(y, convolve(n, x, filter, nullptr));
    return quantized(n, y, 6);
  }
  ONNX_TRY(bias, floatingBias(n, n.in(8), n.in(1), n.in(4)));
  ONNX_TRY(y, convolve(n, x, filter, &bias));
  return quantized(n, y, 6);
}

LogicalResult qLinearMatMul(NodeContext &n) {
  if (failed(n.needInputs(2)) || failed(needParameters(n, {1, 3, 4, 6})))
    return failure();
  ONNX_TRY(a, floating(n, 0, -2));
  ONNX_TRY(b, floating(n, 3, -1));
  ONNX_TRY(y, matMul(n, a, b));
  return quantized(n, y, 6);
}

/// Integers less their zero point, as i32.
FailureOr<Tensor> centered(NodeContext &n, const Tensor &x, int64_t zero, int64_t axis) {
  GraphBuilder &g = n.g;
  auto type = dyn_cast<IntegerType>(x.element);
  if (!type || type.getWidth() != 8)
    return n.invalid("expected integers of 8 bits, found " + describe(x));
  Tensor wide = g.convert(x, g.builder.getI32Type());
  if (!n.has(zero))
    return wide;
  Tensor z = g.convert(n.in(zero), wide.element);
  if (z.rank() == 1 && elementCount(z.dims) != 1 && x.rank() > 1) {
    Dims dims(x.rank(), g.size(1));
    ONNX_TRY(along, n.axis(axis, x.rank()));
    dims[along] = z.dims[0];
    z = g.reshape(z, dims);
  } else if (z.rank() <= 1) {
    z = g.reshape(z, Dims(x.rank(), g.size(1)));
  }
  ONNX_TRY(everywhere, n.broadcastTo(z, x.dims, "the zero point"));
  return g.binary<SubOp>(wide, everywhere);
}

LogicalResult matMulInteger(NodeContext &n) {
  if (failed(n.needInputs(2)))
    return failure();
  ONNX_TRY(a, centered(n, n.in(0), 2, -2));
  ONNX_TRY(b, centered(n, n.in(1), 3, -1));
  ONNX_TRY(y, matMul(n, a, b));
  return n.out(y);
}

LogicalResult convInteger(NodeContext &n) {
  if (failed(n.needInputs(2)) || failed(n.needRank(0, 3)))
    return failure();
  ONNX_TRY(x, centered(n, n.in(0), 2, 1));
  ONNX_TRY(filter, centered(n, n.in(1), 3, 0));
  ONNX_TRY(y, convolve(n, x, filter, nullptr));
  return n.out(y);
}

template <typename Op> LogicalResult qLinearBinary(NodeContext &n) {
  if (failed(n.needInputs(2)) || !n.has(3) || failed(needParameters(n, {1, 4, 6})))
    return n.failureCode ? failure() : n.invalid("expected two quantized tensors");
  ONNX_TRY(a, floating(n, 0));
  ONNX_TRY(b, floating(n, 3));
  ONNX_TRY(both, n.broadcastAll({a, b}));
  return quantized(n, n.g.binary<Op>(both[0], both[1]), 6);
}

template <typename Op> LogicalResult qLinearUnary(NodeContext &n) {
  if (failed(n.needInputs(2)) || failed(needParameters(n, {3})))
    return failure();
  ONNX_TRY(x, floating(n, 0));
  return quantized(n, n.g.unary<Op>(x), 3);
}

LogicalResult qLinearLeakyRelu(NodeContext &n) {
  if (failed(n.needInputs(2)) || failed(needParameters(n, {3})))
    return failure();
  ONNX_TRY(x, floating(n, 0));
  auto alpha = n.g.builder.getF64FloatAttr(n.floatAttr("alpha", 0.01f));
  return quantized(n, n.g.unary<LeakyReluOp>(x, alpha), 3);
}

LogicalResult qLinearGlobalAveragePool(NodeContext &n) {
  if (failed(n.needInputs(2)) || failed(needParameters(n, {3})) || failed(n.needRank(0, 3)))
    return failure();
  ONNX_TRY(x, floating(n, 0));
  bool last = n.intAttr("channels_last", 0);
  return quantized(n, n.g.mean(x, last ? axesFrom(1, x.rank() - 1) : axesFrom(2, x.rank())), 3);
}

/// Y_scale, Y_zero_point, then (X, scale, zero point) for each input.
LogicalResult qLinearConcat(NodeContext &n) {
  if (failed(n.needInputs(3)) || n.inputCount() < 5 || n.inputCount() % 3 != 2)
    return n.failureCode
               ? failure()
               : n.invalid("expected the result's scale and zero point, then groups of three inputs");
  SmallVector<Tensor> parts;
  for (int64_t i = 2; i < n.inputCount(); i += 3) {
    if (!n.has(i) || !n.has(i + 1))
      return n.invalid("expected a quantized tensor as input " + Twine(i));
    ONNX_TRY(part, floating(n, i));
    if (!parts.empty() && part.rank() != parts.front().rank())
      return n.invalid("expected tensors of one rank, found " + describe(parts.front()) + " and " +
                       describe(part));
    parts.push_back(part);
  }
  ONNX_TRY(axis, n.axis(n.intAttr("axis", 1), parts.front().rank()));
  for (Tensor &part : parts)
    for (int64_t d = 0; d < part.rank(); ++d)
      if (d != axis && failed(n.sameSize(part.dims[d], parts.front().dims[d], "a dimension of the inputs")))
        return failure();
  return quantized(n, n.g.concat(parts, axis), 0);
}

/// A, its scale and zero point, B, its ones, C (i32), and the result's, where it is quantized.
LogicalResult qGemm(NodeContext &n) {
  if (failed(n.needInputs(2)) || failed(needParameters(n, {1, 3, 4})))
    return failure();
  if (n.in(0).rank() != 2 || n.in(3).rank() != 2 || n.floatAttr("alpha", 1.0) != 1.0)
    return n.unsupported("expected two matrices and an alpha of 1");
  GraphBuilder &g = n.g;
  bool transposed = n.intAttr("transB", 0);
  ONNX_TRY(a, floating(n, 0));
  ONNX_TRY(b, floating(n, 3, transposed ? 0 : 1));
  if (n.intAttr("transA", 0))
    a = g.transpose(a, {1, 0});
  if (failed(n.sameSize(a.dims[1], b.dims[transposed ? 1 : 0], "the contracted dimension")))
    return failure();
  Tensor y = g.contract(a, b, transposed);
  if (n.has(6)) {
    ONNX_TRY(bias, floatingBias(n, n.in(6), n.in(1), n.in(4)));
    ONNX_TRY(everywhere, n.broadcastTo(bias, y.dims, "C"));
    y = g.binary<AddOp>(y, everywhere);
  }
  return n.has(7) ? quantized(n, y, 7) : n.out(y);
}

} // namespace

void tenon::importer::registerQuantizedProducts(OpTable &t) {
  t.add("QLinearConv", qLinearConv, 10);
  t.add("QLinearMatMul", qLinearMatMul, 10);
  t.add("MatMulInteger", matMulInteger, 10);
  t.add("ConvInteger", convInteger, 10);
  t.add("com.microsoft:QLinearAdd", qLinearBinary<AddOp>);
  t.add("com.microsoft:QLinearMul", qLinearBinary<MulOp>);
  t.add("com.microsoft:QLinearSigmoid", qLinearUnary<SigmoidOp>);
  t.add("com.microsoft:QLinearLeakyRelu", qLinearLeakyRelu);
  t.add("com.microsoft:QLinearGlobalAveragePool", qLinearGlobalAveragePool);
  t.add("com.microsoft:QLinearConcat", qLinearConcat);
  t.add("com.microsoft:QGemm", qGemm);
}
