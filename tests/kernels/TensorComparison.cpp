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
  int64_t least = range.leastInteger, most = range.mostInteger;
  if (range.wholeRange) {
    unsigned bits = std::min(type.getElementTypeBitWidth(), 24u);
    bool positive = type.getElementType().isUnsignedInteger();
    least = positive ? 0 : -(int64_t(1) << (bits - 1));
    most = least + (int64_t(1) << bits) - 1;
  }
  std::uniform_int_distribution<int64_t> uniform(boolean ? 0 : least, boolean ? 1 : most);
  std::vector<int64_t> values(count);
  for (int64_t &v : values) {
    v = uniform(generator);
    if (range.wholeRange && !boolean) // neighbouring ends are what saturates
      if (uint32_t end = generator() % 4; end > 1)
        v = end == 2 ? least : most;
  }
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
