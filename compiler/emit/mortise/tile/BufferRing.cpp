//===- BufferRing.cpp - where kernels have their buffers in the scratchpad --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/tile/BufferRing.h"

#include <algorithm>

namespace tenon::npu {

int64_t usedBytes(std::span<const Command> commands, int64_t bytes, const mortise::Hardware &hardware) {
  int64_t end = 0;
  for (const Command &command : commands)
    for (const Access &access : command.accesses) {
      if (access.space != Space::Scratchpad || access.base >= bytes)
        continue;
      int64_t last = access.base + access.run;
      for (int axis = 0; axis < 3; ++axis)
        last += std::max<int64_t>(0, (access.count[axis] - 1) * access.stride[axis]);
      end = std::max(end, last);
    }
  constexpr int64_t kLaneBytes = 4;
  return std::min(end + hardware.vector.lanes * kLaneBytes, bytes);
}

int64_t BufferRing::place(int64_t used, int64_t bytes) {
  int64_t start = next_ + used <= bytes ? next_ : 0;
  next_ = (start + used + alignment_ - 1) / alignment_ * alignment_;
  return start;
}

} // namespace tenon::npu
