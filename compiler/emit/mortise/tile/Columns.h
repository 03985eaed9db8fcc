//===- Columns.h - reductions over all axes but the last, on the vector core --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every channel's column is combined by itself, lanes along channels: global pooling, for one. Tiles are
// groups of channels with all of their rows.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/tile/ChannelTable.h"
#include "compiler/emit/mortise/tile/Commands.h"
#include "compiler/emit/mortise/vector/CompileKernel.h"
#include "compiler/emit/mortise/vector/VectorBuilder.h"

namespace tenon::npu {

/// [outer, rows, channels] becomes [outer, channels].
struct Columns {
  int64_t outer = 1, rows = 1, channels = 1;
  Id load = Id::VldUb, store = Id::VstUb;
  int64_t elementBytes = 1, resultBytes = 1;
  std::vector<ChannelTable> tables;
  int64_t input = 0, output = 0; ///< addresses in memory, or resident
  bool inPlace = false;          ///< the input is resident, and one tile has all channels
  uint32_t kernel = 0;           ///< in Stream::kernels
  uint32_t node = 0;

  /// Channels of a tile: whole vectors, so that there are several tiles and two of them fit; 0: none does.
  int64_t tileChannels(const mortise::Hardware &hardware) const;
  /// Bytes of the scratchpad that the buffers need.
  int64_t bufferBytes(const mortise::Hardware &hardware) const;
};

/// What a kernel computes. `values`: of the tables, for the lanes' channels.
struct ColumnsBody {
  /// What is combined, of an element.
  std::function<Value(VectorBuilder &, Value element, std::span<const Value> values)> map;
  std::function<Value(VectorBuilder &, Value, Value)> combine;
  int32_t neutral = 0; ///< the bits of what changes nothing
  /// What is stored.
  std::function<Value(VectorBuilder &, Value total, std::span<const Value> values)> finish;
};

/// Parameters of the kernel are the tile's elements, the result, vectors, channels, and the tables. `why`
/// says what is in the way where there is none.
std::optional<CompiledKernel> columnsKernel(const Columns &columns, const ColumnsBody &body,
                                            const mortise::Hardware &hardware, std::string &why);

/// Appends the commands. `tileChannels` must not be 0.
void emitColumns(const Columns &columns, const mortise::Hardware &hardware, int64_t scratchpad,
                 Stream &stream);

} // namespace tenon::npu
