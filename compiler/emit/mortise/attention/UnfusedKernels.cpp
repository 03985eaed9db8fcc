//===- UnfusedKernels.cpp - kernels of attention that is not fused ------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/attention/UnfusedKernels.h"

#include <numbers>

namespace tenon::npu {

namespace {

/// Several rows at a time share the beginnings and ends of loops.
class SoftmaxOfRows {
public:
  explicit SoftmaxOfRows(const RowsOfScores &rows)
      : function_("softmax of rows"), b_(function_), keys_(rows.keys), lanes_(rows.lanes) {
    powersAt_ = b_.scalar(rows.powersAt);
    factor_ = b_.splat(float(rows.scale * std::numbers::log2e));
    scores_ = b_.object("scores");
    powers_ = b_.object("powers");
    weights_ = b_.object("weights", true);
  }

  VectorFunction make(int64_t rows) {
    Value from = b_.parameter("from"), to = b_.parameter("to");
    b_.loop(rows / kSoftmaxRows, {from, to}, [&](std::span<const Value> at) -> Values {
      Values inverse = powersOf(at[0], shiftsOf(at[0]));
      b_.loop(steps(), {powersAt_, at[1]}, [&](std::span<const Value> place) -> Values {
        forEach([&](size_t row, int64_t i) {
          Value power = b_.load(Id::VldW, {place[0], powers_, offset(row, i, 4)});
          b_.store(Id::VstBf, {place[1], weights_, offset(row, i, 2)}, b_.op(Id::VmulF, power, inverse[row]));
        });
        return {b_.add(place[0], step(4)), b_.add(place[1], step(2))};
      });
      return {b_.add(at[0], int32_t(kSoftmaxRows * keys_ * 2)),
              b_.add(at[1], int32_t(kSoftmaxRows * keys_ * 2))};
    });
    return std::move(function_);
  }

private:
  using Values = std::vector<Value>;

  int64_t steps() const { return keys_ / (lanes_ * kSoftmaxVectors); }
  int32_t step(int64_t size) const { return int32_t(lanes_ * kSoftmaxVectors * size); }
  int32_t offset(size_t row, int64_t i, int64_t size) const {
    return int32_t((int64_t(row) * keys_ + i * lanes_) * size);
  }
  template <typename Visit> void forEach(Visit &&visit) {
    for (size_t row = 0; row < size_t(kSoftmaxRows); ++row)
      for (int64_t i = 0; i < kSoftmaxVectors; ++i)
        visit(row, i);
  }
  /// Of the vectors of a row, from `first` on.
  Value reduced(Id id, const Values &values, size_t first, size_t row) {
    Value all = values[first + row * kSoftmaxVectors];
    for (size_t i = 1; i < size_t(kSoftmaxVectors); ++i)
      all = b_.op(id, all, values[first + row * kSoftmaxVectors + i]);
    return all;
  }

  /// -(the largest score) of each row, as exponents are.
  Values shiftsOf(Value from) {
    Values carried{from};
    carried.resize(kSoftmaxRows * kSoftmaxVectors + 1, b_.splat(-1e30F));
    carried = b_.loop(steps(), carried, [&](std::span<const Value> at) -> Values {
      Values next{b_.add(at[0], step(2))};
      forEach([&](size_t row, int64_t i) {
        next.push_back(
            b_.op(Id::VmaxF, at[next.size()], b_.load(Id::VldBf, {at[0], scores_, offset(row, i, 2)})));
      });
      return next;
    });
    Values shifts;
    for (size_t row = 0; row < size_t(kSoftmaxRows); ++row) {
      Value largest = b_.op(Id::VredmaxF, reduced(Id::VmaxF, carried, 1, row));
      shifts.push_back(b_.op(Id::VnegF, b_.op(Id::VmulF, largest, factor_)));
    }
    return shifts;
  }

  /// Stores powers; returns 1 / sum of each row.
  Values powersOf(Value from, const Values &shifts) {
    Values carried{from, powersAt_};
    carried.resize(kSoftmaxRows * kSoftmaxVectors + 2, b_.splat(0));
    carried = b_.loop(steps(), carried, [&](std::span<const Value> at) -> Values {
      Values next{b_.add(at[0], step(2)), b_.add(at[1], step(4))};
      forEach([&](size_t row, int64_t i) {
        Value score = b_.load(Id::VldBf, {at[0], scores_, offset(row, i, 2)});
        Value power = b_.op(Id::Vexp2F, b_.op(Id::VfmaF, score, factor_, shifts[row]));
        b_.store(Id::VstW, {at[1], powers_, offset(row, i, 4)}, power);
        next.push_back(b_.op(Id::VaddF, at[next.size()], power));
      });
      return next;
    });
    Values inverse;
    for (size_t row = 0; row < size_t(kSoftmaxRows); ++row)
      inverse.push_back(b_.op(Id::VrcpF, b_.op(Id::VredsumF, reduced(Id::VaddF, carried, 2, row))));
    return inverse;
  }

  VectorFunction function_;
  VectorBuilder b_;
  int64_t keys_, lanes_;
  Value powersAt_, factor_;
  ObjectId scores_ = kNoObject, powers_ = kNoObject, weights_ = kNoObject;
};

} // namespace

VectorFunction softmaxOfRows(const RowsOfScores &rows) { return SoftmaxOfRows(rows).make(rows.rows); }

VectorFunction addPartialSums(int64_t rows, int64_t depth, int64_t columns, int64_t lanes) {
  VectorFunction function("add partial sums");
  VectorBuilder b(function);
  Value sums = b.parameter("sums"), partial = b.parameter("partial"), to = b.parameter("to");
  ObjectId from = b.object("sums"), first = b.object("partial"), result = b.object("result", true);
  int64_t together = lanes / columns;
  std::vector<Value> part;
  for (int64_t i = 0; i < together; ++i) {
    Value below = b.op(Id::Ptail, b.scalar((i + 1) * columns));
    part.push_back(i ? b.op(Id::Pand, below, b.op(Id::Pnot, b.op(Id::Ptail, b.scalar(i * columns)))) : below);
  }
  b.loop(depth / columns, {sums, partial, to}, [&](std::span<const Value> tile) -> std::vector<Value> {
    std::vector<Value> end = b.loop(
        rows / together, {tile[0], tile[1], tile[2]}, [&](std::span<const Value> at) -> std::vector<Value> {
          Value sum = b.op(Id::VaddF, b.load(Id::VldW, {at[0], from}), b.load(Id::VldW, {at[1], first}));
          for (int64_t i = 0; i < together; ++i)
            b.store(Id::VstBf, {at[2], result, int32_t(i * (depth - columns) * 2)}, sum, part[size_t(i)]);
          return {b.add(at[0], int32_t(lanes * 4)), b.add(at[1], int32_t(lanes * 4)),
                  b.add(at[2], int32_t(together * depth * 2))};
        });
    return {end[0], end[1], b.add(tile[2], int32_t(columns * 2))};
  });
  return function;
}

} // namespace tenon::npu
