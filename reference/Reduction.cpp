//===- Reduction.cpp - the meaning of reductions, scans and pooling ------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "reference/Combine.h"
#include "reference/Evaluators.h"
#include "reference/Indexing.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::reference;

using Dims64 = llvm::SmallVector<int64_t>;

/// Combines x[from] into result[to] for every pair that `pairs` visits, from the neutral element on. Floats
/// accumulate in double and are rounded once, at the end; integers wrap.
template <typename F>
static Tensor accumulate(ReduceKind kind, const Tensor &x, ArrayRef<int64_t> dims, F pairs) {
  if (isFloat(x.dtype())) {
    std::vector<double> values = x.doubles(), sums(countOf(dims), neutralFloat(kind));
    pairs([&](int64_t from, int64_t to) { sums[to] = combineFloats(kind, sums[to], values[from]); });
    return Tensor::fromDoubles(x.dtype(), dims, sums);
  }
  std::vector<int64_t> values = x.ints(), sums(countOf(dims), neutralInt(kind, x.dtype()));
  pairs([&](int64_t from, int64_t to) {
    sums[to] = wrapTo(x.dtype(), combineInts(kind, sums[to], values[from], x.dtype()));
  });
  return Tensor::fromInts(x.dtype(), dims, sums);
}

static Tensor evaluateReduce(ReduceOp op, Values in) {
  Dims64 dims(in[0].dims());
  for (int64_t axis : op.getAxes())
    dims[axis] = 1;
  Index strides = stridesOf(dims);
  for (int64_t axis : op.getAxes())
    strides[axis] = 0;
  return accumulate(op.getKind(), in[0], dims, [&](auto combine) {
    int64_t from = 0;
    forEachIndex(in[0].dims(), [&](ArrayRef<int64_t> index) { combine(from++, dot(index, strides)); });
  });
}

static Tensor evaluateReduceWindow(ReduceWindowOp op, Values in) {
  ArrayRef<int64_t> sizes = in[0].dims();
  Dims64 dims;
  for (size_t d = 0; d < sizes.size(); ++d) {
    int64_t room =
        sizes[d] + op.getLow()[d] + op.getHigh()[d] - op.getDilations()[d] * (op.getWindow()[d] - 1) - 1;
    dims.push_back(room < 0 ? 0 : room / op.getStrides()[d] + 1);
  }
  Index strides = stridesOf(sizes);
  return accumulate(op.getKind(), in[0], dims, [&](auto combine) {
    int64_t to = 0;
    forEachIndex(dims, [&](ArrayRef<int64_t> position) {
      forEachIndex(op.getWindow(), [&](ArrayRef<int64_t> tap) {
        int64_t from = 0;
        for (size_t d = 0; d < sizes.size(); ++d) {
          int64_t i = position[d] * op.getStrides()[d] + tap[d] * op.getDilations()[d] - op.getLow()[d];
          if (i < 0 || i >= sizes[d])
            return;
          from += i * strides[d];
        }
        combine(from, to);
      });
      ++to;
    });
  });
}

static FailureOr<Tensor> evaluateArgReduce(ArgReduceOp op, Values in) {
  const Tensor &x = in[0];
  int64_t axis = op.getAxis(), extent = x.dims()[axis], step = stridesOf(x.dims())[axis];
  if (extent == 0)
    return outOfRange(op) << "'tenon.arg_reduce' looks for an element along axis " << axis
                          << ", which is empty; it needs at least one";
  // Compared as doubles, or as integers with the sign bit flipped where the type is unsigned: one order for
  // all types.
  std::vector<double> doubles = isFloat(x.dtype()) ? x.doubles() : std::vector<double>();
  std::vector<int64_t> ints = isFloat(x.dtype()) ? std::vector<int64_t>() : x.ints();
  bool wantsMax = op.getKind() == ReduceKind::max;
  auto better = [&](int64_t a, int64_t b) { // a before b; a NaN is before everything else
    if (!doubles.empty()) {
      if (std::isnan(doubles[a]) || std::isnan(doubles[b]))
        return std::isnan(doubles[a]) && !std::isnan(doubles[b]);
      return wantsMax ? doubles[a] > doubles[b] : doubles[a] < doubles[b];
    }
    if (isUnsigned(x.dtype()))
      return wantsMax ? uint64_t(ints[a]) > uint64_t(ints[b]) : uint64_t(ints[a]) < uint64_t(ints[b]);
    return wantsMax ? ints[a] > ints[b] : ints[a] < ints[b];
  };
  Dims64 dims(x.dims());
  dims[axis] = 1;
  Index strides = stridesOf(x.dims());
  std::vector<int64_t> positions;
  forEachIndex(dims, [&](ArrayRef<int64_t> index) {
    int64_t start = dot(index, strides), best = 0;
    for (int64_t i = 1; i < extent; ++i) {
      int64_t candidate = start + i * step, current = start + best * step;
      if (better(candidate, current) || (op.getLast() && !better(current, candidate)))
        best = i;
    }
    positions.push_back(best);
  });
  return Tensor::fromInts(DType::I64, dims, positions);
}

/// Walks every line of the axis; `assign(sum, element)` places the running value.
template <typename T, typename Combine>
static std::vector<T> scanLines(ScanOp op, ArrayRef<int64_t> dims, const std::vector<T> &values, T neutral,
                                Combine combine) {
  std::vector<T> result(values.size());
  int64_t extent = dims[op.getAxis()], step = stridesOf(dims)[op.getAxis()];
  Dims64 starts(dims);
  starts[op.getAxis()] = extent == 0 ? 0 : 1;
  Index strides = stridesOf(dims);
  forEachIndex(starts, [&](ArrayRef<int64_t> index) {
    int64_t start = dot(index, strides);
    T running = neutral;
    for (int64_t i = 0; i < extent; ++i) {
      int64_t at = start + (op.getReverse() ? extent - 1 - i : i) * step;
      T next = combine(running, values[at]);
      result[at] = op.getExclusive() ? running : next;
      running = next;
    }
  });
  return result;
}

static Tensor evaluateScan(ScanOp op, Values in) {
  const Tensor &x = in[0];
  ReduceKind kind = op.getKind();
  DType dtype = x.dtype();
  if (isFloat(dtype))
    return Tensor::fromDoubles(
        dtype, x.dims(),
        scanLines<double>(op, x.dims(), x.doubles(), neutralFloat(kind),
                          [&](double a, double b) { return combineFloats(kind, a, b); }));
  return Tensor::fromInts(
      dtype, x.dims(),
      scanLines<int64_t>(op, x.dims(), x.ints(), neutralInt(kind, dtype), [&](int64_t a, int64_t b) {
        return wrapTo(dtype, combineInts(kind, a, b, dtype));
      }));
}

void tenon::reference::addReductions(EvaluatorTable &table) {
  table.add<ReduceOp>(evaluateReduce);
  table.add<ReduceWindowOp>(evaluateReduceWindow);
  table.add<ArgReduceOp>(evaluateArgReduce);
  table.add<ScanOp>(evaluateScan);
}
