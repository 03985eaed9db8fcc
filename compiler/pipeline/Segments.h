//===- Segments.h - kernels of Mortise in a package -----------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/Lowering.h"
#include "compiler/emit/plan/BuildPlan.h"
#include "compiler/import/onnx/WeightStore.h"
#include <deque>
#include <map>
#include <set>

namespace tenon::pipeline {

/// The end of Kernel for a machine of the family Mortise: what it takes becomes segments, the rest stays on
/// the CPU with a remark. `stays`, where given, is told each kernel and reason.
void runSegments(mlir::ModuleOp module, const mortise::Hardware &hardware, const npu::Lowering &lowering,
                 llvm::function_ref<void(KernelOp, llvm::StringRef)> stays = nullptr);

/// Where the nodes of a model run: by a node's number, the reasons why kernels of it stay on the CPU (none:
/// the machine has them all). Nodes without kernels are not in it.
std::map<int64_t, std::set<std::string>> placeNodes(mlir::ModuleOp module, const mortise::Hardware &hardware,
                                                    const npu::Lowering &lowering);

/// How this compiler gets kernels of a module, whose weights are in `store`, onto a machine.
npu::Lowering mortiseLowering(mlir::ModuleOp module, std::shared_ptr<importer::WeightStore> store,
                              bool cascades = true);

/// Collects the segments of a package while its functions are planned.
class SegmentEmitter {
public:
  SegmentEmitter(mlir::ModuleOp module, const mortise::Hardware &hardware, const npu::Lowering &lowering,
                 const importer::WeightStore &store)
      : module(module), hardware(hardware), lowering(lowering), store(store) {}

  /// Compiles a segment. The kernel's index is one that `finish` knows, not yet the package's.
  mlir::FailureOr<cpu::DispatchInfo> add(KernelOp op, SizeAnalysis &sizes);
  /// Adds device, programs and kernels behind those of the CPU, and puts the dispatches on the device's
  /// queue.
  void finish(package::Package &package);

private:
  struct Compiled {
    package::Kernel kernel;
    std::vector<uint8_t> program;
    std::vector<npu::ReplacedOperand> replaced;
    std::string schedule;
  };
  std::optional<llvm::ArrayRef<uint8_t>> bytesOf(mlir::Value value);
  void place(package::Function &function, package::Package &package, uint32_t firstKernel);

  mlir::ModuleOp module;
  const mortise::Hardware &hardware;
  const npu::Lowering &lowering;
  const importer::WeightStore &store;
  std::vector<Compiled> segments;
  std::deque<std::vector<uint8_t>> constants; // bytes that were asked for
};

} // namespace tenon::pipeline
