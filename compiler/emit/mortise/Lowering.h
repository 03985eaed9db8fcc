//===- Lowering.h - what Mortise takes, and how it is compiled ------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/SizeAnalysis.h"
#include "isa/mortise/Hardware.h"
#include "isa/mortise/Program.h"
#include "mlir/Support/LLVM.h"
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tenon::npu {

/// The bytes of a segment's operand that is known while compiling (a weight or a constant, also through
/// reshapes), as they lie in memory; nothing for other operands. Valid while the module is.
using OperandBytes = std::function<std::optional<llvm::ArrayRef<uint8_t>>(unsigned operand)>;

/// An operand of a segment that the program wants in another layout: the package stores these bytes for it.
struct ReplacedOperand {
  unsigned operand = 0; // of the segment's inputs
  std::vector<uint8_t> bytes;
};

/// A segment as a program. Tensor `bN` of the program is the N-th buffer of the dispatch: the segment's
/// inputs, then its results; parameter `sN` is the N-th of `scalars`.
struct CompiledSegment {
  mortise::Program program;
  std::vector<Size> scalars;
  std::vector<ReplacedOperand> replaced;
  Size flops, bytes;    // work and compulsory memory traffic, for reports; may be null
  std::string schedule; // how it was cut, for reports
};

/// How kernels get onto a machine of the family.
struct Lowering {
  /// Whether the machine takes a kernel as the phase Kernel leaves it: empty, or the reason why not.
  std::function<std::string(KernelOp, SizeAnalysis &, const mortise::Hardware &)> takes;
  /// Compiles a kernel of family "mortise", whose body holds kernels that were taken and reshapes. Fails with
  /// a diagnostic.
  std::function<mlir::FailureOr<CompiledSegment>(KernelOp, SizeAnalysis &, const mortise::Hardware &,
                                                 const OperandBytes &)>
      compile;
};

} // namespace tenon::npu
