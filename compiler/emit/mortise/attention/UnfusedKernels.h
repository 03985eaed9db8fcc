//===- UnfusedKernels.h - kernels of attention that is not fused --------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/vector/VectorBuilder.h"

namespace tenon::npu {

constexpr int64_t kSoftmaxRows = 4, kSoftmaxVectors = 2; ///< at a time: rows, and vectors of each

struct RowsOfScores {
  int64_t rows = 0; ///< a multiple of kSoftmaxRows
  int64_t keys = 0; ///< whole groups of kSoftmaxVectors
  double scale = 1;
  int64_t lanes = 0;
  int64_t powersAt = 0; ///< kSoftmaxRows rows of f32 in the scratchpad
};

/// Rows of scores to weights, bf16. Parameters: from, to.
VectorFunction softmaxOfRows(const RowsOfScores &rows);

/// Sums in accumulators, `rows` rows of `columns` at a time, and others as they lie there become rows of
/// bf16. Parameters: sums, others, to.
VectorFunction addPartialSums(int64_t rows, int64_t depth, int64_t columns, int64_t lanes);

} // namespace tenon::npu
