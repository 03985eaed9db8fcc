//===- StaticAttentionKernels.h - what known sizes need of the vector core ---===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/attention/StaticAttention.h"
#include "compiler/emit/mortise/vector/VectorBuilder.h"

namespace tenon::npu {

/// f32 to bf16. Parameters: from, to, vectors.
VectorFunction roundKernel(const StaticAttentionPlan &plan);

/// Rows of values to columns, bf16. Parameters: from, to, columns.
VectorFunction turnValuesKernel(const StaticAttentionPlan &plan);

/// Rows of a mask, one for each query of a group, to a lane for each query: exponents of 2,
/// f32. Parameters: from, to,
/// vectors.
VectorFunction turnMaskKernel(const StaticAttentionPlan &plan);

/// result^T / sum, transposed. Parameters: state, result, to, rows.
VectorFunction finishRowsKernel(const StaticAttentionPlan &plan);

} // namespace tenon::npu
