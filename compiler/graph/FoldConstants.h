//===- FoldConstants.h - evaluate operations on constants ----------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "mlir/IR/Operation.h"
#include "mlir/Support/LLVM.h"

namespace tenon {

/// The values of an operation's results when its operands are all constants and the results have constant
/// sizes and take at most `maxBytes` bytes together; fails, without a diagnostic, otherwise. The attributes
/// have the results' types with every dimension static. Not to be called while other threads report
/// diagnostics in the same context.
mlir::FailureOr<llvm::SmallVector<mlir::TypedAttr>> evaluateOnConstants(mlir::Operation *op,
                                                                        int64_t maxBytes);

} // namespace tenon
