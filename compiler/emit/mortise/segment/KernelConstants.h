//===- KernelConstants.h - numbers that a region's values are known to be --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/TenonDialect.h"
#include <functional>
#include <optional>
#include <vector>

namespace tenon::npu {

/// The bytes of a weight; nothing where they are not at hand.
using WeightBytes = std::function<std::optional<llvm::StringRef>(GetWeightOp)>;

/// Constants of a kernel region, seen through its arguments, broadcasts and reshapes.
class KernelConstants {
public:
  explicit KernelConstants(const WeightBytes &weights) : weights(weights) {}

  /// The value outside of all kernels that an argument stands for; other values are themselves.
  static mlir::Value outer(mlir::Value value);
  /// The value of `segment`'s body that an argument of one of its kernels stands for.
  static mlir::Value within(mlir::Value value, KernelOp segment);
  /// The elements of a value of type `T` (float or int32_t): one where all are equal, else one for each
  /// index of the last axis. Nothing for others.
  template <typename T> std::optional<std::vector<T>> perChannel(mlir::Value value) const;
  /// All bytes of an argument that is a weight or a constant, in `storage` where they must be made.
  std::optional<llvm::StringRef> bytes(mlir::Value value, std::vector<uint8_t> &storage) const;

private:
  const WeightBytes &weights;
};

} // namespace tenon::npu
