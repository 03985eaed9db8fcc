//===- RunTimeAxes.h - axes that only the run knows -------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Axes that are computed when the model runs are read as sizes and checked then. For each axis of a tensor a
// flag, a size that is 0 or 1, says whether it is named.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/import/onnx/NodeContext.h"

namespace tenon::importer {

/// True when input `input` is there and its elements are not known at import.
bool isRunTime(NodeContext &n, int64_t input);

/// The flags of `rank` axes from the elements of an integer input of known count; failure (TN0102) for
/// others.
mlir::FailureOr<llvm::SmallVector<Size>> axisFlags(NodeContext &n, int64_t input, int64_t rank);

/// The sizes of those dimensions that no flag names, of which there are `count`, in order.
Dims unnamedDims(GraphBuilder &g, llvm::ArrayRef<Size> dims, llvm::ArrayRef<Size> flags, int64_t count);

/// `dims` with dimensions of 1 put where flags (one for each dimension of the result) are set.
Dims withUnitDims(GraphBuilder &g, llvm::ArrayRef<Size> dims, llvm::ArrayRef<Size> flags);

/// Applies `f` along each axis whose flag is set, one after the other. What `f` makes has the sizes of its
/// operand, but for the axis, which may become 1.
Tensor alongNamedAxes(NodeContext &n, Tensor x, llvm::ArrayRef<Size> flags,
                      llvm::function_ref<Tensor(const Tensor &, int64_t)> f);

} // namespace tenon::importer
