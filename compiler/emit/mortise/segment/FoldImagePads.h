//===- FoldImagePads.h - convolutions that read images as they are --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/segment/KernelConstants.h"
#include "isa/mortise/Hardware.h"

namespace tenon::npu {

/// Convolutions of a segment's body whose image a kernel before only pads read the image itself, where the
/// machine takes them: DMA fills what lies around an image on its way, and the array has no use for channels
/// that no filter sees, which the CPU's products of groups of channels ask for. Sizes must be static.
void foldImagePads(KernelOp segment, const mortise::Hardware &hardware, const WeightBytes &weights);

} // namespace tenon::npu
