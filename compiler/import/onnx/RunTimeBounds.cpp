//===- RunTimeBounds.cpp - slices and pads that only the run knows ----------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/RunTimeBounds.h"

#include "compiler/import/onnx/SizeLogic.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

/// The declared sizes of the result, one for each axis of the input; failure where they are not declared.
static FailureOr<SmallVector<int64_t>> declaredSizes(NodeContext &n) {
  SmallVector<int64_t> declared = n.declaredShape(0);
  if (static_cast<int64_t>(declared.size()) != n.in(0).rank() || declared.empty())
    return n.unsupported(
        "values that are computed when the model runs decide the result's sizes, and the model "
        "does not declare its shape; expected a declared shape, or constants");
  return declared;
}

/// The axes that an input names, from 0 to rank - 1, or all of them.
static FailureOr<SmallVector<Size>> namedAxes(NodeContext &n, int64_t input, int64_t count) {
  int64_t rank = n.in(0).rank();
  SmallVector<Size> axes;
  if (!n.has(input)) {
    for (int64_t i = 0; i < count; ++i)
      axes.push_back(n.g.size(i));
    return axes;
  }
  ONNX_TRY(list, n.sizesOf(input, -rank, SmallVector<int64_t>(count, rank - 1)));
  for (Size axis : list)
    axes.push_back(fromEnd(n.g, axis, n.g.size(rank)));
  return axes;
}

/// A list with its elements at the axes named, and `other` elsewhere.
static SmallVector<Size> placed(GraphBuilder &g, ArrayRef<Size> list, ArrayRef<Size> axes,
                                ArrayRef<Size> other) {
  SmallVector<Size> result(other);
  for (auto [axis, value] : llvm::enumerate(result))
    for (auto [element, named] : llvm::zip_equal(list, axes)) {
      Size hit = isEqual(g, named, g.size(axis));
      value = element * hit + value * (g.size(1) - hit);
    }
  return result;
}

static Tensor spread(GraphBuilder &g, Size s, const Dims &dims) {
  return g.broadcast(g.toRank(g.fromSize(s, g.builder.getI64Type()), dims.size()), dims);
}

LogicalResult tenon::importer::sliceAtRunTime(NodeContext &n) {
  GraphBuilder &g = n.g;
  Tensor x = n.in(0);
  ONNX_TRY(declared, declaredSizes(n));
  ONNX_TRY(starts, n.sizesOf(1));
  ONNX_TRY(ends, n.sizesOf(2));
  ONNX_TRY(axes, namedAxes(n, 3, starts.size()));
  SmallVector<Size> steps(starts.size(), g.size(1));
  if (n.has(4)) {
    ONNX_TRY(list, n.sizesOf(4));
    steps = list;
  }
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size())
    return n.invalid("expected starts, ends, axes and steps of one length");
  Size zero = g.size(0), one = g.size(1);
  SmallVector<Size> zeros(x.rank(), zero), ones(x.rank(), one);
  SmallVector<Size> start = placed(g, starts, axes, zeros), end = placed(g, ends, axes, x.dims),
                    step = placed(g, steps, axes, ones);
  for (int64_t axis = 0; axis < x.rank(); ++axis) {
    Size dim = x.dims[axis], forward = step[axis].min(one).max(zero); // 1 for a step above 0
    Size first = fromEnd(g, start[axis], dim).max(zero).min(dim - 1 + forward);
    Size last = fromEnd(g, end[axis], dim).max(forward - 1).min(dim - 1 + forward);
    Size stride = step[axis].max(zero - step[axis]).max(one);
    Size length = ((last - first) * (forward * 2 - 1)).max(zero).ceilDiv(stride);
    if (first.isConstant(0) && step[axis].isConstant(1) && length == dim)
      continue;
    Dims positions{g.checked(length, declared[axis], declared[axis])};
    Tensor at = g.binary<MulOp>(g.iota(positions, 0, n.i64()), spread(g, step[axis], positions));
    x = g.gather(x, g.binary<AddOp>(at, spread(g, first, positions)), axis);
  }
  return n.out(x);
}

Tensor tenon::importer::foldedPositions(GraphBuilder &g, StringRef mode, Size dim, Size low, Size length) {
  Type i64 = g.builder.getI64Type();
  Dims dims{length};
  Tensor i = g.binary<SubOp>(g.iota(dims, 0, i64), spread(g, low, dims));
  if (mode == "edge")
    return g.binary<MinOp>(g.binary<MaxOp>(i, spread(g, g.size(0), dims)), spread(g, dim - 1, dims));
  if (mode == "wrap")
    return g.binary<ModOp>(i, spread(g, dim, dims));
  // reflect: a period of 2 (dim - 1); the second half of it runs backwards.
  Size period = ((dim - 1) * 2).max(g.size(1));
  Tensor within = g.binary<ModOp>(i, spread(g, period, dims));
  return g.binary<MinOp>(within, g.binary<SubOp>(spread(g, period, dims), within));
}

/// `length` elements of an axis, the first of them `low` before the axis begins; `fill` where there is none.
static Tensor shifted(NodeContext &n, const Tensor &x, int64_t axis, Size low, Size length,
                      const Tensor &fill) {
  GraphBuilder &g = n.g;
  Size dim = x.dims[axis];
  Dims line{length}, dims = x.dims, shape(x.rank(), g.size(1));
  dims[axis] = shape[axis] = length;
  Tensor at = g.binary<SubOp>(g.iota(line, 0, n.i64()), spread(g, low, line));
  Tensor inside = g.binary<AndOp>(g.compare(CmpPredicate::ge, at, spread(g, g.size(0), line)),
                                  g.compare(CmpPredicate::lt, at, spread(g, dim, line)));
  Tensor kept = g.gather(x, foldedPositions(g, "edge", dim, low, length), axis);
  return g.select(g.broadcast(g.reshape(inside, shape), dims), kept,
                  g.broadcast(g.toRank(fill, x.rank()), dims));
}

LogicalResult tenon::importer::centerCropPad(NodeContext &n) {
  if (failed(n.needInputs(2)))
    return failure();
  GraphBuilder &g = n.g;
  Tensor x = n.in(0), fill = g.scalarInt(0, x.element);
  SmallVector<int64_t> axes = n.intsAttr("axes").value_or(SmallVector<int64_t>()), most;
  if (axes.empty())
    for (int64_t axis = 0; axis < x.rank(); ++axis)
      axes.push_back(axis);
  for (int64_t &axis : axes) {
    ONNX_TRY(normal, n.axis(axis, x.rank()));
    axis = normal;
  }
  if (SmallVector<int64_t> declared = n.declaredShape(0); static_cast<int64_t>(declared.size()) == x.rank())
    most = llvm::map_to_vector(axes, [&](int64_t axis) { return declared[axis]; });
  ONNX_TRY(sizes, n.sizesOf(1, 0, most));
  if (sizes.size() != axes.size())
    return n.invalid("expected a size for each of " + Twine(axes.size()) + " axes, found " +
                     Twine(sizes.size()));
  Size zero = g.size(0);
  for (auto [axis, size] : llvm::zip_equal(axes, sizes)) {
    Size more = size - x.dims[axis];
    // Of an odd difference the larger half is at the end.
    Size low = more.max(zero).floorDiv(2) - (zero - more).max(zero).floorDiv(2);
    if (more != zero)
      x = shifted(n, x, axis, low, size, fill);
  }
  return n.out(x);
}

LogicalResult tenon::importer::padAtRunTime(NodeContext &n, StringRef mode, const Tensor &fill) {
  GraphBuilder &g = n.g;
  Tensor x = n.in(0);
  ONNX_TRY(declared, declaredSizes(n));
  ONNX_TRY(pads, n.sizesOf(1));
  ONNX_TRY(axes, namedAxes(n, 3, pads.size() / 2));
  if (pads.size() != 2 * axes.size())
    return n.invalid("expected two pads for each of " + Twine(axes.size()) + " axes, found " +
                     Twine(pads.size()));
  SmallVector<Size> zeros(x.rank(), g.size(0));
  ArrayRef<Size> list = pads;
  SmallVector<Size> low = placed(g, list.take_front(axes.size()), axes, zeros),
                    high = placed(g, list.drop_front(axes.size()), axes, zeros);
  for (int64_t axis = 0; axis < x.rank(); ++axis) {
    if (low[axis].isConstant(0) && high[axis].isConstant(0))
      continue;
    Size dim = x.dims[axis], length = g.checked(dim + low[axis] + high[axis], declared[axis], declared[axis]);
    if (mode != "constant") {
      x = g.gather(x, foldedPositions(g, mode, dim, low[axis], length), axis);
      continue;
    }
    x = shifted(n, x, axis, low[axis], length, fill);
  }
  return n.out(x);
}
