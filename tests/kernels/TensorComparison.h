//===- TensorComparison.h - inputs of differential tests, and what differs
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "mlir/IR/BuiltinTypes.h"
#include "reference/Tensor.h"
#include <limits>
#include <random>
#include <string>

namespace tenon::test {

/// What random elements may be: floats of a normal distribution around 0 between `least` and `most`, integers
/// of a uniform one.
struct ValueRange {
  double deviation = 1;
  double least = -std::numeric_limits<double>::infinity(), most = std::numeric_limits<double>::infinity();
  int64_t leastInteger = 0, mostInteger = 9;
  bool wholeRange = false; ///< integers: all values of the type (i32 and wider: of 24 bits), its ends often
};

reference::Tensor randomTensor(mlir::RankedTensorType type, llvm::ArrayRef<int64_t> dims,
                               const ValueRange &range, std::mt19937 &generator);

/// The first element that differs, or the types where these do; empty for equal tensors. Floats may differ by
/// `tolerance` times the largest magnitude of `expected`; NaN equals NaN.
std::string compareTensors(const reference::Tensor &expected, const reference::Tensor &found,
                           double tolerance);

} // namespace tenon::test
