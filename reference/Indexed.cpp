//===- Indexed.cpp - the meaning of operations whose addresses are data --===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "reference/Combine.h"
#include "reference/Evaluators.h"
#include "reference/Indexing.h"
#include <numeric>

using namespace mlir;
using namespace tenon;
using namespace tenon::reference;

using Dims64 = llvm::SmallVector<int64_t>;

/// Clamping needs a position to clamp to: an empty axis can only be indexed by nothing.
static LogicalResult checkIndexable(Operation *op, const Tensor &x, int64_t axis, int64_t count) {
  if (x.dims()[axis] > 0 || count == 0)
    return success();
  return outOfRange(op) << "'" << op->getName() << "' picks " << count << " elements of axis " << axis
                        << " of " << x.typeText() << ", which is empty; it needs at least one";
}

static Dims64 joined(std::initializer_list<ArrayRef<int64_t>> parts) {
  Dims64 dims;
  for (ArrayRef<int64_t> part : parts)
    dims.append(part.begin(), part.end());
  return dims;
}

//===----------------------------------------------------------------------===//
// Gather
//===----------------------------------------------------------------------===//

static FailureOr<Tensor> evaluateGather(GatherOp op, Values in) {
  const Tensor &x = in[0];
  int64_t axis = op.getAxis(), batch = op.getBatchDims();
  ArrayRef<int64_t> picked = in[1].dims().drop_front(batch);
  if (failed(checkIndexable(op, x, axis, in[1].size())))
    return failure();
  std::vector<int64_t> indices = in[1].ints();
  Index strides = stridesOf(x.dims()), indexStrides = stridesOf(in[1].dims());
  Dims64 dims = joined({x.dims().take_front(axis), picked, x.dims().drop_front(axis + 1)});
  return rearrange(x, dims, [&](ArrayRef<int64_t> at) {
    int64_t which = dot(at.take_front(batch), indexStrides) +
                    dot(at.slice(axis, picked.size()), ArrayRef<int64_t>(indexStrides).drop_front(batch));
    ArrayRef<int64_t> tail = at.drop_front(axis + picked.size());
    return dot(at.take_front(axis), strides) + clampIndex(indices[which], x.dims()[axis]) * strides[axis] +
           dot(tail, ArrayRef<int64_t>(strides).drop_front(axis + 1));
  });
}

/// The element of `x` that a position of `indices` names: the position with its coordinate along `axis`
/// replaced.
static int64_t elementAt(ArrayRef<int64_t> at, int64_t axis, int64_t index, const Tensor &x,
                         ArrayRef<int64_t> strides) {
  return dot(at, strides) + (clampIndex(index, x.dims()[axis]) - at[axis]) * strides[axis];
}

static FailureOr<Tensor> evaluateGatherElements(GatherElementsOp op, Values in) {
  const Tensor &x = in[0];
  int64_t axis = op.getAxis(), next = 0;
  if (failed(checkIndexable(op, x, axis, in[1].size())))
    return failure();
  for (int64_t d = 0; d < x.rank(); ++d)
    if (d != axis && in[1].dims()[d] > x.dims()[d])
      return outOfRange(op) << "'tenon.gather_elements' has indices " << in[1].typeText() << " for an input "
                            << x.typeText() << "; axes other than " << axis
                            << " must not be larger than the input's";
  std::vector<int64_t> indices = in[1].ints();
  Index strides = stridesOf(x.dims());
  return rearrange(x, in[1].dims(),
                   [&](ArrayRef<int64_t> at) { return elementAt(at, axis, indices[next++], x, strides); });
}

/// The offset in x of the slice that one index vector names, over the axes from `firstAxis` on.
static int64_t sliceOffset(ArrayRef<int64_t> vector, int64_t firstAxis, const Tensor &x,
                           ArrayRef<int64_t> strides) {
  int64_t offset = 0;
  for (size_t i = 0; i < vector.size(); ++i)
    offset += clampIndex(vector[i], x.dims()[firstAxis + i]) * strides[firstAxis + i];
  return offset;
}

static FailureOr<Tensor> evaluateGatherNd(GatherNdOp op, Values in) {
  const Tensor &x = in[0];
  int64_t batch = op.getBatchDims(), depth = in[1].dims().back();
  ArrayRef<int64_t> outer = in[1].dims().drop_back(), inner = x.dims().drop_front(batch + depth);
  for (int64_t i = 0; i < depth; ++i)
    if (failed(checkIndexable(op, x, batch + i, countOf(outer))))
      return failure();
  std::vector<int64_t> indices = in[1].ints();
  Index strides = stridesOf(x.dims()), outerStrides = stridesOf(outer);
  return rearrange(x, joined({outer, inner}), [&](ArrayRef<int64_t> at) {
    ArrayRef<int64_t> vector(indices.data() + dot(at.take_front(outer.size()), outerStrides) * depth, depth);
    return dot(at.take_front(batch), strides) + sliceOffset(vector, batch, x, strides) +
           dot(at.drop_front(outer.size()), ArrayRef<int64_t>(strides).drop_front(batch + depth));
  });
}

//===----------------------------------------------------------------------===//
// Scatter
//===----------------------------------------------------------------------===//

static ReduceKind reduceKindOf(ScatterKind kind) {
  switch (kind) {
  case ScatterKind::mul:
    return ReduceKind::prod;
  case ScatterKind::max:
    return ReduceKind::max;
  case ScatterKind::min:
    return ReduceKind::min;
  case ScatterKind::add:
  case ScatterKind::none:
    return ReduceKind::sum;
  }
  llvm_unreachable("unknown kind of scatter");
}

/// Combines update element i with element targets[i], in order. Floats are rounded after every step, as a
/// sequence of updates to memory would be.
static Tensor scatter(ScatterKind kind, const Tensor &x, const Tensor &updates, ArrayRef<int64_t> targets) {
  if (kind == ScatterKind::none) {
    Tensor result = x;
    for (auto [i, target] : llvm::enumerate(targets))
      result.copyElement(target, updates, i);
    return result;
  }
  ReduceKind combine = reduceKindOf(kind);
  if (isFloat(x.dtype())) {
    std::vector<double> values = x.doubles(), u = updates.doubles();
    for (auto [i, target] : llvm::enumerate(targets))
      values[target] = roundTo(x.dtype(), combineFloats(combine, values[target], u[i]));
    return Tensor::fromDoubles(x.dtype(), x.dims(), values);
  }
  std::vector<int64_t> values = x.ints(), u = updates.ints();
  for (auto [i, target] : llvm::enumerate(targets))
    values[target] = wrapTo(x.dtype(), combineInts(combine, values[target], u[i], x.dtype()));
  return Tensor::fromInts(x.dtype(), x.dims(), values);
}

static LogicalResult checkUpdates(Operation *op, const Tensor &updates, ArrayRef<int64_t> expected) {
  if (updates.dims() == expected)
    return success();
  return op->emitError() << "TN0712: '" << op->getName() << "' has updates " << updates.typeText()
                         << ", whose sizes do not follow from its input and indices; "
                         << "they are the sizes of the slices that the indices name";
}

static FailureOr<Tensor> evaluateScatterElements(ScatterElementsOp op, Values in) {
  const Tensor &x = in[0];
  int64_t axis = op.getAxis();
  if (failed(checkUpdates(op, in[2], in[1].dims())) || failed(checkIndexable(op, x, axis, in[1].size())))
    return failure();
  for (int64_t d = 0; d < x.rank(); ++d)
    if (d != axis && in[1].dims()[d] > x.dims()[d])
      return outOfRange(op) << "'tenon.scatter_elements' has indices " << in[1].typeText() << " for an input "
                            << x.typeText() << "; axes other than " << axis
                            << " must not be larger than the input's";
  std::vector<int64_t> indices = in[1].ints(), targets;
  Index strides = stridesOf(x.dims());
  forEachIndex(in[1].dims(), [&](ArrayRef<int64_t> at) {
    targets.push_back(elementAt(at, axis, indices[targets.size()], x, strides));
  });
  return scatter(op.getKind(), x, in[2], targets);
}

static FailureOr<Tensor> evaluateScatterNd(ScatterNdOp op, Values in) {
  const Tensor &x = in[0];
  int64_t depth = in[1].dims().back();
  ArrayRef<int64_t> outer = in[1].dims().drop_back(), inner = x.dims().drop_front(depth);
  if (failed(checkUpdates(op, in[2], joined({outer, inner}))))
    return failure();
  for (int64_t i = 0; i < depth; ++i)
    if (failed(checkIndexable(op, x, i, countOf(outer))))
      return failure();
  std::vector<int64_t> indices = in[1].ints(), targets;
  Index strides = stridesOf(x.dims());
  int64_t sliceSize = countOf(inner);
  for (int64_t i = 0, count = countOf(outer); i < count; ++i) {
    int64_t start = sliceOffset(ArrayRef<int64_t>(indices).slice(i * depth, depth), 0, x, strides);
    for (int64_t j = 0; j < sliceSize; ++j)
      targets.push_back(start + j);
  }
  return scatter(op.getKind(), x, in[2], targets);
}

//===----------------------------------------------------------------------===//
// Sorting and selection
//===----------------------------------------------------------------------===//

static Results evaluateTopK(TopKOp op, Values in) {
  const Tensor &x = in[0];
  int64_t axis = op.getAxis(), extent = x.dims()[axis];
  int64_t k = in.size() > 1 ? in[1].firstInt() : cast<ShapedType>(op.getValues().getType()).getDimSize(axis);
  if (k < 0 || k > extent)
    return outOfRange(op) << "'tenon.top_k' takes " << k << " elements of axis " << axis << ", which has "
                          << extent << "; k must not be negative or larger";
  Dims64 dims(x.dims());
  dims[axis] = k;
  std::vector<double> doubles = isFloat(x.dtype()) ? x.doubles() : std::vector<double>();
  std::vector<int64_t> ints = isFloat(x.dtype()) ? std::vector<int64_t>() : x.ints();
  auto less = [&](int64_t a, int64_t b) { // NaN is the largest
    if (!doubles.empty())
      return std::isnan(doubles[b]) ? !std::isnan(doubles[a]) : doubles[a] < doubles[b];
    return isUnsigned(x.dtype()) ? uint64_t(ints[a]) < uint64_t(ints[b]) : ints[a] < ints[b];
  };
  Index strides = stridesOf(x.dims()), resultStrides = stridesOf(dims);
  Dims64 lines(x.dims());
  lines[axis] = k == 0 ? 0 : 1;
  Tensor values(x.dtype(), dims);
  std::vector<int64_t> positions(countOf(dims)), order(extent);
  forEachIndex(lines, [&](ArrayRef<int64_t> at) {
    int64_t from = dot(at, strides), to = dot(at, resultStrides);
    std::iota(order.begin(), order.end(), 0);
    llvm::sort(order, [&](int64_t a, int64_t b) {
      int64_t first = from + a * strides[axis], second = from + b * strides[axis];
      if (op.getSmallest())
        std::swap(first, second);
      if (less(second, first) || less(first, second))
        return less(second, first);
      return a < b; // ties keep the lower position
    });
    for (int64_t i = 0; i < k; ++i) {
      positions[to + i * resultStrides[axis]] = order[i];
      values.copyElement(to + i * resultStrides[axis], x, from + order[i] * strides[axis]);
    }
  });
  return llvm::SmallVector<Tensor>{values, Tensor::fromInts(DType::I64, dims, positions)};
}

static Results evaluateNonZero(NonZeroOp op, Values in) {
  const Tensor &x = in[0];
  std::vector<bool> isSet;
  if (isFloat(x.dtype()))
    for (double v : x.doubles())
      isSet.push_back(v != 0);
  else
    for (int64_t v : x.ints())
      isSet.push_back(v != 0);
  int64_t capacity = x.size(), count = 0, next = 0;
  std::vector<int64_t> positions(x.rank() * capacity);
  forEachIndex(x.dims(), [&](ArrayRef<int64_t> at) {
    if (!isSet[next++])
      return;
    for (size_t d = 0; d < at.size(); ++d)
      positions[d * capacity + count] = at[d];
    ++count;
  });
  return llvm::SmallVector<Tensor>{Tensor::fromInts(DType::I64, {x.rank(), capacity}, positions),
                                   Tensor::index(count)};
}

void tenon::reference::addIndexed(EvaluatorTable &table) {
  table.add<GatherOp>(evaluateGather);
  table.add<GatherElementsOp>(evaluateGatherElements);
  table.add<GatherNdOp>(evaluateGatherNd);
  table.add<ScatterElementsOp>(evaluateScatterElements);
  table.add<ScatterNdOp>(evaluateScatterNd);
  table.add<TopKOp>(evaluateTopK);
  table.add<NonZeroOp>(evaluateNonZero);
}
