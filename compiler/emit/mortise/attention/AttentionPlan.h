//===- AttentionPlan.h - blocks and buffers of fused attention ---------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Everything is computed transposed: the array holds `columns` queries and keys stream by, which gives
// scores^T, a lane for each query; then it holds their weights and rows of v^T stream by. A block of queries
// is several such groups, which share the panels of keys and values that are loaded.
//
// Values are loaded as words of two keys, element by element: what the array takes of v^T in one go is words,
// too.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/attention/Attention.h"

namespace tenon::npu {

struct AttentionPlan {
  AttentionShape shape; ///< heads that share keys are queries here where the bound is one query
  bool packed = false;  ///< whether they are
  mortise::Type type = mortise::Type::Bf16;
  int64_t columns = 0, tileRows = 0, lanes = 0;
  int64_t keysOfVector = 0; ///< lanes / columns: rows of scores^T in a vector
  int64_t panel = 0;        ///< keys that are loaded at once
  int64_t groups = 0;       ///< of queries in a block
  int64_t unroll = 0;       ///< vectors that a kernel has under way; divides those of a tile
  int64_t resultUnroll = 0; ///< the same for results
  int64_t valueBuffers = 0; ///< 2 where they fit

  // Bytes in the scratchpad. Buffers of two lie one behind the other.
  int64_t rowBytes = 0;   ///< of q, k, v, output
  int64_t valuePitch = 0; ///< from two keys' values, which alternate, to the next two's
  int64_t transposedPitch = 0;
  int64_t turned = 0; ///< words side by side that the transposition takes at once
  int64_t staged = 0; ///< between vectors of results, alike
  int64_t queryBytes = 0, keyBytes = 0, valueBytes = 0, transposedBytes = 0, powerBytes = 0, outBytes = 0,
          factorBytes = 0, stateBytes = 0, resultBytes = 0;
  int64_t queries = 0, keys = 0, values = 0, transposed = 0, powers = 0, staging = 0, out = 0, factors = 0,
          initial = 0, state = 0, result = 0, lengths = 0, bytes = 0;

  /// Rows of accumulators from those of one step to those of the next: scores, then sums from row `panel` on.
  int64_t accumulatorStride = 0;

  int64_t blockRows() const { return groups * columns; }
  /// Steps at the end of a panel that transpose the values of the next: they are loaded before.
  int64_t transposingSteps() const { return groups > 4 ? groups - 3 : 1 + groups / 3; }
  int64_t turnedRows() const { return lanes / turned; }
  /// Pairs of keys that the transposition takes: behind the panel's lies what nobody reads.
  int64_t turnedPairs() const { return (panel / 2 + turnedRows() - 1) / turnedRows() * turnedRows(); }
  int64_t turnedBlocks() const { return shape.depth / turned; }
  int64_t vectorsOfResult() const { return shape.depth / keysOfVector; }
};

/// TN1361 as `attentionProgram`.
AttentionPlan planAttention(const AttentionShape &shape, const mortise::Hardware &hardware);

} // namespace tenon::npu
