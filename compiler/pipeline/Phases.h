//===- Phases.h - what each phase does to a module --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/SizeAnalysis.h"
#include "compiler/emit/cpu/CpuTarget.h"
#include "compiler/emit/mortise/Lowering.h"
#include "compiler/import/onnx/WeightStore.h"
#include "compiler/pipeline/Settings.h"
#include "mlir/IR/BuiltinOps.h"
#include "package/model.h"
#include <vector>

namespace tenon::pipeline {

// The middle phases. Each runs its passes and then the verifier of its output contract; it fails with
// diagnostics.
mlir::LogicalResult runGraph(mlir::ModuleOp module);
/// The end of Graph under `--precision bf16`: products take operands of bf16.
mlir::LogicalResult runBf16(mlir::ModuleOp module);
/// Instead of Graph, for reports: simplified core operations, each of one node of the model.
mlir::LogicalResult runCoreForm(mlir::ModuleOp module);
/// The first half of Kernel: weight-only computations appear.
mlir::LogicalResult runPack(mlir::ModuleOp module, const Settings &settings);
mlir::LogicalResult runKernel(mlir::ModuleOp module, const Settings &settings);
mlir::LogicalResult runMemory(mlir::ModuleOp module);

/// Whether the functions have plans, without code for their kernels; every tensor without a bound has a
/// diagnostic.
mlir::LogicalResult tryPlans(mlir::ModuleOp module, const std::shared_ptr<importer::WeightStore> &weights);

/// Code for the kernels of the module, and the plans of its functions. `lowering` compiles the segments of
/// `settings.mortise`.
mlir::LogicalResult runEmit(mlir::ModuleOp module, const std::vector<cpu::CpuTarget> &levels,
                            const Settings &settings, const std::shared_ptr<importer::WeightStore> &weights,
                            package::Package &package, const npu::Lowering &lowering = {});

} // namespace tenon::pipeline
