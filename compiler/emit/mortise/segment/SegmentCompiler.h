//===- SegmentCompiler.h - kernels of a segment as a program of Mortise --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A segment is a kernel whose body holds kernels that run on the NPU one after the other. Its program names
// the operands of the dispatch b0, b1, ...: the segment's inputs, then its outputs.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/Lowering.h"
#include "compiler/emit/mortise/segment/KernelConstants.h"

namespace tenon::npu {

/// What may be turned off to measure what it is worth.
struct LoweringOptions {
  bool cascades = true; ///< tensors between kernels stay in the scratchpad where that pays
};

/// The lowering of Mortise. `weights` gives the bytes of weights while the module is compiled.
Lowering mortiseLowering(WeightBytes weights, LoweringOptions options = {});

} // namespace tenon::npu
