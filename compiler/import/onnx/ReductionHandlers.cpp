//===- ReductionHandlers.cpp - Reduce*, ArgMax, CumSum, softmax -------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/RunTimeAxes.h"

#include <numeric>

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

namespace {

enum class Reduction { Sum, Mean, Prod, Max, Min, L1, L2, SumSquare, LogSum, LogSumExp };

/// Booleans take part as 0 and 1 (ReduceMax and ReduceMin from opset 20 on).
Tensor reduceOver(GraphBuilder &g, Reduction kind, Tensor x, ArrayRef<int64_t> axes) {
  switch (kind) {
  case Reduction::Sum:
    return g.reduce(ReduceKind::sum, x, axes);
  case Reduction::Mean:
    return g.mean(x, axes);
  case Reduction::Prod:
    return g.reduce(ReduceKind::prod, x, axes);
  case Reduction::Max:
    return g.reduce(ReduceKind::max, x, axes);
  case Reduction::Min:
    return g.reduce(ReduceKind::min, x, axes);
  case Reduction::L1:
    return g.reduce(ReduceKind::sum, g.unary<AbsOp>(x), axes);
  case Reduction::SumSquare:
    return g.reduce(ReduceKind::sum, g.binary<MulOp>(x, x), axes);
  case Reduction::L2:
    return g.unary<SqrtOp>(g.reduce(ReduceKind::sum, g.binary<MulOp>(x, x), axes));
  case Reduction::LogSum:
    return g.unary<LogOp>(g.reduce(ReduceKind::sum, x, axes));
  case Reduction::LogSumExp: {
    // The largest element is taken out first, so that exp does not overflow. Where it is infinite, 0 is taken
    // out.
    Tensor largest = g.reduce(ReduceKind::max, x, axes);
    Tensor infinity = g.full(std::numeric_limits<double>::infinity(), x.element, largest.dims);
    Tensor finite = g.compare(CmpPredicate::lt, g.unary<AbsOp>(largest), infinity);
    largest = g.select(finite, largest, g.full(0, x.element, largest.dims));
    Tensor shifted = g.binary<SubOp>(x, g.broadcast(largest, x.dims));
    Tensor sum = g.reduce(ReduceKind::sum, g.unary<ExpOp>(shifted), axes);
    return g.binary<AddOp>(g.unary<LogOp>(sum), largest);
  }
  }
  return x;
}

Tensor dropAxes(GraphBuilder &g, const Tensor &x, ArrayRef<int64_t> axes) {
  Dims dims;
  for (auto [i, d] : llvm::enumerate(x.dims))
    if (!llvm::is_contained(axes, static_cast<int64_t>(i)))
      dims.push_back(d);
  return g.reshape(x, dims);
}

/// A reduction over axes that only the run knows: one axis after the other.
LogicalResult reduceAtRunTime(NodeContext &n, Reduction kind, Tensor x) {
  GraphBuilder &g = n.g;
  ONNX_TRY(flags, axisFlags(n, 1, x.rank()));
  Type element = x.element;
  bool isSum = kind == Reduction::L1 || kind == Reduction::L2 || kind == Reduction::SumSquare ||
               kind == Reduction::LogSum;
  if (kind == Reduction::L1)
    x = g.unary<AbsOp>(x);
  else if (kind == Reduction::L2 || kind == Reduction::SumSquare)
    x = g.binary<MulOp>(x, x);
  int64_t rank = x.rank();
  x = alongNamedAxes(n, x, flags, [&](const Tensor &t, int64_t axis) {
    return reduceOver(g, isSum ? Reduction::Sum : kind, t, {axis});
  });
  if (kind == Reduction::L2)
    x = g.unary<SqrtOp>(x);
  else if (kind == Reduction::LogSum)
    x = g.unary<LogOp>(x);
  x = g.convert(x, element);
  if (n.intAttr("keepdims", 1))
    return n.out(x);
  return n.out(g.reshape(x, unnamedDims(g, x.dims, flags, rank - *elementCount(n.in(1).dims))));
}

template <Reduction kind> LogicalResult reduce(NodeContext &n) {
  if (failed(n.needInputs(1)))
    return failure();
  Tensor x = n.in(0);
  constexpr bool needsFloat =
      kind == Reduction::L2 || kind == Reduction::LogSum || kind == Reduction::LogSumExp;
  bool isBool = x.element.isInteger(1);
  if (isBool && kind != Reduction::Max && kind != Reduction::Min)
    return n.invalid("expected numbers, found " + describe(x));
  if (isRunTime(n, 1)) {
    Type element = x.element;
    if (needsFloat && !isa<FloatType>(element))
      return n.unsupported("roots and logarithms of integers over axes that only the run knows");
    return reduceAtRunTime(n, kind, x);
  }
  bool given;
  ONNX_TRY(axes, n.axes("axes", 1, x.rank(), given));
  if (axes.empty()) {
    if (n.intAttr("noop_with_empty_axes", 0)) {
      // No axis is reduced, but what is done to each element still is.
      return n.out(reduceOver(n.g, kind, x, {}));
    }
    axes.resize(x.rank());
    std::iota(axes.begin(), axes.end(), 0);
  }
  // Roots and logarithms of integers are taken in f32 and rounded back, as the reference implementation does.
  Type element = x.element;
  if (needsFloat && !isa<FloatType>(element))
    x = n.g.convert(x, n.f32());
  Tensor result = n.g.convert(reduceOver(n.g, kind, x, axes), element);
  return n.out(n.intAttr("keepdims", 1) ? result : dropAxes(n.g, result, axes));
}

template <ReduceKind kind> LogicalResult argReduce(NodeContext &n) {
  if (failed(n.needInputs(1)) || failed(n.needRank(0, 1)))
    return failure();
  const Tensor &x = n.in(0);
  if (x.element.isInteger(1))
    return n.invalid("expected numbers, found " + describe(x));
  ONNX_TRY(axis, n.axis(n.intAttr("axis", 0), x.rank()));
  bool last = n.intAttr("select_last_index", 0);
  Dims dims = x.dims;
  dims[axis] = n.g.size(1);
  auto op =
      ArgReduceOp::create(n.g.builder, n.g.loc, n.g.type(n.i64(), dims), kind, n.g.value(x), axis, last);
  Tensor result = n.g.wrap(op, dims);
  return n.out(n.intAttr("keepdims", 1) ? result : n.g.squeeze(result, axis));
}

template <ReduceKind kind> LogicalResult scan(NodeContext &n) {
  if (failed(n.needInputs(2)) || failed(n.needRank(0, 1)))
    return failure();
  const Tensor &x = n.in(0);
  auto along = [&](const Tensor &t, int64_t axis) {
    Value v = n.g.value(t);
    auto op = ScanOp::create(n.g.builder, n.g.loc, v.getType(), kind, v, axis, n.intAttr("exclusive", 0) != 0,
                             n.intAttr("reverse", 0) != 0);
    return n.g.wrap(op, t.dims);
  };
  if (elementCount(n.in(1).dims) != 1)
    return n.invalid("expected one axis, found " + describe(n.in(1)));
  if (isRunTime(n, 1)) {
    ONNX_TRY(flags, axisFlags(n, 1, x.rank()));
    return n.out(alongNamedAxes(n, x, flags, along));
  }
  ONNX_TRY(values, n.constantInts(1, "the axis"));
  ONNX_TRY(axis, n.axis(values[0], x.rank()));
  return n.out(along(x, axis));
}

/// Before opset 13 softmax and its kin see a matrix: the dimensions from the axis on are one.
template <typename Function> LogicalResult alongAxis(NodeContext &n, Function f) {
  if (failed(n.needInputs(1)) || failed(n.needFloat(0)) || failed(n.needRank(0, 1)))
    return failure();
  const Tensor &x = n.in(0);
  bool flattens = n.opset < 13;
  ONNX_TRY(axis, n.axis(n.intAttr("axis", flattens ? 1 : -1), x.rank()));
  if (!flattens || axis == x.rank() - 1)
    return n.out(f(x, axis));
  Dims dims(x.dims.begin(), x.dims.begin() + axis);
  dims.push_back(productOf(n.g.sizes, ArrayRef<Size>(x.dims).drop_front(axis)));
  return n.out(n.g.reshape(f(n.g.reshape(x, dims), axis), x.dims));
}

template <typename Op> LogicalResult softmax(NodeContext &n) {
  return alongAxis(n, [&](const Tensor &x, int64_t axis) {
    Value v = n.g.value(x);
    return n.g.wrap(Op::create(n.g.builder, n.g.loc, v.getType(), v, axis), x.dims);
  });
}

/// 1 at the first largest element along the axis, else 0.
LogicalResult hardmax(NodeContext &n) {
  return alongAxis(n, [&](const Tensor &x, int64_t axis) {
    GraphBuilder &g = n.g;
    Dims dims = x.dims;
    dims[axis] = g.size(1);
    auto first = ArgReduceOp::create(g.builder, g.loc, g.type(n.i64(), dims), ReduceKind::max, g.value(x),
                                     axis, false);
    Tensor positions = g.iota(x.dims, axis, n.i64());
    Tensor hit = g.compare(CmpPredicate::eq, positions, g.broadcast(g.wrap(first, dims), x.dims));
    return g.select(hit, g.full(1, x.element, x.dims), g.full(0, x.element, x.dims));
  });
}

LogicalResult lpNormalization(NodeContext &n) {
  if (failed(n.needInputs(1)) || failed(n.needFloat(0)) || failed(n.needRank(0, 1)))
    return failure();
  const Tensor &x = n.in(0);
  ONNX_TRY(axis, n.axis(n.intAttr("axis", -1), x.rank()));
  int64_t p = n.intAttr("p", 2);
  if (p != 1 && p != 2)
    return n.invalid("expected p 1 or 2, found " + Twine(p));
  Tensor norm = reduceOver(n.g, p == 1 ? Reduction::L1 : Reduction::L2, x, {axis});
  // A norm of 0 gives 0, as in the reference implementation.
  Tensor zero = n.g.full(0, x.element, norm.dims);
  Tensor isZero = n.g.compare(CmpPredicate::eq, norm, zero);
  norm = n.g.select(isZero, n.g.full(1, x.element, norm.dims), norm);
  return n.out(n.g.binary<DivOp>(x, n.g.broadcast(norm, x.dims)));
}

} // namespace

void tenon::importer::registerReductions(OpTable &t) {
  t.add("ReduceSum", reduce<Reduction::Sum>);
  t.add("ReduceMean", reduce<Reduction::Mean>);
  t.add("ReduceProd", reduce<Reduction::Prod>);
  t.add("ReduceMax", reduce<Reduction::Max>);
  t.add("ReduceMin", reduce<Reduction::Min>);
  t.add("ReduceL1", reduce<Reduction::L1>);
  t.add("ReduceL2", reduce<Reduction::L2>);
  t.add("ReduceSumSquare", reduce<Reduction::SumSquare>);
  t.add("ReduceLogSum", reduce<Reduction::LogSum>);
  t.add("ReduceLogSumExp", reduce<Reduction::LogSumExp>);
  t.add("ArgMax", argReduce<ReduceKind::max>);
  t.add("ArgMin", argReduce<ReduceKind::min>);
  t.add("CumSum", scan<ReduceKind::sum>);
  t.add("CumProd", scan<ReduceKind::prod>);
  t.add("Softmax", softmax<SoftmaxOp>);
  t.add("LogSoftmax", softmax<LogSoftmaxOp>);
  t.add("Hardmax", hardmax);
  t.add("LpNormalization", lpNormalization);
}
