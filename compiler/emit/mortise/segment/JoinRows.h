//===- JoinRows.h - neighbouring kernels that work on the same rows --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The CPU's kernels of a norm are four: a mean, differences, their variance, and what is stored. On rows in a
// scratchpad they are one, which reads and writes memory once.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/TenonDialect.h"
#include "isa/mortise/Hardware.h"

namespace tenon::npu {

/// Joins kernels of a segment's body into those that alone read their results, where the rows that one of
/// them reduces are the rows of both and the machine takes the whole. Sizes must be static.
void joinRows(KernelOp segment, const mortise::Hardware &hardware);

} // namespace tenon::npu
