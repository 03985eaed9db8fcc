//===- ArenaPlan.h - which buffers share the arena's bytes -------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sizes are symbolic, so offsets cannot be fixed at compile time. What is fixed is an order of placement: a
// buffer lies at the aligned maximum end of the earlier buffers that are alive at the same time as it. The
// runtime evaluates that rule whenever the symbols change. Planning chooses the order that needs the fewest
// bytes at likely sizes: the best of a few simple ones, improved by moving buffers about in it.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>
#include <vector>

namespace tenon::memory {

/// The boundary on which every arena buffer lies.
inline constexpr int64_t kArenaAlignment = 64;

/// A buffer that wants a place. It is alive from position `first` to position `last`, both included;
/// positions number the operations of a function in order of execution.
struct ArenaRequest {
  uint32_t first = 0;
  uint32_t last = 0;
  llvm::SmallVector<int64_t, 3> likelyBytes; // sizes for several likely values of the symbols
};

/// The order of placement. Entry i describes the i-th buffer to be placed.
struct ArenaPlan {
  struct Placement {
    uint32_t request = 0;                     // index of the request
    llvm::SmallVector<uint32_t, 4> conflicts; // earlier placements alive at the same time, ascending
  };
  std::vector<Placement> placements;
};

/// Tries a few orders (by size, by time, by size times lifetime), then moves single buffers of the best one
/// to other places as long as that lowers the peaks at likely sizes, each in proportion to the bytes that are
/// alive together then, which no order can go below. Every request has as many likely sizes as the first.
/// Equal requests give equal plans.
ArenaPlan planArena(llvm::ArrayRef<ArenaRequest> requests);

/// Applies the rule: the offsets of the placements, in their order, for sizes in bytes given per request.
/// Returns the end of the highest buffer, or INT64_MAX when that is beyond int64.
int64_t placeArena(const ArenaPlan &plan, llvm::ArrayRef<int64_t> bytesOfRequest,
                   llvm::SmallVectorImpl<int64_t> *offsets = nullptr);

} // namespace tenon::memory
