//===- GeneratorHandlers.cpp - Constant, Shape, Range and their kin ---------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/GraphImporter.h"
#include "compiler/import/onnx/SizeLogic.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

namespace {

LogicalResult constant(NodeContext &n) {
  GraphBuilder &g = n.g;
  StringRef name = n.node.output_size() ? StringRef(n.node.output(0)) : StringRef();
  if (const auto *a = n.attr("value"); a && a->has_t()) {
    ONNX_TRY(t, n.importer.importTensor(a->t(), name, &n));
    return n.out(t);
  }
  if (const auto *a = n.attr("value_int"))
    return n.out(g.scalarInt(a->i(), n.i64()));
  if (const auto *a = n.attr("value_float"))
    return n.out(g.scalar(a->f(), n.f32()));
  if (auto values = n.intsAttr("value_ints"))
    return n.out(g.integers(*values, n.i64()));
  if (auto values = n.floatsAttr("value_floats")) {
    auto type = RankedTensorType::get({static_cast<int64_t>(values->size())}, n.f32());
    SmallVector<float> narrow(values->begin(), values->end());
    return n.out(g.fromConstant(DenseElementsAttr::get(type, ArrayRef<float>(narrow))));
  }
  return n.unsupported(
      "expected a tensor, numbers or a list of them; strings and sparse constants are not supported");
}

LogicalResult shape(NodeContext &n) {
  if (failed(n.needInputs(1)))
    return failure();
  GraphBuilder &g = n.g;
  int64_t rank = n.in(0).rank();
  auto bound = [&](StringRef name, int64_t otherwise) {
    int64_t v = n.intAttr(name, otherwise);
    return std::clamp<int64_t>(v < 0 ? std::max(v, -rank) + rank : v, 0, rank);
  };
  int64_t start = bound("start", 0), end = std::max(start, bound("end", rank));
  Content content;
  for (int64_t i = start; i < end; ++i)
    content.push_back({n.in(0).dims[i], g.size(1)});
  return n.out(g.fromContent(std::move(content), n.i64(), {g.size(end - start)}));
}

LogicalResult size(NodeContext &n) {
  if (failed(n.needInputs(1)))
    return failure();
  return n.out(n.g.fromSize(productOf(n.g.sizes, n.in(0).dims), n.i64()));
}

LogicalResult constantOfShape(NodeContext &n) {
  if (failed(n.needInputs(1)))
    return failure();
  GraphBuilder &g = n.g;
  ONNX_TRY(sizes, n.sizesOf(0, 0, n.declaredShape(0)));
  for (Size s : sizes)
    if (s.constant() && *s.constant() < 0)
      return n.invalid("expected sizes that are not negative, found " + s.str());
  if (sizes.size() > 16)
    return n.fail(113, "expected at most 16 dimensions, found " + Twine(sizes.size()));
  Tensor value = g.scalar(0, n.f32());
  if (const auto *a = n.attr("value"); a && a->has_t()) {
    ONNX_TRY(t, n.importer.importTensor(a->t(), "value", &n));
    if (elementCount(t.dims) != 1)
      return n.invalid("expected one value, found " + describe(t));
    value = g.reshape(t, {});
  }
  Dims dims(sizes.begin(), sizes.end());
  auto count = elementCount(dims);
  if (count && *count <= kMaxContent && value.constant) {
    auto type = g.type(value.element, dims);
    if (*count == 0)
      return n.out(g.fromConstant(DenseElementsAttr::get(type, ArrayRef<Attribute>())));
    return n.out(
        g.fromConstant(DenseElementsAttr::get(type, *value.constant.getValues<Attribute>().begin())));
  }
  return n.out(g.broadcast(g.toRank(value, dims.size()), dims));
}

LogicalResult range(NodeContext &n) {
  if (failed(n.needInputs(3)))
    return failure();
  GraphBuilder &g = n.g;
  Type element = n.in(0).element;
  for (const Tensor &t : n.inputs)
    if (elementCount(t.dims) != 1 || t.element != element || element.isInteger(1))
      return n.invalid("expected three numbers of one type, found " + describe(t));
  Size count;
  const auto &start = n.in(0).content, &limit = n.in(1).content, &delta = n.in(2).content;
  if (start && limit && delta) {
    SizeFraction first = (*start)[0], last = (*limit)[0], step = (*delta)[0];
    auto stepValue = step.num.constant();
    if (!stepValue || *stepValue == 0)
      return n.unsupported("expected a constant step that is not 0, found " + step.num.str());
    // ceil((limit - start) / delta) over a common denominator; a negative step turns both signs.
    Size span = (last.num * first.den - first.num * last.den) * step.den,
         unit = step.num * first.den * last.den;
    if (*stepValue < 0) {
      span = span * -1;
      unit = unit * -1;
    }
    count = span.max(g.size(0)).ceilDiv(unit);
  } else if (SmallVector<int64_t> declared = n.declaredShape(0);
             declared.size() == 1 && !(isa<IntegerType>(element) && delta)) {
    // ceil((limit - start) / delta) in doubles, as ONNX Runtime has it.
    auto number = [&](int64_t input) { return g.reshape(n.in(input), {g.size(1)}); };
    Type f64 = g.builder.getF64Type();
    Tensor span = g.convert(g.binary<SubOp>(number(1), number(0)), f64);
    Tensor steps = g.unary<CeilOp>(g.binary<DivOp>(span, g.convert(number(2), f64)));
    count = g.readScalar(g.convert(g.binary<MaxOp>(steps, 0), n.i64()), 0, 0, declared[0]);
  } else if (isa<IntegerType>(element)) {
    ONNX_TRY(firsts, n.sizesOf(0));
    ONNX_TRY(lasts, n.sizesOf(1));
    ONNX_TRY(steps, n.constantInts(2, "the step of a range whose bounds are computed when the model runs"));
    if (steps[0] == 0)
      return n.invalid("expected a step that is not 0");
    Size span = steps[0] > 0 ? lasts[0] - firsts[0] : firsts[0] - lasts[0];
    count = span.max(g.size(0)).ceilDiv(std::abs(steps[0]));
  } else {
    return n.unsupported("a range of floating-point numbers needs bounds that are known at import, or a "
                         "declared shape");
  }
  Dims dims{count};
  Tensor result = g.iota(dims, 0, element);
  auto spread = [&](const Tensor &t) { return g.broadcast(g.reshape(t, {g.size(1)}), dims); };
  auto isNumber = [](const std::optional<Content> &c, int64_t v) { return c && (*c)[0].constant() == v; };
  if (!isNumber(delta, 1))
    result = g.binary<MulOp>(result, spread(n.in(2)));
  if (!isNumber(start, 0))
    result = g.binary<AddOp>(result, spread(n.in(0)));
  return n.out(result);
}

/// a0 - a1 cos(t) + a2 cos(2 t) with t = 2 pi i / N, or / (N - 1) for windows that are not periodic.
LogicalResult cosineWindow(NodeContext &n, double a0, double a1, double a2) {
  if (failed(n.needInputs(1)))
    return failure();
  GraphBuilder &g = n.g;
  ONNX_TRY(sizes, n.sizesOf(0, 0, n.declaredShape(0)));
  Type element =
      elementTypeOf(*g.builder.getContext(), static_cast<int32_t>(n.intAttr("output_datatype", 1)));
  if (sizes.size() != 1 || !element)
    return n.invalid("expected one size and a supported output_datatype");
  Dims dims{sizes[0]};
  Type f32 = n.f32();
  Size period = n.intAttr("periodic", 1) ? sizes[0] : sizes[0] - 1;
  Tensor step = g.binary<DivOp>(g.full(2 * M_PI, f32, {}), g.fromSize(period, f32));
  Tensor angle = g.binary<MulOp>(g.iota(dims, 0, f32), g.broadcast(g.toRank(step, 1), dims));
  auto cosine = [&](double factor, const Tensor &t) { return g.binary<MulOp>(g.unary<CosOp>(t), factor); };
  Tensor window = g.binary<AddOp>(cosine(-a1, angle), a0);
  if (a2 != 0)
    window = g.binary<AddOp>(window, cosine(a2, g.binary<MulOp>(angle, 2)));
  return n.out(g.convert(window, element));
}

LogicalResult hannWindow(NodeContext &n) { return cosineWindow(n, 0.5, 0.5, 0); }
LogicalResult hammingWindow(NodeContext &n) { return cosineWindow(n, 25.0 / 46, 21.0 / 46, 0); }
LogicalResult blackmanWindow(NodeContext &n) { return cosineWindow(n, 0.42, 0.5, 0.08); }

LogicalResult eyeLike(NodeContext &n) {
  if (failed(n.needInputs(1)))
    return failure();
  GraphBuilder &g = n.g;
  const Tensor &x = n.in(0);
  if (x.rank() != 2)
    return n.invalid("expected a matrix, found " + describe(x));
  Type element = x.element;
  if (n.attr("dtype"))
    element = elementTypeOf(*g.builder.getContext(), static_cast<int32_t>(n.intAttr("dtype", 0)));
  if (!element)
    return n.fail(104, "expected a supported element type in 'dtype'");
  Type i64 = n.i64();
  Tensor rows = g.iota(x.dims, 0, i64), columns = g.iota(x.dims, 1, i64);
  rows = g.binary<AddOp>(rows, g.fullInt(n.intAttr("k", 0), i64, x.dims));
  return n.out(g.convert(g.compare(CmpPredicate::eq, rows, columns), element));
}

LogicalResult trilu(NodeContext &n) {
  if (failed(n.needInputs(1)) || failed(n.needRank(0, 2)))
    return failure();
  GraphBuilder &g = n.g;
  const Tensor &x = n.in(0);
  Type i64 = n.i64();
  Dims dims(x.rank(), g.size(1));
  std::copy(x.dims.end() - 2, x.dims.end(), dims.end() - 2);
  Tensor rows = g.iota(dims, x.rank() - 2, i64), columns = g.iota(dims, x.rank() - 1, i64);
  if (n.has(1)) {
    Tensor k = g.toRank(g.reshape(g.convert(n.in(1), i64), {}), x.rank());
    rows = g.binary<AddOp>(rows, g.broadcast(k, dims));
  }
  bool upper = n.intAttr("upper", 1);
  Tensor keep = g.compare(upper ? CmpPredicate::ge : CmpPredicate::le, columns, rows);
  return n.out(g.select(g.broadcast(keep, x.dims), x, g.fullInt(0, x.element, x.dims)));
}

} // namespace

void tenon::importer::registerGenerators(OpTable &t) {
  t.add("Constant", constant);
  t.add("Shape", shape);
  t.add("Size", size);
  t.add("ConstantOfShape", constantOfShape);
  t.add("Range", range);
  t.add("EyeLike", eyeLike);
  t.add("HannWindow", hannWindow);
  t.add("HammingWindow", hammingWindow);
  t.add("BlackmanWindow", blackmanWindow);
  t.add("Trilu", trilu);
}
