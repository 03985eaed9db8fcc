//===- Cascades.h - which tensors of a segment stay in the scratchpad --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tensor between kernels stays in the scratchpad where all of them can use it there, where it fits beside
// others that live at the same time, and where the kernels that run meanwhile are estimated to take no longer
// with the rest of the scratchpad for their buffers than they save. Tensors are tried one after the other,
// those that save the most traffic for each byte and kernel that they live for first.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "isa/mortise/Hardware.h"

#include <functional>
#include <optional>
#include <vector>

namespace tenon::npu {

/// A tensor that may stay, from the kernel `first` that computes it to the last that reads it.
struct CascadeTensor {
  int64_t bytes = 0;   ///< with what vectors touch behind its end
  int64_t traffic = 0; ///< bytes that are not moved if it stays
  size_t first = 0, last = 0;
};

/// Where tensors stay: bytes of the scratchpad, nothing for those that do not.
using CascadePlaces = std::vector<std::optional<int64_t>>;

/// Estimated cycles of a kernel whose buffers may have the first `room` bytes of the scratchpad while tensors
/// stay at `places`; nothing where it cannot run so.
using CascadeCycles =
    std::function<std::optional<double>(size_t kernel, const CascadePlaces &places, int64_t room)>;

/// Chooses among tensors, and places them from `ceiling` downward. `room` (one for each kernel, of all of
/// them) is what is left below.
struct Cascades {
  CascadePlaces places;
  std::vector<int64_t> room;
};
Cascades chooseCascades(const std::vector<CascadeTensor> &tensors, size_t kernels, int64_t ceiling,
                        const mortise::Hardware &hardware, const CascadeCycles &cycles);

} // namespace tenon::npu
