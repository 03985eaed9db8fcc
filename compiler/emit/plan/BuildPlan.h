//===- BuildPlan.h - functions as plans ------------------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Turns functions, whose tensors the phase Memory has placed, into the functions of a package: kernels become
// dispatches, control flow becomes branches, sizes become expressions.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/SizeAnalysis.h"
#include "compiler/emit/cpu/CpuCompiler.h"
#include "mlir/IR/BuiltinOps.h"
#include "package/model.h"
#include "llvm/ADT/MapVector.h"
#include <functional>
#include <map>

namespace tenon::plan {

/// Registers a kernel region with the code generator; fails with a diagnostic.
using KernelAdder = std::function<mlir::FailureOr<cpu::DispatchInfo>(KernelOp, SizeAnalysis &)>;
/// Where a weight's bytes come from; fails with a diagnostic at the weight.
using WeightFinder = std::function<mlir::FailureOr<package::WeightSource>(WeightOp)>;

/// Fills the functions, weights, states and origins of a package. Weights and states that no function uses
/// are left out.
class PackageBuilder {
public:
  PackageBuilder(mlir::ModuleOp module, package::Package &package, KernelAdder addKernel,
                 WeightFinder findWeight);

  /// Appends the plan of a function. Fails with a diagnostic (TN0602: a size without bound, TN0611: an
  /// operation that has no place in a plan).
  mlir::LogicalResult addFunction(mlir::func::FuncOp function, SizeAnalysis &sizes);

  /// Indices into the package, made at the first use.
  mlir::FailureOr<uint32_t> weight(mlir::Operation *user, llvm::StringRef symbol);
  mlir::FailureOr<uint32_t> constant(mlir::Operation *user, mlir::ElementsAttr value);
  mlir::FailureOr<uint32_t> state(mlir::Operation *user, llvm::StringRef symbol);
  /// The source nodes that a location names, as an index into Debug::origins; kNone without any.
  uint32_t origin(mlir::Location location);
  mlir::FailureOr<cpu::DispatchInfo> addKernel(KernelOp op, SizeAnalysis &sizes) {
    return kernels(op, sizes);
  }
  mlir::MLIRContext *context() { return module.getContext(); }
  /// Notes that arguments of a kernel may be the same memory.
  void tie(uint32_t kernel, uint32_t first, uint32_t second);
  /// The tied arguments of the kernels, by kernel.
  const std::map<uint32_t, std::vector<std::pair<uint32_t, uint32_t>>> &ties() const { return tied; }

private:
  void readNodes();

  mlir::ModuleOp module;
  package::Package &package;
  KernelAdder kernels;
  WeightFinder weights;
  llvm::StringMap<uint32_t> weightIndices, stateIndices;
  llvm::DenseMap<mlir::Attribute, uint32_t> constantIndices;
  std::map<std::vector<uint32_t>, uint32_t> origins;
  std::map<uint32_t, std::vector<std::pair<uint32_t, uint32_t>>> tied;
};

/// The package's element type of an MLIR element type; nothing for other types.
std::optional<package::DType> dtypeOf(mlir::Type element);

/// The elements of a constant as they lie in memory: row-major, booleans in a byte each. Nothing for an
/// attribute whose elements are not at hand.
std::optional<std::vector<uint8_t>> bytesOf(mlir::ElementsAttr value);

} // namespace tenon::plan
