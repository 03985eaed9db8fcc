//===- CostModel.h - how long a kernel takes, and what limits it ----------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A roofline with three levels of memory. Computing and loading overlap, so a kernel takes the longer of the
// two, and a fixed time to be called. The same numbers decide what is spread over threads (runtime) and are
// shown by `tenon inspect --ops` and beside the measured ones by `tenon profile`.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/SizeAnalysis.h"
#include "compiler/dialect/tenon/TenonDialect.h"
#include "compiler/emit/cpu/CpuTarget.h"

namespace tenon::cpu {

/// What a dispatch costs besides its work: binding, the call, and loops that are set up.
constexpr int64_t kDispatchNs = 30;

/// Bytes that a kernel has to move at least: what it reads of its inputs once, what it writes once.
struct Traffic {
  Size weights;     // read in every run and, where a model's weights exceed the caches, always from DRAM
  Size activations; // written shortly before: they lie in the smallest cache that they fit into
};

/// Times on one worker, in nanoseconds.
struct Prediction {
  Size compute; // the work at the machine's peak for its element type
  Size traffic; // the traffic at the bandwidth of the levels that it comes from
  Size cost;    // what is expected
};

/// "int8" or "bf16" where that is what the region's product multiplies, else "".
llvm::StringRef productTypeOf(KernelOp kernel);

/// What a region must move, over the symbols of its function. Slices and gathers read what they yield,
/// scatters touch what they change.
Traffic trafficOf(KernelOp kernel, SizeAnalysis &sizes);

/// `flops`: the kernel's work; `computing`: nanoseconds of computing as its family estimates them;
/// `modelWeights`: bytes of all weights that a run goes through.
Prediction predict(KernelOp kernel, const CpuTarget &target, Size flops, Size computing,
                   const Traffic &traffic, int64_t modelWeights);

/// Nanoseconds for `flops` at a share of the target's f32 peak.
Size atShareOfPeak(Size flops, const CpuTarget &target, double share);
/// Nanoseconds for `lanes` f32 lanes of instructions that are no fused multiplication and addition: at half
/// the peak.
Size atVectorRate(Size lanes, const CpuTarget &target);

} // namespace tenon::cpu
