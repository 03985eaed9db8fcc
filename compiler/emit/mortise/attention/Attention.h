//===- Attention.h - fused attention with lengths of the launch --------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// output = softmax(scale q k^T) v for every sequence and head, as one program for all lengths up to a bound.
// Scores never leave the core; softmax is computed block by block of keys, in f32, with the running maximum
// and sum of each query (FlashAttention-2); weights go into the second product as bf16.
//
// Tensors, contiguous: q and output [batch, heads, queries, depth], k and v [batch, kvHeads, keys, depth], of
// bf16 (f16 where the machine has no bf16), lengths and query_lengths [batch] of i32.
//
// Parameters of the launch:
//   keys     > 0: every sequence has so many keys; 0: sequence b has lengths[b]
//   queries  > 0: every sequence has so many queries; 0: as many as keys; < 0: sequence b has
//   query_lengths[b]
// Numbers beyond the bounds count as the bounds, negative lengths as 0. Queries are rows 0.. of q; with
// `causal` the last query belongs to the last key, and there are no more queries than keys. Rows of output
// behind a sequence's queries are not written, rows of k and v behind its keys are not read.
//
// With a bound of one query (decoding) all heads that share keys go through the array together.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "isa/mortise/Hardware.h"
#include "isa/mortise/Program.h"

namespace tenon::npu {

/// Bounds and constants of a program.
struct AttentionShape {
  int64_t batch = 1;
  int64_t heads = 1, kvHeads = 1; ///< heads are a multiple of kvHeads
  int64_t queries = 1, keys = 1;  ///< most in a sequence
  int64_t depth = 64;             ///< elements of a head
  bool causal = false;
  double scale = 0; ///< of the scores; 0: 1 / sqrt(depth)
};

/// TN1361 where the shape is malformed or does not fit the machine.
mortise::Program attentionProgram(const AttentionShape &shape, const mortise::Hardware &hardware);

/// bf16 where the machine multiplies it, else f16.
mortise::Type attentionType(const mortise::Hardware &hardware);

} // namespace tenon::npu
