//===- AttentionKernels.h - kernels of fused attention ------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/attention/AttentionPlan.h"
#include "compiler/emit/mortise/vector/VectorBuilder.h"

namespace tenon::npu {

/// What a softmax does to scores first.
struct SoftmaxForm {
  bool limited = false; ///< scores behind the last key that a query sees do not count
  bool mask = false;    ///< numbers are added to them, as exponents of 2
};

/// scores^T to weights. Parameters: scores, weights, state before, state after, factor (of what was summed so
/// far), iterations of `unroll` vectors; limited: keys that there are, and those that the first query sees
/// (every other query one more); mask: what is added, a number for each score, as they lie. The state is the
/// largest exponent and the sum, -1e30 and 0 to begin with, with a mask -FLT_MAX and 0: a row whose scores
/// are all -infinity has the sum 0.
VectorFunction softmaxKernel(const AttentionPlan &plan, SoftmaxForm form);

/// result^T = (first ? 0 : result^T x factor) + sums. Parameters: sums, result, factor (not of the first).
VectorFunction updateKernel(const AttentionPlan &plan, bool first);

/// Words of values, of two keys each, to columns. Parameters: from, to, blocks of `turned` columns.
VectorFunction transposeKernel(const AttentionPlan &plan);

/// result^T / sum, transposed. Parameters: state, result, to.
VectorFunction finishKernel(const AttentionPlan &plan);

} // namespace tenon::npu
