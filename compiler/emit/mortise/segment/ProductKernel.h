//===- ProductKernel.h - a kernel of multiply-accumulates as the matrix unit sees it --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/segment/KernelConstants.h"
#include "compiler/emit/mortise/tile/Product.h"

namespace tenon::npu {

/// The layout of panels that Kernel makes: [groups, panels, window.., channels / group, 16, group].
struct KernelPanels {
  int64_t panels = 1, group = 1, channelGroups = 1;
  static constexpr int64_t kColumns = 16;

  /// Where an element lies, counted in elements.
  int64_t indexOf(int64_t g, int64_t tap, int64_t taps, int64_t channel, int64_t output) const {
    int64_t index = g * panels + output / kColumns;
    index = (index * taps + tap) * channelGroups + channel / group;
    return (index * kColumns + output % kColumns) * group + channel % group;
  }
  int64_t elements(int64_t groups, int64_t taps) const {
    return groups * panels * taps * channelGroups * kColumns * group;
  }
};

/// The product of a region, and how much of what follows it the drain does.
struct ProductKernel {
  Product layer;
  mlir::Operation *product = nullptr; ///< in the region
  mlir::Value image;                  ///< the left operand, in the region
  mlir::Value filter;                 ///< the right operand, in the region
  mlir::Value drained;                ///< what the drain stores
  KernelPanels panels;                ///< of the filter
  bool depthwise = false; ///< the filter has a number for each channel; outputs of a group see their own one
  std::vector<uint32_t> bias, scale; ///< words of the drain's tables

  /// From the panels of Kernel to those of the machine, with the drain's tables.
  std::vector<uint8_t> pack(const mortise::Hardware &hardware, const WeightBytes &weights) const;
};

/// Reads a kernel of the families contraction and conv. Where it does not fit the machine, `why` says what
/// is in the way.
std::optional<ProductKernel> readProduct(KernelOp kernel, const mortise::Hardware &hardware,
                                         const WeightBytes &weights, std::string &why);

/// Reads a depthwise convolution of integers as one of groups: as many channels as the array has columns see
/// filters that are zero but for their own channel. The array is busy with zeros then, which is still faster
/// than the vector core on machines with few lanes. Zeros times what is no number would be none: floats are
/// declined.
std::optional<ProductKernel> readDepthwise(KernelOp kernel, const mortise::Hardware &hardware,
                                           const WeightBytes &weights, std::string &why);

} // namespace tenon::npu
