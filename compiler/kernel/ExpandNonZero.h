//===- ExpandNonZero.h - positions of what is not zero --------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/TenonDialect.h"

namespace tenon::kernel {

/// Replaces `tenon.non_zero`, which no kernel family has, by operations that kernels have: a running count
/// gives each element its column, and a scatter writes the elements' numbers there.
void expandNonZero(NonZeroOp op);

} // namespace tenon::kernel
