//===- TensorComparison.cpp - inputs of differential tests, and what differs
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "tests/kernels/TensorComparison.h"

#include <cmath>

using namespace mlir;

namespace tenon::test {

using reference::Tensor;

Tensor randomTensor(RankedTensorType type, ArrayRef<int64_t> dims, const ValueRange &range,
                    std::mt19937 &generator) {
  reference::DType dtype = *reference::dtypeOf(type.getElementType());
  int64_t count = 1;
  for (int64_t d : dims)
    count *= d;
  if (reference::isFloat(dtype)) {
    std::normal_distribution<double> normal(0, range.deviation);
    std::vector<double> values(count);
    for (double &v : values)
      do
        v = normal(generator);
      while (v < range.least || v > range.most);
    return Tensor::fromDoubles(dtype, dims, values);
  }
  bool boolean = dtype == reference::DType::Bool;
  std::uniform_int_distribution<int64_t> small(boolean ? 0 : range.leastInteger,
                                               boolean ? 1 : range.mostInteger);
  std::vector<int64_t> values(count);
  for (int64_t &v : values)
    v = small(generator);
  return Tensor::fromInts(dtype, dims, values);
}

std::string compareTensors(const Tensor &expected, const Tensor &found, double tolerance) {
  if (expected.dims() != found.dims() || expected.dtype() != found.dtype())
    return "expected " + expected.typeText() + ", found " + found.typeText();
  if (!reference::isFloat(expected.dtype())) {
    if (expected.ints() == found.ints())
      return "";
    std::vector<int64_t> a = expected.ints(), b = found.ints();
    for (size_t i = 0; i < a.size(); ++i)
      if (a[i] != b[i])
        return "element " + std::to_string(i) + ": expected " + std::to_string(a[i]) + ", found " +
               std::to_string(b[i]);
  }
  std::vector<double> a = expected.doubles(), b = found.doubles();
  double largest = 0;
  for (double v : a)
    if (std::isfinite(v))
      largest = std::max(largest, std::fabs(v));
  for (size_t i = 0; i < a.size(); ++i) {
    bool same =
        std::isnan(a[i]) ? std::isnan(b[i]) : a[i] == b[i] || std::fabs(a[i] - b[i]) <= tolerance * largest;
    if (!same)
      return "element " + std::to_string(i) + ": expected " + std::to_string(a[i]) + ", found " +
             std::to_string(b[i]);
  }
  return "";
}

} // namespace tenon::test
