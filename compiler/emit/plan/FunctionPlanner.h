//===- FunctionPlanner.h - one function as a plan --------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Private to the plan builder.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/BufferTable.h"
#include "compiler/emit/plan/BuildPlan.h"
#include "compiler/emit/plan/SlotTable.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace tenon::plan {

/// Walks a function in program order and makes its commands. Slots are provisional until the end.
class FunctionPlanner {
public:
  FunctionPlanner(PackageBuilder &shared, mlir::func::FuncOp function, SizeAnalysis &sizes,
                  package::Function &plan);
  mlir::LogicalResult run();

private:
  using Slot = package::Slot;
  using MaybeSlot = mlir::FailureOr<Slot>;

  // The signature and the memory.
  mlir::LogicalResult addInputs();
  mlir::LogicalResult addOutputs(mlir::func::ReturnOp end);
  mlir::LogicalResult addTensorArg(mlir::Operation *user, mlir::Value value, llvm::StringRef name,
                                   std::vector<package::TensorArg> &list);
  mlir::LogicalResult addBuffers();
  mlir::LogicalResult addBuffer(const BufferEntry &entry, llvm::ArrayRef<mlir::Value> values);
  mlir::FailureOr<uint32_t> objectOf(const BufferEntry &entry, mlir::Value value);
  void addStateTies();
  void certify();

  // Sizes.
  Size bytesOf(mlir::Value value);
  MaybeSlot slot(mlir::Operation *user, Size size);
  MaybeSlot slotOr(mlir::Operation *user, Size size, int64_t absent);
  MaybeSlot scalar(mlir::Value value);
  MaybeSlot computed(mlir::Operation *op);
  std::optional<Slot> symbolSlot(llvm::StringRef name);
  Slot external();

  // Commands.
  mlir::LogicalResult block(mlir::Block &body);
  mlir::LogicalResult operation(mlir::Operation *op);
  mlir::LogicalResult dispatch(KernelOp op);
  mlir::LogicalResult checkWindows(KernelOp kernel);
  mlir::LogicalResult copy(CopyOp op);
  mlir::LogicalResult readScalar(ReadScalarOp op);
  mlir::LogicalResult extract(mlir::tensor::ExtractOp op);
  mlir::LogicalResult fromIndex(FromIndexOp op);
  mlir::LogicalResult branch(mlir::scf::IfOp op);
  mlir::LogicalResult countedLoop(mlir::scf::ForOp op);
  mlir::LogicalResult conditionalLoop(mlir::scf::WhileOp op);
  /// The scalars of a value that control flow chooses: its own value, or those sizes of a tensor that have no
  /// expression.
  llvm::SmallVector<std::pair<mlir::Value, int64_t>> chosenScalars(mlir::Value value);
  void declareChosen(mlir::ValueRange values);
  /// Writes what `sources` have into the slots of `targets`, as if all at once.
  mlir::LogicalResult choose(mlir::ValueRange targets, mlir::ValueRange sources, mlir::Operation *at);
  MaybeSlot scalarPart(mlir::Value value, int64_t dim);
  uint32_t emit(package::CommandBody body, mlir::Operation *op);
  void flush(mlir::Operation *op);
  uint32_t here() const { return static_cast<uint32_t>(plan.commands.size()); }

  void finish();

  PackageBuilder &shared;
  mlir::func::FuncOp function;
  SizeAnalysis &sizes;
  package::Function &plan;
  SlotTable slots;
  /// Slots that commands write, by value and dimension (-1: the value itself).
  llvm::DenseMap<std::pair<mlir::Value, int64_t>, Slot> written;
  std::vector<std::optional<Size>> bufferBounds; // of arena buffers, by buffer
  int64_t scratchBound = 0;
};

/// Calls f(slot &) for every slot that a command names.
void forEachSlot(package::CommandBody &body, llvm::function_ref<void(package::Slot &)> f);

} // namespace tenon::plan
