//===- Resident.h - tensors that stay in the scratchpad --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tensor between kernels may lie in the scratchpad for its whole life. Its address is that of a byte of the
// scratchpad plus `kResidentBase`: who computes it writes it there, who reads it finds it there, and nothing
// is loaded or stored.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "isa/mortise/Hardware.h"
#include "isa/mortise/Program.h"

namespace tenon::npu {

/// Beyond all memories.
constexpr int64_t kResidentBase = 2 * static_cast<int64_t>(mortise::kL2Base);

inline bool isResident(int64_t address) { return address >= kResidentBase; }
/// The byte of the scratchpad.
inline int64_t residentAt(int64_t address) { return address - kResidentBase; }
inline int64_t residentAddress(int64_t scratchpad) { return kResidentBase + scratchpad; }

/// What a resident tensor needs behind its end: the last vectors of kernels reach so far.
inline int64_t residentSlack(const mortise::Hardware &hardware) { return hardware.vector.lanes * 4; }

/// What lies around the images of a resident tensor, so that windows find it there. Without a border,
/// elements lie as in memory, whatever images, lines and pixels they belong to.
struct ResidentFrame {
  int64_t top = 0, bottom = 0, left = 0, right = 0; ///< lines and pixels around each image
  int64_t value = 0;                                ///< the bits of an element around it
  int64_t elementBytes = 1;
  int64_t images = 1, height = 1, width = 1, pixelBytes = 0; ///< of the tensor

  bool hasBorder() const { return top + bottom + left + right > 0; }
  int64_t lineBytes() const { return (left + width + right) * pixelBytes; }
  int64_t imageBytes() const { return (top + height + bottom) * lineBytes(); }
  int64_t bytes() const { return images * imageBytes(); }
  /// From the tensor's first byte to its first pixel.
  int64_t first() const { return top * lineBytes() + left * pixelBytes; }
  bool operator==(const ResidentFrame &) const = default;
};

} // namespace tenon::npu
