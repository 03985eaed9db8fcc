//===- AssignBuffers.h - the phase Memory --------------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Input: functions whose tensors are results of kernels, reshapes, weights, constants, states,
// tenon.from_index, or of scf operations. Output: the same with copies where they are needed, every tensor in
// a buffer (see BufferTable.h).
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/SizeAnalysis.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace tenon::memory {

/// Decides where every tensor of the function lies. Fails with a diagnostic (TN06xx).
mlir::LogicalResult assignBuffers(mlir::func::FuncOp function, SizeAnalysis &sizes);

/// Checks the phase's output contract: every tensor has a buffer, and values that are alive at the same time
/// share no arena bytes. Emits an error for the first violation.
mlir::LogicalResult verifyBuffers(mlir::func::FuncOp function);

} // namespace tenon::memory
