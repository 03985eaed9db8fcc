//===- Remarks.h - why something was fused, or not ----------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "mlir/IR/MLIRContext.h"
#include <string>

namespace tenon::pipeline {

/// Appends the remarks of every pass that runs in the context to `yaml`, which must live as long as the
/// context: LLVM's documents `--- !Passed` and `--- !Missed`, in the order of the passes.
void collectRemarks(mlir::MLIRContext &context, std::string &yaml);

} // namespace tenon::pipeline
