//===- PairsOfBytes.h - products of bytes that fit in 16 bits ----------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// CPUs without dot products of bytes have an instruction that sums two products of an unsigned and a signed
// byte in 16 bits and saturates. It is exact where the constant weights prove that no pair can saturate.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/import/onnx/WeightStore.h"
#include "compiler/pipeline/Settings.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/ArrayRef.h"

namespace tenon::pipeline {

/// Whether 255 times the positive ones, and 255 times the negative ones, of each two neighbouring weights sum
/// up to an i16. The number of weights is even.
bool pairsFit(llvm::ArrayRef<int8_t> weights);

/// Marks packed products of bytes (kPairsFitAttr) whose weights fit, or all of them when the settings let
/// sums saturate. Run it when packed weights are weights.
void markPairsThatFit(mlir::ModuleOp module, const Settings &settings, const importer::WeightStore &weights);

} // namespace tenon::pipeline
