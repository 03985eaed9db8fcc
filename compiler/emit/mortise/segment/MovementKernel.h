//===- MovementKernel.h - regions that move elements --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/TenonDialect.h"
#include "compiler/emit/mortise/tile/Movement.h"
#include "compiler/emit/mortise/vector/CompileKernel.h"

namespace tenon::npu {

/// A region of movement and elementwise work: what is moved, and what the vector core computes of it.
struct MovementKernel {
  Movement movement;
  /// For each source and each of its parts, the operand in the region that it reads.
  std::vector<std::vector<mlir::Value>> operands;
  std::optional<CompiledKernel> kernel;
};

/// Whether a region moves elements: it has more than elementwise work.
bool movesElements(KernelOp kernel);

/// Reads a kernel whose region moves elements. Where it does not fit the machine, `why` says what is in the
/// way.
std::optional<MovementKernel> readMovement(KernelOp kernel, const mortise::Hardware &hardware,
                                           std::string &why);

} // namespace tenon::npu
