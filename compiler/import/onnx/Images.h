//===- Images.h - windows over images, and the way to channels-last ---------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/import/onnx/NodeContext.h"

namespace tenon::importer {

/// What convolutions and poolings say of their windows, one entry for each spatial axis.
struct Window {
  llvm::SmallVector<int64_t> kernel, strides, dilations, low, high;
  bool ceilMode = false;
  /// Padding that depends on symbolic sizes (SAME with a stride): to be made explicit by padding the input.
  llvm::SmallVector<Size> dynamicLow, dynamicHigh;
};

/// Reads kernel_shape (unless `kernel` is given), strides, dilations, pads, auto_pad and ceil_mode for an
/// input [N, C, spatial...]. Numbers are checked.
mlir::FailureOr<Window> readWindow(NodeContext &n, const Tensor &x,
                                   std::optional<llvm::SmallVector<int64_t>> kernel);

/// [N, C, spatial...] to [N, spatial..., C] and back.
Tensor channelsLast(GraphBuilder &g, const Tensor &x);
Tensor channelsFirst(GraphBuilder &g, const Tensor &x);

/// Checks that along each spatial axis of x = [N, spatial..., C] the padded image is longer than the window
/// less `slack`, one number for each axis. What sizes that are symbols promise too little of becomes a
/// requirement on the symbols, unless the node runs in some cases only (in a branch, or a loop).
mlir::LogicalResult needRoom(NodeContext &n, const Tensor &x, const Window &w, llvm::ArrayRef<int64_t> slack);

/// The elements by which a window is longer than the padded image; negative where it fits.
Size excess(const Tensor &x, const Window &w, size_t axis);

/// The number of windows along each spatial axis of x = [N, spatial..., C].
llvm::SmallVector<Size> positions(GraphBuilder &g, const Tensor &x, const Window &w);

} // namespace tenon::importer
