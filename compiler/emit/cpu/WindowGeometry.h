//===- WindowGeometry.h - positions under a sliding window
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/KernelFamilies.h"

namespace tenon::cpu {

/// The geometry of a convolution or pooling over channels-last images, per spatial axis.
struct WindowGeometry {
  llvm::SmallVector<Size> in, out;
  llvm::SmallVector<int64_t> window, strides, dilations, low, high, inputDilations;

  unsigned rank() const { return in.size(); }
  /// No position of any window lies outside the input.
  bool unpadded() const {
    return llvm::all_of(low, [](int64_t v) { return v == 0; }) &&
           llvm::all_of(high, [](int64_t v) { return v == 0; });
  }
  bool plainInput() const {
    return llvm::all_of(inputDilations, [](int64_t v) { return v == 1; });
  }
};

/// The constant that a pixel of padding consists of.
mlir::TypedAttr paddingElement(KernelBuilder &k, mlir::Type element, int64_t value);
/// The first input position (before dilation, may be negative) of an output position along every axis.
llvm::SmallVector<mlir::Value> windowOrigin(KernelBuilder &k, const WindowGeometry &g,
                                            llvm::ArrayRef<mlir::Value> out);
/// Whether tap `tap` of the window at `origin` lies in the image, and the row-major pixel index it reads.
/// `inside` is null when the geometry says that it always does.
struct WindowTap {
  mlir::Value inside, pixel;
};
WindowTap windowTap(KernelBuilder &k, const WindowGeometry &g, llvm::ArrayRef<mlir::Value> origin,
                    llvm::ArrayRef<mlir::Value> tap);

} // namespace tenon::cpu
