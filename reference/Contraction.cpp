//===- Contraction.cpp - the meaning of matrix products and convolutions -===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "reference/Evaluators.h"
#include "reference/Indexing.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::reference;

using Dims64 = llvm::SmallVector<int64_t>;

namespace {
/// Elements of an operand and of a result as numbers that are multiplied and added: double, rounded once at
/// the end, or uint64_t, whose low bits are right whatever the result's integer type is.
template <typename T> std::vector<T> numbersOf(const Tensor &x) {
  if constexpr (std::is_same_v<T, double>) {
    return x.doubles();
  } else {
    std::vector<int64_t> values = x.ints();
    return {values.begin(), values.end()};
  }
}

template <typename T> Tensor tensorOf(DType dtype, ArrayRef<int64_t> dims, const std::vector<T> &values) {
  if constexpr (std::is_same_v<T, double>)
    return Tensor::fromDoubles(dtype, dims, values);
  else
    return Tensor::fromInts(dtype, dims, std::vector<int64_t>(values.begin(), values.end()));
}

struct ContractSizes {
  int64_t batch, m, n, k;
  bool sharedRhs, transposeRhs;
};
} // namespace

template <typename T>
static std::vector<T> contract(const Tensor &lhs, const Tensor &rhs, const ContractSizes &s) {
  std::vector<T> a = numbersOf<T>(lhs), b = numbersOf<T>(rhs), c(s.batch * s.m * s.n);
  int64_t rhsBatchStride = s.sharedRhs ? 0 : s.k * s.n;
  int64_t kStride = s.transposeRhs ? 1 : s.n, nStride = s.transposeRhs ? s.k : 1;
  for (int64_t batch = 0; batch < s.batch; ++batch)
    for (int64_t m = 0; m < s.m; ++m) {
      T *row = c.data() + (batch * s.m + m) * s.n;
      for (int64_t k = 0; k < s.k; ++k) {
        T left = a[(batch * s.m + m) * s.k + k];
        const T *right = b.data() + batch * rhsBatchStride + k * kStride;
        for (int64_t n = 0; n < s.n; ++n)
          row[n] += left * right[n * nStride];
      }
    }
  return c;
}

static FailureOr<Tensor> evaluateContract(ContractOp op, Values in) {
  const Tensor &lhs = in[0], &rhs = in[1];
  ArrayRef<int64_t> a = lhs.dims(), b = rhs.dims();
  ContractSizes s{countOf(a.drop_back(2)), a[a.size() - 2], b[b.size() - 1],
                  a[a.size() - 1],         b.size() == 2,   op.getTransposeRhs()};
  int64_t rhsK = b[b.size() - 2];
  if (s.transposeRhs)
    std::swap(s.n, rhsK);
  if (rhsK != s.k || (!s.sharedRhs && a.drop_back(2) != b.drop_back(2)))
    return op->emitError() << "TN0712: 'tenon.contract' multiplies " << lhs.typeText() << " by "
                           << rhs.typeText() << "; the batch sizes and the contracted sizes must be equal";
  Dims64 dims(a);
  dims.back() = s.n;
  DType dtype = resultDType(op.getResult());
  if (isFloat(dtype))
    return tensorOf(dtype, dims, contract<double>(lhs, rhs, s));
  return tensorOf(dtype, dims, contract<uint64_t>(lhs, rhs, s));
}

//===----------------------------------------------------------------------===//
// Convolution
//===----------------------------------------------------------------------===//

/// The position along spatial axis d that a window tap reads, or -1 where it falls on padding or between
/// elements.
static int64_t sourcePosition(ConvOp op, size_t d, int64_t position, int64_t tap, int64_t size) {
  int64_t i = position * op.getStrides()[d] + tap * op.getDilations()[d] - op.getLow()[d];
  int64_t spread = op.getInputDilations()[d];
  if (i < 0 || i % spread != 0 || i / spread >= size)
    return -1;
  return i / spread;
}

template <typename T>
static std::vector<T> convolve(ConvOp op, const Tensor &input, const Tensor &filter, ArrayRef<int64_t> dims) {
  std::vector<T> x = numbersOf<T>(input), w = numbersOf<T>(filter), y(countOf(dims));
  size_t spatial = dims.size() - 2;
  int64_t channels = input.dims().back(), outputs = dims.back();
  int64_t groupInputs = filter.dims()[spatial], groupOutputs = outputs / op.getGroups();
  ArrayRef<int64_t> window = filter.dims().take_front(spatial);
  Index strides = stridesOf(input.dims()), windowStrides = stridesOf(filter.dims());
  T *result = y.data(), padding = static_cast<T>(static_cast<int64_t>(op.getPadValue()));
  forEachIndex(dims.drop_back(), [&](ArrayRef<int64_t> position) {
    forEachIndex(window, [&](ArrayRef<int64_t> tap) {
      int64_t from = position[0] * strides[0], weight = 0;
      bool inside = true;
      for (size_t d = 0; d < spatial; ++d) {
        int64_t i = sourcePosition(op, d, position[d + 1], tap[d], input.dims()[d + 1]);
        inside &= i >= 0;
        from += i * strides[d + 1];
        weight += tap[d] * windowStrides[d];
      }
      if (!inside && padding == T(0))
        return;
      for (int64_t c = 0; c < channels; ++c) {
        int64_t firstOutput = c / groupInputs * groupOutputs;
        const T *row = w.data() + weight + c % groupInputs * outputs + firstOutput;
        for (int64_t o = 0; o < groupOutputs; ++o)
          result[firstOutput + o] += (inside ? x[from + c] : padding) * row[o];
      }
    });
    result += outputs;
  });
  return y;
}

static FailureOr<Tensor> evaluateConv(ConvOp op, Values in) {
  ArrayRef<int64_t> x = in[0].dims(), w = in[1].dims();
  int64_t groups = op.getGroups();
  if (w[w.size() - 2] * groups != x.back() || w.back() % groups != 0)
    return op->emitError()
           << "TN0712: 'tenon.conv' applies a filter " << in[1].typeText() << " in " << groups
           << " groups to " << in[0].typeText()
           << "; the filter's input channels times the groups must be the input's channels, and the "
              "groups must divide the output channels";
  Dims64 dims{x[0]};
  for (size_t d = 0; d + 2 < x.size(); ++d) {
    int64_t spread = x[d + 1] == 0 ? 0 : (x[d + 1] - 1) * op.getInputDilations()[d] + 1;
    int64_t room = spread + op.getLow()[d] + op.getHigh()[d] - op.getDilations()[d] * (w[d] - 1) - 1;
    dims.push_back(room < 0 ? 0 : room / op.getStrides()[d] + 1);
  }
  dims.push_back(w.back());
  DType dtype = resultDType(op.getResult());
  if (isFloat(dtype))
    return tensorOf(dtype, dims, convolve<double>(op, in[0], in[1], dims));
  return tensorOf(dtype, dims, convolve<uint64_t>(op, in[0], in[1], dims));
}

void tenon::reference::addContractions(EvaluatorTable &table) {
  table.add<ContractOp>(evaluateContract);
  table.add<ConvOp>(evaluateConv);
}
