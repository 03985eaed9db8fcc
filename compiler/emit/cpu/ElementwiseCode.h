//===- ElementwiseCode.h - elementwise operations on vector values
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/KernelBuilder.h"

namespace tenon::cpu {

/// The code of an elementwise core operation for operands that are already scalars or vectors (of valueType).
/// This is the one routine that every kernel family applies to its values, so that every family gets every
/// fusion. Returns null when the operation is not known.
mlir::Value emitElementwise(KernelBuilder &k, mlir::Operation *op, mlir::ValueRange operands, unsigned lanes);

/// acc combined with v as a reduction of that kind does it, for elements of the tensor type `element`.
/// Without `keepsNan`, for results that do not depend on it, an extreme may pass over NaN.
mlir::Value emitCombine(KernelBuilder &k, ReduceKind kind, mlir::Type element, mlir::Value acc, mlir::Value v,
                        bool keepsNan = true);
/// The neutral element of a reduction, of valueType(element).
mlir::TypedAttr neutralElement(KernelBuilder &k, ReduceKind kind, mlir::Type element);
/// Combines the lanes of a vector, always in the same order (halves onto halves).
mlir::Value emitHorizontal(KernelBuilder &k, ReduceKind kind, mlir::Type element, mlir::Value vector,
                           unsigned lanes);

/// Rough cost of an elementwise operation in vector instructions, for deciding what to recompute.
unsigned elementwiseCost(mlir::Operation *op);

} // namespace tenon::cpu
