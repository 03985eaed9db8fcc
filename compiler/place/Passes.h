//===- Passes.h - passes of the phase Place
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/TenonDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include <functional>
#include <string>

namespace tenon::place {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "compiler/place/Passes.h.inc"

/// Whether a device takes a kernel: empty, or the reason why not.
using Takes = std::function<std::string(KernelOp)>;

/// The family of kernels that are segments.
inline constexpr llvm::StringLiteral kSegmentFamily = "mortise";
/// Whether a kernel is a segment of a device.
inline bool isSegment(KernelOp op) { return op.getFamily() == kSegmentFamily; }

/// As the pass, for what the device takes.
void formSegments(mlir::func::FuncOp function, const Takes &takes);

} // namespace tenon::place
