//===- UnpackRight.h - computed right operands without the CPU's panels --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The CPU multiplies with right operands in panels, which a kernel of its own writes. The array takes
// matrices as they are, by rows or by columns, so that nothing needs to write panels, nor to transpose in
// front of them.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/segment/KernelConstants.h"
#include "isa/mortise/Hardware.h"

namespace tenon::npu {

/// Products of a segment's body whose panels one of its kernels writes read what those panels are made of
/// (`tenon.contract` in place of `tenon.packed_contract`), in the order in which memory has it, where the
/// machine takes all that changes. Sizes must be static.
void unpackRight(KernelOp segment, const mortise::Hardware &hardware, const WeightBytes &weights);

} // namespace tenon::npu
