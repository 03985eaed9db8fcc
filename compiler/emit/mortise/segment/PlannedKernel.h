//===- PlannedKernel.h - a kernel that the machine takes --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/segment/SegmentProgram.h"

#include <memory>

namespace tenon::npu {

/// An operand of a kernel, and how it must lie to be read in the scratchpad.
struct OperandUse {
  mlir::Value value;                  ///< in the kernel's region
  std::optional<ResidentFrame> frame; ///< nothing: it must lie in memory
};

/// Where a kernel's operands and result would lie while it runs.
struct KernelPlaces {
  llvm::function_ref<int64_t(mlir::Value)> addressOf;
  ResidentFrame frame; ///< of the result, where it is resident
  int64_t room = 0;    ///< bytes of the scratchpad for buffers
};

/// What becomes of a kernel. Planning decides whether the machine takes it; emitting appends its commands
/// once addresses are known.
class PlannedKernel {
public:
  explicit PlannedKernel(KernelOp kernel) : kernel(kernel) {}
  virtual ~PlannedKernel() = default;

  /// What names the kernel in reports.
  virtual mlir::Location location() { return kernel.getLoc(); }
  /// The weight that the machine wants in another layout (a value of the kernel's region), and that layout.
  /// The segment stores it so where nothing else reads it.
  virtual mlir::Value repacked() { return {}; }
  virtual std::vector<uint8_t> pack() { return {}; }
  /// The operands, or nothing where the kernel reads all of them in memory.
  virtual llvm::SmallVector<OperandUse> uses() { return {}; }
  /// Whether the result may be resident and lie like this.
  virtual bool writes(const ResidentFrame &) { return false; }
  /// Estimated cycles, of which only differences between places count; nothing where it cannot run there.
  virtual std::optional<double> cycles(const KernelPlaces &places) = 0;
  /// Appends the commands. `stored`: where the repacked weight lies if the segment stores it. Returns what
  /// is in the way, or nothing.
  virtual std::string emit(SegmentProgram &program, uint32_t node, std::optional<int64_t> stored) = 0;

protected:
  /// How a tensor lies whose elements are as in memory.
  static ResidentFrame plain() { return {}; }
  /// Of work on the vector core: a part of the time for what it moves. Most of that is hidden.
  double movedCycles(const KernelPlaces &places, const mortise::Hardware &hardware);

  KernelOp kernel;
};

/// Nothing where the machine does not take the kernel; `why` says the reason then. One for each kind.
using PlanKernel = std::unique_ptr<PlannedKernel>(KernelOp kernel, const mortise::Hardware &hardware,
                                                  const WeightBytes &weights, std::string &why);
PlanKernel planProduct, planMatrices, planMap, planMovement, planWindow, planColumns, planRowwise,
    planAttention;
/// A depthwise convolution on the array; `cycles`: estimated.
std::unique_ptr<PlannedKernel> planDepthwise(KernelOp kernel, const mortise::Hardware &hardware,
                                             const WeightBytes &weights, double &cycles, std::string &why);
/// The same, whatever the kernel's kind.
PlanKernel planOf;
/// Whether a kernel of the family reduce combines elements along the last axis.
bool reducesRows(KernelOp kernel);

} // namespace tenon::npu
