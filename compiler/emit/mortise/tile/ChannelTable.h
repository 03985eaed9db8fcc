//===- ChannelTable.h - tables of a kernel of the vector core --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "isa/mortise/Isa.h"

#include <cstdint>

namespace tenon::npu {

/// Numbers that a kernel reads: rows of one for each channel, or one for all, or a table that it looks
/// numbers up in.
struct ChannelTable {
  int64_t rows = 1, elements = 1, bytes = 1; ///< elements: of a row
  bool perChannel = true;
  mortise::Id load = mortise::Id::VldW; ///< of a vector; of one number for all: VlbW, VlbBf or VlbB
  int64_t memory = 0;                   ///< address
  bool lookUp = false;                  ///< the kernel is given the table's address
  int64_t pitch = 0;                    ///< elements from a row to the next in memory; 0: as many as it has

  /// In the scratchpad, where each row is repeated.
  int64_t localBytes(int64_t repeats) const {
    int64_t total = rows * elements * (perChannel ? repeats : 1) * bytes;
    return (total + 63) / 64 * 64;
  }
};

} // namespace tenon::npu
