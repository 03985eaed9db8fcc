// Random kernels: straight code and loops over all kinds of operations, within 64 KB of scratchpad.
#pragma once

#include "compiler/emit/mortise/vector/VectorBuilder.h"

namespace tenon::npu {

constexpr int64_t kRandomMemory = 1 << 16;
constexpr int64_t kRandomSpill = 0xE000; ///< the kernels leave the bytes from here on alone

/// Two parameters: trip counts of dynamic loops.
VectorFunction randomKernel(uint64_t seed, int64_t lanes);

} // namespace tenon::npu
