//===- TileKernel.cpp - kernels of the vector core for tiles --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/tile/TileKernel.h"

#include <algorithm>

namespace tenon::npu {

namespace {

constexpr int64_t kMostSpilled = 32; ///< vectors

int64_t vectorBytes(const mortise::Hardware &h) { return h.vector.lanes * 4; }

} // namespace

int64_t mostSpilledBytes(const mortise::Hardware &hardware) {
  return std::min(kMostSpilled * vectorBytes(hardware), hardware.scratchpad.bytes / 8);
}

std::optional<CompiledKernel> compileForTiles(const VectorFunction &function,
                                              const mortise::Hardware &hardware, std::string &why) {
  VectorOptions options;
  options.spill.bytes = mostSpilledBytes(hardware);
  options.spill.address = bytesBesideAny(hardware);
  try {
    return compile(function, hardware, options);
  } catch (const mortise::Error &e) {
    why = e.message();
    return std::nullopt;
  }
}

int64_t bytesBesideAny(const mortise::Hardware &hardware) {
  return hardware.scratchpad.bytes - mostSpilledBytes(hardware);
}

SpillArea spillArea(const CompiledKernel &kernel, const mortise::Hardware &hardware) {
  return {bytesBesideAny(hardware), kernel.statistics.spilled * vectorBytes(hardware)};
}

int64_t bytesBeside(const CompiledKernel &kernel, const mortise::Hardware &hardware) {
  return kernel.statistics.spilled ? bytesBesideAny(hardware) : hardware.scratchpad.bytes;
}

} // namespace tenon::npu
