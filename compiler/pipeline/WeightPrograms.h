//===- WeightPrograms.h - computations on weights alone run at compile time --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Operations whose operands are weights and constants (packing, folding, transposing) are cut out of a
// model's functions into programs of their own. The same phases compile a program for this machine; it runs
// once for each set of weights, and its result becomes a weight in the place of the computation.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/import/onnx/WeightStore.h"
#include "compiler/pipeline/Settings.h"
#include "mlir/IR/BuiltinOps.h"

namespace tenon::pipeline {

/// Replaces computations on weights in every function of the module by weights. `progress` hears how many of
/// them are done. Fails with a diagnostic when a program cannot be compiled or run.
mlir::LogicalResult runWeightPrograms(mlir::ModuleOp module, const Settings &settings,
                                      const std::shared_ptr<importer::WeightStore> &weights,
                                      llvm::function_ref<void(uint32_t done, uint32_t total)> progress);

} // namespace tenon::pipeline
