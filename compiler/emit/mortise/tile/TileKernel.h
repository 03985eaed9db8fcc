//===- TileKernel.h - kernels of the vector core for tiles --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Kernels that need more registers than there are keep vectors at the end of the scratchpad, one kernel where
// another did: none lives while another runs. Buffers of tiles keep off that end only where a kernel needs
// it.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/stream/Stream.h"
#include "compiler/emit/mortise/vector/CompileKernel.h"

namespace tenon::npu {

/// Compiles with room for spilled vectors. Nothing where the vector backend declines; `why` has its error.
std::optional<CompiledKernel> compileForTiles(const VectorFunction &function,
                                              const mortise::Hardware &hardware, std::string &why);
/// What a kernel from `compileForTiles` needs of the scratchpad's end.
SpillArea spillArea(const CompiledKernel &kernel, const mortise::Hardware &hardware);
/// What any kernel may need there.
int64_t mostSpilledBytes(const mortise::Hardware &hardware);
/// Bytes of the scratchpad that any kernel leaves for buffers.
int64_t bytesBesideAny(const mortise::Hardware &hardware);
/// Bytes of the scratchpad that a kernel leaves for buffers.
int64_t bytesBeside(const CompiledKernel &kernel, const mortise::Hardware &hardware);

} // namespace tenon::npu
