//===- IndexingHandlers.cpp - Gather*, Scatter*, OneHot, TopK, NonZero ------===//
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

LogicalResult needIndices(NodeContext &n, int64_t input) {
  Type t = n.in(input).element;
  if (t.isInteger(32) || t.isInteger(64))
    return success();
  return n.invalid("expected int32 or int64 indices as input " + Twine(input) + ", found " +
                   describe(n.in(input)));
}

LogicalResult gather(NodeContext &n) {
  if (failed(n.needInputs(2)) || failed(n.needRank(0, 1)) || failed(needIndices(n, 1)))
    return failure();
  ONNX_TRY(axis, n.axis(n.intAttr("axis", 0), n.in(0).rank()));
  const Tensor &x = n.in(0), &indices = n.in(1);
  // One known position is a slice.
  if (indices.content && indices.content->size() == 1) {
    auto position = (*indices.content)[0].constant();
    auto size = x.dims[axis].constant();
    if (position && size && (*position < -*size || *position >= *size))
      return n.invalid("expected an index from " + Twine(-*size) + " to " + Twine(*size - 1) + ", found " +
                       Twine(*position));
    if (position) {
      Size offset = *position < 0 ? x.dims[axis] + *position : n.g.size(*position);
      Tensor part = n.g.sliceAxis(x, axis, offset, n.g.size(1));
      Dims dims(x.dims.begin(), x.dims.begin() + axis);
      dims.append(indices.dims.begin(), indices.dims.end());
      dims.append(x.dims.begin() + axis + 1, x.dims.end());
      return n.out(n.g.reshape(part, dims));
    }
  }
  return n.out(n.g.gather(x, indices, axis));
}

LogicalResult gatherElements(NodeContext &n) {
  if (failed(n.needInputs(2)) || failed(n.needRank(0, 1)) || failed(needIndices(n, 1)))
    return failure();
  const Tensor &x = n.in(0), &indices = n.in(1);
  ONNX_TRY(axis, n.axis(n.intAttr("axis", 0), x.rank()));
  if (indices.rank() != x.rank())
    return n.invalid("expected indices of the input's rank, found " + describe(indices));
  // The result may be smaller than the input along the other axes: only that part is read.
  Dims part = x.dims, offsets(x.rank(), n.g.size(0));
  for (int64_t i = 0; i < x.rank(); ++i)
    if (i != axis)
      part[i] = indices.dims[i];
  GraphBuilder &g = n.g;
  Tensor source = g.slice(x, offsets, part, SmallVector<int64_t>(x.rank(), 1));
  Value v = g.value(source), at = g.value(indices);
  return n.out(
      g.wrap(GatherElementsOp::create(g.builder, g.loc, g.type(x.element, indices.dims), v, at, axis),
             indices.dims));
}

/// The length of index vectors, the last dimension of the indices.
FailureOr<int64_t> vectorLength(NodeContext &n, const Tensor &x, const Tensor &indices, int64_t batch) {
  auto length = indices.rank() ? indices.dims.back().constant() : std::nullopt;
  if (!length)
    return n.unsupported("expected index vectors of constant length, found " + describe(indices));
  if (*length < 1 || *length + batch > x.rank())
    return n.invalid("expected index vectors of 1 to " + Twine(x.rank() - batch) + " elements, found " +
                     Twine(*length));
  return *length;
}

LogicalResult gatherNd(NodeContext &n) {
  if (failed(n.needInputs(2)) || failed(needIndices(n, 1)))
    return failure();
  const Tensor &x = n.in(0), &indices = n.in(1);
  int64_t batch = n.intAttr("batch_dims", 0);
  if (batch < 0 || batch >= std::min(x.rank(), indices.rank()))
    return n.invalid("expected batch_dims below the ranks of input and indices, found " + Twine(batch));
  ONNX_TRY(length, vectorLength(n, x, indices, batch));
  for (int64_t i = 0; i < batch; ++i)
    if (failed(n.sameSize(x.dims[i], indices.dims[i], "a batch dimension")))
      return failure();
  Dims dims(indices.dims.begin(), indices.dims.end() - 1);
  dims.append(x.dims.begin() + batch + length, x.dims.end());
  GraphBuilder &g = n.g;
  Value v = g.value(x), at = g.value(indices);
  return n.out(g.wrap(GatherNdOp::create(g.builder, g.loc, g.type(x.element, dims), v, at, batch), dims));
}

FailureOr<ScatterKind> scatterKind(NodeContext &n) {
  std::string name = n.stringAttr("reduction", "none");
  if (auto kind = symbolizeScatterKind(name))
    return *kind;
  return n.invalid("expected reduction none, add, mul, max or min, found '" + name + "'");
}

LogicalResult scatterElements(NodeContext &n) {
  if (failed(n.needInputs(3)) || failed(n.needRank(0, 1)) || failed(needIndices(n, 1)))
    return failure();
  const Tensor &x = n.in(0), &indices = n.in(1), &updates = n.in(2);
  ONNX_TRY(axis, n.axis(n.intAttr("axis", 0), x.rank()));
  ONNX_TRY(kind, scatterKind(n));
  if (indices.rank() != x.rank() || updates.rank() != x.rank() || updates.element != x.element)
    return n.invalid("expected indices and updates of the input's rank, updates of its type, found " +
                     describe(indices) + " and " + describe(updates));
  for (int64_t i = 0; i < x.rank(); ++i)
    if (failed(n.sameSize(indices.dims[i], updates.dims[i], "the shapes of indices and updates")))
      return failure();
  GraphBuilder &g = n.g;
  Value v = g.value(x), at = g.value(indices), u = g.value(updates);
  return n.out(
      g.wrap(ScatterElementsOp::create(g.builder, g.loc, v.getType(), kind, v, at, u, axis), x.dims));
}

LogicalResult scatterNd(NodeContext &n) {
  if (failed(n.needInputs(3)) || failed(needIndices(n, 1)))
    return failure();
  const Tensor &x = n.in(0), &indices = n.in(1), &updates = n.in(2);
  ONNX_TRY(kind, scatterKind(n));
  ONNX_TRY(length, vectorLength(n, x, indices, 0));
  Dims dims(indices.dims.begin(), indices.dims.end() - 1);
  dims.append(x.dims.begin() + length, x.dims.end());
  if (updates.rank() != static_cast<int64_t>(dims.size()) || updates.element != x.element)
    return n.invalid("expected updates " + describe(dims) + " of the input's type, found " +
                     describe(updates));
  for (auto [a, b] : llvm::zip_equal(dims, updates.dims))
    if (failed(n.sameSize(a, b, "the shape of the updates")))
      return failure();
  GraphBuilder &g = n.g;
  Value v = g.value(x), at = g.value(indices), u = g.value(g.broadcast(updates, dims));
  return n.out(g.wrap(ScatterNdOp::create(g.builder, g.loc, v.getType(), kind, v, at, u), x.dims));
}

LogicalResult oneHot(NodeContext &n) {
  if (failed(n.needInputs(3)))
    return failure();
  GraphBuilder &g = n.g;
  SmallVector<int64_t> declared = n.declaredShape(0);
  ONNX_TRY(axis, n.axis(n.intAttr("axis", -1), n.in(0).rank() + 1));
  if (!n.in(1).content)
    n.inputs[1] = g.convert(n.in(1), n.i64()); // exporters compute it in floats, too
  ONNX_TRY(depths, n.sizesOf(1, 0, declared.empty() ? declared : SmallVector<int64_t>{declared[axis]}));
  if (depths.size() != 1 || !elementCount(n.in(2).dims) || *elementCount(n.in(2).dims) != 2 ||
      n.in(2).rank() != 1)
    return n.invalid("expected one depth and two values (off, on)");
  Type i64 = n.i64();
  Tensor indices = g.unsqueeze(g.convert(n.in(0), i64), axis);
  Dims dims = indices.dims;
  dims[axis] = depths[0];
  Tensor negative = g.compare(CmpPredicate::lt, indices, g.fullInt(0, i64, indices.dims));
  Tensor depth = g.broadcast(g.toRank(g.fromSize(depths[0], i64), indices.rank()), indices.dims);
  indices = g.select(negative, g.binary<AddOp>(indices, depth), indices);
  Tensor hit = g.compare(CmpPredicate::eq, g.iota(dims, axis, i64), g.broadcast(indices, dims));
  auto valueAt = [&](int64_t i) {
    Tensor v = g.reshape(g.sliceAxis(n.in(2), 0, g.size(i), g.size(1)), {});
    return g.broadcast(g.toRank(v, dims.size()), dims);
  };
  Tensor on = valueAt(1), off = valueAt(0);
  return n.out(g.select(hit, on, off));
}

LogicalResult topK(NodeContext &n) {
  if (failed(n.needInputs(1)) || failed(n.needRank(0, 1)))
    return failure();
  GraphBuilder &g = n.g;
  const Tensor &x = n.in(0);
  ONNX_TRY(axis, n.axis(n.intAttr("axis", -1), x.rank()));
  Size k = g.size(n.intAttr("k", 1));
  if (n.has(1)) {
    SmallVector<int64_t> most;
    if (auto all = x.dims[axis].range().max)
      most.push_back(*all);
    ONNX_TRY(list, n.sizesOf(1, 0, most));
    if (list.size() != 1)
      return n.invalid("expected one k, found " + Twine(list.size()));
    k = list[0];
  }
  if (k.constant() &&
      (*k.constant() < 0 || (x.dims[axis].constant() && *k.constant() > *x.dims[axis].constant())))
    return n.invalid("expected k from 0 to " + x.dims[axis].str() + ", found " + k.str());
  if (x.element.isInteger(1))
    return n.invalid("expected numbers, found " + describe(x));
  Dims dims = x.dims;
  dims[axis] = k;
  SmallVector<Value> sizes;
  if (!k.constant())
    sizes.push_back(g.index(k));
  auto op = TopKOp::create(g.builder, g.loc, TypeRange{g.type(x.element, dims), g.type(n.i64(), dims)},
                           g.value(x), sizes, axis, n.intAttr("largest", 1) == 0);
  (void)n.out(g.wrap(op.getValues(), dims), 0);
  return n.out(g.wrap(op.getPositions(), dims), 1);
}

LogicalResult nonZero(NodeContext &n) {
  if (failed(n.needInputs(1)) || failed(n.needRank(0, 1)))
    return failure();
  GraphBuilder &g = n.g;
  const Tensor &x = n.in(0);
  Size capacity = productOf(g.sizes, x.dims);
  Dims room{g.size(x.rank()), capacity};
  auto op = NonZeroOp::create(g.builder, g.loc, TypeRange{g.type(n.i64(), room), g.builder.getIndexType()},
                              g.value(x), g.dynamic({capacity}));
  Size count = g.sizes.fresh("count", 0, capacity.range().max);
  g.symbols[count.symbol().str()] = op.getCount();
  return n.out(g.sliceAxis(g.wrap(op.getPositions(), room), 1, g.size(0), count));
}

/// The rows along an axis (or the elements of the flattened input) where a condition holds.
LogicalResult compress(NodeContext &n) {
  if (failed(n.needInputs(2)))
    return failure();
  GraphBuilder &g = n.g;
  Tensor x = n.in(0), condition = n.in(1);
  int64_t axis = 0;
  if (n.attr("axis")) {
    ONNX_TRY(normal, n.axis(n.intAttr("axis", 0), x.rank()));
    axis = normal;
  } else {
    x = g.reshape(x, {productOf(g.sizes, x.dims)});
  }
  if (condition.rank() != 1 || !condition.element.isInteger(1))
    return n.invalid("expected a list of booleans, found " + describe(condition));
  Size capacity = condition.dims[0];
  Dims room{g.size(1), capacity};
  auto op = NonZeroOp::create(g.builder, g.loc, TypeRange{g.type(n.i64(), room), g.builder.getIndexType()},
                              g.value(condition), g.dynamic({capacity}));
  Size count = g.sizes.fresh("count", 0, capacity.range().max);
  g.symbols[count.symbol().str()] = op.getCount();
  Tensor positions = g.sliceAxis(g.wrap(op.getPositions(), room), 1, g.size(0), count);
  return n.out(g.gather(x, g.squeeze(positions, 0), axis));
}

/// The first lengths[b] steps of each sequence in reverse, the rest as it is.
LogicalResult reverseSequence(NodeContext &n) {
  if (failed(n.needInputs(2)) || failed(n.needRank(0, 2)))
    return failure();
  GraphBuilder &g = n.g;
  const Tensor &x = n.in(0), &lengths = n.in(1);
  int64_t time = n.intAttr("time_axis", 0), batch = n.intAttr("batch_axis", 1);
  if (time + batch != 1 || time * batch != 0 || lengths.rank() != 1 || failed(needIndices(n, 1)))
    return n.invalid("expected time_axis and batch_axis to be 0 and 1, and a length for each sequence");
  if (failed(n.sameSize(lengths.dims[0], x.dims[batch], "the number of sequences")))
    return failure();
  Type i64 = n.i64();
  Dims plane{x.dims[0], x.dims[1]}, column{g.size(1), g.size(1)};
  column[batch] = x.dims[batch];
  Tensor steps = g.iota(plane, time, i64);
  Tensor length = g.broadcast(g.reshape(g.convert(lengths, i64), column), plane);
  Tensor reversed = g.binary<SubOp>(g.binary<SubOp>(length, steps), g.fullInt(1, i64, plane));
  Tensor positions = g.select(g.compare(CmpPredicate::lt, steps, length), reversed, steps);
  Dims dims = plane;
  dims.append(x.rank() - 2, g.size(1));
  positions = g.broadcast(g.reshape(positions, dims), x.dims);
  Value v = g.value(x), at = g.value(positions);
  return n.out(g.wrap(GatherElementsOp::create(g.builder, g.loc, v.getType(), v, at, time), x.dims));
}

} // namespace

void tenon::importer::registerIndexing(OpTable &t) {
  t.add("Gather", gather);
  t.add("GatherElements", gatherElements);
  t.add("GatherND", gatherNd);
  t.add("ScatterElements", scatterElements);
  t.add("Scatter", scatterElements);
  t.add("ScatterND", scatterNd);
  t.add("OneHot", oneHot);
  t.add("TopK", topK);
  t.add("NonZero", nonZero);
  t.add("Compress", compress);
  t.add("ReverseSequence", reverseSequence);
}
