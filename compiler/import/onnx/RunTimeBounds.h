//===- RunTimeBounds.h - slices and pads that only the run knows ------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Steps, axes and pads that are computed when the model runs make sizes without a bound. Where the model
// declares the result's shape, those are the sizes; that they come out is checked when the model runs.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/import/onnx/NodeContext.h"

namespace tenon::importer {

/// x[start : end : step] along axes, of which any may be a value of the run. Fails (TN0102) where the
/// result's shape is not declared.
mlir::LogicalResult sliceAtRunTime(NodeContext &n);

/// Pads of the run, for the constant axes given. Fails (TN0102) as above.
mlir::LogicalResult padAtRunTime(NodeContext &n, llvm::StringRef mode, const Tensor &fill);

/// Axes cut or filled with 0 at both ends to sizes that may be values of the run.
mlir::LogicalResult centerCropPad(NodeContext &n);

/// Positions of a padded axis in the input: the index in the result less `low`, folded back by the mode
/// (edge, wrap or reflect).
Tensor foldedPositions(GraphBuilder &g, llvm::StringRef mode, Size dim, Size low, Size length);

} // namespace tenon::importer
