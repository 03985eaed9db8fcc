//===- ResidentTensors.h - a segment's tensors that stay in the scratchpad --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/TenonDialect.h"
#include "compiler/emit/mortise/segment/Cascades.h"
#include "compiler/emit/mortise/tile/Resident.h"
#include "llvm/ADT/DenseMap.h"

#include <string>

namespace tenon::npu {

class PlannedKernel;

/// A tensor that stays: its address, and how its pixels lie.
struct ResidentTensor {
  int64_t address = 0; ///< resident
  ResidentFrame frame;
};

/// What a segment keeps in the scratchpad, and what that leaves to its kernels. Without any, all of the
/// scratchpad is every kernel's.
class ResidentTensors {
public:
  ResidentTensors() = default;
  /// Decides for kernels in the order in which they run.
  ResidentTensors(KernelOp segment, llvm::ArrayRef<std::pair<KernelOp, PlannedKernel *>> kernels,
                  const mortise::Hardware &hardware);

  /// Nothing where a value of the segment's body goes through memory.
  const ResidentTensor *find(mlir::Value root) const {
    auto found = tensors.find(root);
    return found == tensors.end() ? nullptr : &found->second;
  }
  /// Bytes of the scratchpad that a kernel may have, by its number.
  int64_t room(size_t kernel, int64_t bytes) const {
    return kernel < rooms.size() ? std::min(rooms[kernel], bytes) : bytes;
  }
  size_t size() const { return tensors.size(); }

private:
  llvm::DenseMap<mlir::Value, ResidentTensor> tensors;
  std::vector<int64_t> rooms;
};

/// What reshapes see of a value.
mlir::Value rootOf(mlir::Value value);

} // namespace tenon::npu
