//===- QuantizationHandlers.cpp - QuantizeLinear and its inverse
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Quantization.h"

#include "compiler/import/onnx/ModelFile.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

namespace {

/// A scale or zero point with the rank of x = the quantized tensor: sizes 1, or those of x.
FailureOr<Tensor> parameterFor(NodeContext &n, const Tensor &x, Tensor p, const Quantized &how,
                               StringRef what) {
  GraphBuilder &g = n.g;
  Dims dims(x.rank(), g.size(1));
  if (elementCount(p.dims) == 1 && p.rank() <= 1)
    return g.reshape(p, dims);
  ONNX_TRY(axis, n.axis(how.axis, x.rank()));
  if (how.blockSize == 0) {
    if (p.rank() != 1)
      return n.invalid("expected " + what + " of rank 0 or 1, found " + describe(p));
    ONNX_TRY(size, n.sameSize(p.dims[0], x.dims[axis], "the quantized axis and " + what.str()));
    dims[axis] = size;
    return g.reshape(p, dims);
  }
  if (p.rank() != x.rank())
    return n.invalid("expected " + what + " of rank " + Twine(x.rank()) + " for blocks, found " +
                     describe(p));
  for (int64_t d = 0; d < x.rank(); ++d) {
    Size expected = d == axis ? x.dims[d].ceilDiv(how.blockSize) : x.dims[d];
    if (failed(n.sameSize(p.dims[d], expected, "a dimension of " + what.str())))
      return failure();
  }
  // Each entry once for every element of its block; the last block may be shorter.
  Dims repeated = p.dims;
  p = g.unsqueeze(p, axis + 1);
  repeated.insert(repeated.begin() + axis + 1, g.size(how.blockSize));
  p = g.broadcast(p, repeated);
  repeated.erase(repeated.begin() + axis + 1);
  repeated[axis] = repeated[axis] * how.blockSize;
  p = g.reshape(p, repeated);
  return g.sliceAxis(p, axis, g.size(0), x.dims[axis]);
}

/// True for a zero point that is known to be 0 everywhere.
bool isZero(const Tensor &zero) {
  if (!zero.constant)
    return false;
  auto values = zero.constant.tryGetValues<APInt>();
  return succeeded(values) && llvm::all_of(*values, [](const APInt &v) { return v.isZero(); });
}

struct Parameters {
  Value scale, zero; // zero may be null
};

FailureOr<Parameters> parameters(NodeContext &n, const Tensor &x, const Quantized &how, Type integer) {
  if (!isa<FloatType>(how.scale.element) || how.scale.element.isF64())
    return n.invalid("expected a scale of type float32, float16 or bfloat16, found " + describe(how.scale));
  Parameters result;
  ONNX_TRY(scale, parameterFor(n, x, how.scale, how, "the scale"));
  result.scale = n.g.value(scale);
  if (!how.zero || isZero(how.zero))
    return result;
  if (how.zero.element != integer)
    return n.invalid("expected a zero point of the quantized type, found " + describe(how.zero));
  ONNX_TRY(zero, parameterFor(n, x, how.zero, how, "the zero point"));
  if (zero.dims.size() != scale.dims.size() ||
      !llvm::equal(zero.dims, scale.dims, [](Size a, Size b) { return a == b; }))
    return n.invalid("expected a zero point for each scale, found " + describe(how.zero) + " and " +
                     describe(how.scale));
  result.zero = n.g.value(zero);
  return result;
}

bool isStorage(Type type, unsigned most) {
  auto integer = dyn_cast<IntegerType>(type);
  return integer && integer.getWidth() >= 8 && integer.getWidth() <= most;
}

} // namespace

FailureOr<Tensor> tenon::importer::dequantize(NodeContext &n, const Tensor &q, const Quantized &how,
                                              Type element) {
  if (!isStorage(q.element, 32))
    return n.unsupported("expected integers of 8, 16 or 32 bits, found " + describe(q));
  ONNX_TRY(p, parameters(n, q, how, q.element));
  Value v = n.g.value(q);
  return n.g.wrap(DequantizeOp::create(n.g.builder, n.g.loc, n.g.type(element, q.dims), v, p.scale, p.zero),
                  q.dims);
}

FailureOr<Tensor> tenon::importer::quantize(NodeContext &n, const Tensor &x, const Quantized &how,
                                            Type element) {
  if (!isStorage(element, 16))
    return n.unsupported("expected integers of 8 or 16 bits for the result");
  if (x.element.isF64() || !isa<FloatType>(x.element))
    return n.unsupported("expected float32, float16 or bfloat16, found " + describe(x));
  ONNX_TRY(p, parameters(n, x, how, element));
  Value v = n.g.value(x);
  return n.g.wrap(QuantizeOp::create(n.g.builder, n.g.loc, n.g.type(element, x.dims), v, p.scale, p.zero),
                  x.dims);
}

Quantized tenon::importer::parametersAt(NodeContext &n, int64_t scale, int64_t axis) {
  return {n.in(scale), n.has(scale + 1) ? n.in(scale + 1) : Tensor(), axis, 0};
}

namespace {

Quantized parametersOf(NodeContext &n) {
  Quantized how = parametersAt(n, 1, n.intAttr("axis", 1));
  how.blockSize = n.intAttr("block_size", 0);
  return how;
}

/// The type that an attribute names, or `otherwise` where it names none.
FailureOr<Type> namedType(NodeContext &n, StringRef attribute, Type otherwise) {
  auto number = static_cast<int32_t>(n.intAttr(attribute, 0));
  if (number == 0)
    return otherwise;
  Type type = elementTypeOf(*n.g.builder.getContext(), number);
  if (!type)
    return n.fail(104, "quantizing to or from " + nameOfElementType(number) + " is not supported");
  return type;
}

LogicalResult checkBlock(NodeContext &n, const Quantized &how) {
  if (how.blockSize < 0 || how.blockSize > (int64_t(1) << 24))
    return n.invalid("expected a block_size of at least 0, found " + Twine(how.blockSize));
  return success();
}

LogicalResult quantizeLinear(NodeContext &n) {
  if (failed(n.needInputs(2)))
    return failure();
  Quantized how = parametersOf(n);
  if (failed(checkBlock(n, how)))
    return failure();
  Type byte = n.g.builder.getIntegerType(8, /*isSigned=*/false);
  ONNX_TRY(element, namedType(n, "output_dtype", how.zero ? how.zero.element : byte));
  if (how.zero && how.zero.element != element)
    return n.invalid("expected output_dtype to be the type of the zero point, found " + describe(how.zero));
  Tensor x = n.in(0);
  if (x.element.isInteger(32))
    x = n.g.convert(x, n.f32());
  ONNX_TRY(result, quantize(n, x, how, element));
  return n.out(result);
}

LogicalResult dequantizeLinear(NodeContext &n) {
  if (failed(n.needInputs(2)))
    return failure();
  Quantized how = parametersOf(n);
  if (failed(checkBlock(n, how)))
    return failure();
  ONNX_TRY(element, namedType(n, "output_dtype", how.scale.element));
  if (!isa<FloatType>(element))
    return n.invalid("expected a result of floating numbers, found another output_dtype");
  ONNX_TRY(result, dequantize(n, n.in(0), how, element));
  return n.out(result);
}

/// Scale and zero point from the range of the input, with 0 in it: y, scale, zero point.
LogicalResult dynamicQuantizeLinear(NodeContext &n) {
  if (failed(n.needInputs(1)))
    return failure();
  const Tensor &x = n.in(0);
  if (!x.element.isF32())
    return n.unsupported("expected float32, found " + describe(x));
  GraphBuilder &g = n.g;
  Type byte = g.builder.getIntegerType(8, /*isSigned=*/false);
  auto extreme = [&](ReduceKind kind) { return g.reshape(g.reduce(kind, x, axesFrom(0, x.rank())), {}); };
  Tensor low = g.binary<MinOp>(extreme(ReduceKind::min), 0.0);
  Tensor high = g.binary<MaxOp>(extreme(ReduceKind::max), 0.0);
  Tensor range = g.binary<SubOp>(high, low), none = g.scalar(0, x.element), one = g.scalar(1, x.element);
  Tensor scale = g.select(g.compare(CmpPredicate::eq, range, none), one, g.binary<DivOp>(range, 255.0));
  Tensor zero = g.unary<RoundOp>(g.binary<SubOp>(none, g.binary<DivOp>(low, scale)));
  zero =
      g.convert(g.convert(g.binary<MinOp>(g.binary<MaxOp>(zero, 0.0), 255.0), g.builder.getI32Type()), byte);
  Quantized how{scale, zero, 0, 0};
  ONNX_TRY(y, quantize(n, x, how, byte));
  if (failed(n.out(y)) || failed(n.out(scale, 1)))
    return failure();
  return n.out(zero, 2);
}

} // namespace

void tenon::importer::registerQuantization(OpTable &t) {
  t.add("QuantizeLinear", quantizeLinear, 10);
  t.add("DequantizeLinear", dequantizeLinear, 10);
  t.add("DynamicQuantizeLinear", dynamicQuantizeLinear, 11);
  t.add("com.microsoft:QuantizeLinear", quantizeLinear);
  t.add("com.microsoft:DequantizeLinear", dequantizeLinear);
}
