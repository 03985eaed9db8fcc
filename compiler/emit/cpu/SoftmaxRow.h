//===- SoftmaxRow.h - a softmax among the operations of a kernel
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// exp(x - max(x)) / sum(exp(x - max(x))) over an axis. NaN among x makes the whole row NaN whatever the
// maximum is, since it reaches the sum; and the sum lies between 1 and the number of elements, so that its
// reciprocal serves as well as a division.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/KernelBuilder.h"

namespace tenon::cpu {

struct SoftmaxRow {
  ReduceOp max, sum;
  DivOp quotient;
};
/// The softmax whose sum is `sum`, where nothing else reads what lies between.
std::optional<SoftmaxRow> matchSoftmax(ReduceOp sum);

/// e^x in the cheaper form for x that are never positive (docs/math.md): 0 below 2^-126, so that what a mask
/// leaves out makes no subnormal numbers, which take CPUs long.
mlir::Value emitExpAtMostZero(KernelBuilder &k, mlir::Value x);

/// dividend / divisor, by the divisor's `reciprocal`, for a divisor in the middle of the range of floats:
/// rounded to nearest but for what lies within 2^-22 ulp of the middle between two floats, and for results
/// below the normal ones (the error of a product is known to an FMA; Markstein, IBM J. R&D 34 (1), 1990).
mlir::Value emitQuotientByReciprocal(KernelBuilder &k, mlir::Value dividend, mlir::Value divisor,
                                     mlir::Value reciprocal, unsigned lanes);

} // namespace tenon::cpu
