//===- StaticAttention.h - fused attention of known sizes as commands --------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// output = softmax(scale q k^T + mask) v for every sequence and head, for sizes that are known when
// compiling: a part of a stream, where `attentionProgram` has loops of its own. Products are of bf16;
// queries, keys and values of f32 are rounded by the vector core on their way to the array.
//
//   StaticAttention attention = ...;                        // sizes, scale, types, strides
//   auto plan = planStatic(attention, hardware, why);       // kernels and buffers
//   plan->attention.query.memory = ...;                     // addresses, and numbers of the kernels
//   emitStatic(*plan, hardware, stream);
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/attention/AttentionPlan.h"
#include "compiler/emit/mortise/stream/Stream.h"
#include "compiler/emit/mortise/vector/CompileKernel.h"

#include <array>
#include <optional>

namespace tenon::npu {

/// Rows of every sequence and head in memory; the elements of a row lie side by side. Strides are in bytes.
struct AttentionRows {
  mortise::Type type = mortise::Type::F32; ///< or Bf16
  int64_t memory = 0;
  int64_t batch = 0, head = 0, row = 0;
};

/// What is added to the scaled scores of a query and a key, strides in bytes, 0 where all share it. Keys lie
/// side by side. Of type U8: 0 hides a key, other numbers keep it.
struct AttentionMask {
  mortise::Type type = mortise::Type::F32; ///< or Bf16, U8
  int64_t memory = 0;
  int64_t batch = 0, head = 0, query = 0;
};

struct StaticAttention {
  int64_t batch = 1, heads = 1, kvHeads = 1; ///< heads are a multiple of kvHeads
  int64_t queries = 1, keys = 1;
  int64_t depth = 1, valueDepth = 1;
  bool causal = false; ///< the last query belongs to the last key, and there are no more queries than keys
  double scale = 1;
  AttentionRows query, key, value, output;
  std::optional<AttentionMask> mask;
  uint32_t node = 0; ///< in Stream::nodes
};

/// Kernels of the vector core; some serve no purpose for some shapes.
enum StaticKernel : uint8_t {
  kRound,         ///< rows of f32 to bf16
  kTurnValues,    ///< rows of values to columns of bf16
  kTurnMask,      ///< rows of a mask to scores' lanes, as exponents of 2
  kSoftmax,       ///< every key is one
  kLimited,       ///< the same, but for those at the end
  kFirstUpdate,   ///< of the result
  kUpdate,        ///< the same, later
  kFinishRows,    ///< the result's columns to rows
  kStaticKernels, ///< how many there are
};

struct StaticAttentionPlan {
  StaticAttention attention;
  AttentionPlan tile;        ///< what kernels of `AttentionKernels.h` read of it
  int64_t depthPitch = 0;    ///< elements from a query or key to the next
  int64_t panels = 0;        ///< of keys
  int64_t valueRowBytes = 0; ///< between values as they are loaded
  int64_t columnBytes = 0;   ///< between columns of values
  int64_t maskRowBytes = 0;  ///< between rows of a mask as they are loaded
  int64_t maskTiles = 0;     ///< that fit, of a group of queries and a panel each
  int64_t outRowBytes = 0;
  // Places in the scratchpad, and bytes of one where there are several.
  struct Buffer {
    int64_t at = 0, bytes = 0;
    int64_t operator[](int64_t i) const { return at + i * bytes; }
  };
  Buffer rawQueries, rawKeys, rawValues, rawMask; ///< two of each
  Buffer queries, keys, values;                   ///< two of each; queries for each group
  Buffer mask, weights, factors, initial, state, result, staging, out;
  int64_t bytes = 0;
  std::array<CompiledKernel, kStaticKernels> kernels; ///< without code where there is no use for it
  std::array<uint32_t, kStaticKernels> numbers{};     ///< in Stream::kernels: the caller's to set

  int64_t groups() const { return tile.groups; }
  int64_t vectorOfKeys() const { return tile.unroll * tile.keysOfVector; }
};

/// Nothing where the machine does not take it; `why` has the reason then.
std::optional<StaticAttentionPlan> planStatic(const StaticAttention &attention,
                                              const mortise::Hardware &hardware, std::string &why);

/// Appends the commands; addresses and numbers of kernels are set.
void emitStatic(const StaticAttentionPlan &plan, const mortise::Hardware &hardware, Stream &stream);

} // namespace tenon::npu
