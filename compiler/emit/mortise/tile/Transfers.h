//===- Transfers.h - what transfers cost --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/tile/Resident.h"

#include <algorithm>
#include <numeric>

namespace tenon::npu {

inline int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t upTo(int64_t value, int64_t multiple) { return ceilDiv(value, multiple) * multiple; }

/// The memory that an address lies in. What is resident costs no time, as nothing is transferred.
inline const mortise::MemoryTiming &memoryOf(int64_t address, const mortise::Hardware &h) {
  static const mortise::MemoryTiming none = {0, 1e12, 0, 1};
  if (isResident(address))
    return none;
  return uint64_t(address) >= mortise::kL2Base ? h.l2 : h.dram;
}

/// Buffers of the scratchpad begin at whole words.
inline int64_t alignedBytes(int64_t bytes) { return upTo(bytes, 64); }

/// Cycles that `count` runs of `bytes`, `stride` bytes apart, take of a memory: whole bursts, of which runs
/// that do not begin with one touch more. `offset`: what may lie between a burst and the first run.
inline double transferCycles(int64_t bytes, int64_t count, int64_t stride, int64_t offset,
                             const mortise::MemoryTiming &memory) {
  int64_t apart = std::gcd(std::gcd(stride, offset), memory.burst);
  double bursts = std::max(double((bytes + memory.burst - 1) / memory.burst),
                           1 + double(bytes - apart) / double(memory.burst));
  return bursts * double(memory.burst * count) / memory.bytesPerCycle;
}

} // namespace tenon::npu
