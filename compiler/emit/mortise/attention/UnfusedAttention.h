//===- UnfusedAttention.h - attention as three kernels, to compare with ------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What fused attention is measured against: for each head the scores q k^T, then their softmax, then the
// weighted sum of values, each from memory to memory, in bf16. Tensors as `attentionProgram` has them, and
// `scores`, `weights` and `partial` for what lies between; no lengths, no mask.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/attention/Attention.h"

namespace tenon::npu {

/// `overlapped`: buffers are doubled, and all engines work at once within a kernel; else transfers, the array
/// with its drain and the vector core take turns, in larger tiles. TN1361 where the shape does not fit: one
/// sequence, as many heads of keys as of queries, queries and keys in whole tiles.
mortise::Program unfusedAttention(const AttentionShape &shape, bool overlapped,
                                  const mortise::Hardware &hardware);

} // namespace tenon::npu
