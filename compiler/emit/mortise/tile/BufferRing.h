//===- BufferRing.h - where kernels have their buffers in the scratchpad --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Buffers of a kernel lie together. Those of the next kernel follow them, and begin at the bottom again where
// the scratchpad ends: its first weights and tables come while the kernel before still computes.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/stream/Stream.h"

#include <span>

namespace tenon::npu {

/// How far into the first `bytes` of the scratchpad the buffers of these commands reach, with what the last
/// vector of a row touches beyond its end. Vectors that kernels keep at the scratchpad's end do not count.
int64_t usedBytes(std::span<const Command> commands, int64_t bytes, const mortise::Hardware &hardware);

/// Places of kernels that run one after the other.
class BufferRing {
public:
  explicit BufferRing(const mortise::Hardware &hardware)
      : alignment_(hardware.scratchpad.banks * hardware.scratchpad.width) {}

  /// Where the next kernel's `used` bytes begin, which must end before `bytes`. A start is in the same bank
  /// as 0 where words are interleaved over all banks.
  int64_t place(int64_t used, int64_t bytes);

private:
  int64_t alignment_, next_ = 0;
};

} // namespace tenon::npu
