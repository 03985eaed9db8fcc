//===- SegmentMemory.h - where a segment's tensors lie in memory --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/TenonDialect.h"
#include "compiler/emit/mortise/segment/ResidentTensors.h"
#include "isa/mortise/Hardware.h"
#include "isa/mortise/Program.h"
#include "llvm/ADT/DenseMap.h"

namespace tenon::npu {

/// Addresses of a segment's operands, of what its kernels hand to each other, and of constants. What stays
/// inside the segment and is not resident lies in the second level where the machine has one and where it
/// fits.
class SegmentMemory {
public:
  /// `replaced`: bytes of the inputs that the package stores in another layout.
  SegmentMemory(KernelOp segment, const mortise::Hardware &hardware,
                const llvm::DenseMap<mlir::Value, int64_t> &replaced, const ResidentTensors &residents);

  /// Of a value of the segment's body, seen through reshapes.
  int64_t addressOf(mlir::Value value) const;
  /// A tensor of bytes that the program brings along.
  int64_t addConstant(const std::string &name, std::vector<uint8_t> bytes);
  /// All tensors, ordered by address.
  std::vector<mortise::Tensor> tensors() const;

private:
  int64_t place(const std::string &name, mortise::Role role, int64_t bytes);
  void placeInside(KernelOp segment, const ResidentTensors &residents);

  const mortise::Hardware &hardware;
  uint64_t next = 0;
  llvm::DenseMap<mlir::Value, int64_t> addresses;
  std::vector<mortise::Tensor> all;
};

} // namespace tenon::npu
