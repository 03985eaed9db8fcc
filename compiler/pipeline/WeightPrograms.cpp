//===- WeightPrograms.cpp - computations on weights alone run at compile time --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/pipeline/WeightPrograms.h"

#include "compiler/dialect/tenon/BufferTable.h"
#include "compiler/dialect/tenon/TenonDialect.h"
#include "compiler/emit/cpu/CpuTargets.h"
#include "compiler/pipeline/NativeProgram.h"
#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace tenon::pipeline {

namespace {

/// Finds the values that are worth computing now.
class WeightComputations {
public:
  /// Values in program order.
  llvm::SetVector<Value> find(func::FuncOp function);

private:
  bool isConstant(Value value);
  bool isConstant(Operation *op);
  void want(Value value, llvm::SetVector<Value> &roots);

  llvm::DenseMap<Operation *, bool> known;
};

bool isSource(Operation *op) { return isa<GetWeightOp, ConstantOp>(op); }

int64_t bytesOf(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  return type.getNumElements() * storageBytes(type.getElementType());
}

/// The operations that a value is computed from, sources included, in program order.
SmallVector<Operation *> sliceOf(Value root) {
  llvm::SetVector<Operation *> found;
  SmallVector<Operation *> open = {root.getDefiningOp()};
  while (!open.empty()) {
    Operation *op = open.pop_back_val();
    if (found.insert(op))
      for (Value operand : op->getOperands())
        open.push_back(operand.getDefiningOp());
  }
  return llvm::to_vector(mlir::topologicalSort(found));
}

} // namespace

bool WeightComputations::isConstant(Value value) {
  Operation *op = value.getDefiningOp();
  return op && isConstant(op);
}

bool WeightComputations::isConstant(Operation *op) {
  auto [it, inserted] = known.try_emplace(op, false);
  if (!inserted)
    return it->second;
  bool result = isSource(op) || isa<arith::ConstantOp>(op);
  if (!result && op->getNumRegions() == 0 && isMemoryEffectFree(op) &&
      (isa_and_nonnull<TenonDialect>(op->getDialect()) || isa<tensor::CastOp>(op))) {
    result = !isa<SymbolOp, ReadStateOp>(op) && llvm::all_of(op->getResults(), [](Value v) {
      auto type = dyn_cast<RankedTensorType>(v.getType());
      return type && type.hasStaticShape();
    }) && llvm::all_of(op->getOperands(), [&](Value v) { return isConstant(v); });
  }
  known[op] = result;
  return result;
}

/// Reshapes cost nothing, broadcasts are part of the kernel that reads them, and what is much larger than the
/// weights it comes from is better computed anew, unless a product reads it (its panels are filled up with
/// zeros): then the operands are wanted.
void WeightComputations::want(Value value, llvm::SetVector<Value> &roots) {
  Operation *op = value.getDefiningOp();
  if (!op || !isa<RankedTensorType>(value.getType()) || isSource(op) || !isConstant(op))
    return;
  constexpr int64_t small = 4096, growth = 4;
  int64_t sources = 0;
  for (Operation *part : sliceOf(value))
    if (isSource(part))
      sources += bytesOf(part->getResult(0));
  bool packed = llvm::any_of(op->getUsers(), [](Operation *user) {
    return isa<PackedContractOp, PackedConvOp, WinogradConvOp>(user);
  });
  bool worthwhile = !isa<ReshapeOp, BroadcastOp, tensor::CastOp>(op) &&
                    (packed || bytesOf(value) <= small || bytesOf(value) <= growth * sources);
  if (worthwhile) {
    roots.insert(value);
    return;
  }
  for (Value operand : op->getOperands())
    want(operand, roots);
}

llvm::SetVector<Value> WeightComputations::find(func::FuncOp function) {
  llvm::SetVector<Value> roots;
  function.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (!isConstant(op))
      for (Value operand : op->getOperands())
        want(operand, roots);
  });
  return roots;
}

namespace {

/// A computation as a module with one function: the weights are its arguments.
struct Program {
  OwningOpRef<ModuleOp> module;
  SmallVector<WeightOp> arguments;
};

Program outline(Value root, ModuleOp model) {
  Program program;
  MLIRContext *context = root.getContext();
  OpBuilder builder(context);
  Location location = root.getLoc();
  program.module = ModuleOp::create(location);
  builder.setInsertionPointToEnd(program.module->getBody());
  auto function = func::FuncOp::create(builder, location, "main", builder.getFunctionType({}, {}));
  Block *body = function.addEntryBlock();
  IRMapping mapping;
  builder.setInsertionPointToEnd(body);
  for (Operation *op : sliceOf(root)) {
    auto read = dyn_cast<GetWeightOp>(op);
    if (!read) {
      builder.clone(*op, mapping);
      continue;
    }
    auto weight = model.lookupSymbol<WeightOp>(read.getWeight());
    auto seen = llvm::find(program.arguments, weight);
    if (seen == program.arguments.end()) {
      body->addArgument(read.getType(), location);
      program.arguments.push_back(weight);
      seen = std::prev(program.arguments.end());
    }
    mapping.map(read.getResult(), body->getArgument(static_cast<unsigned>(seen - program.arguments.begin())));
  }
  func::ReturnOp::create(builder, location, mapping.lookup(root));
  function.setFunctionType(builder.getFunctionType(body->getArgumentTypes(), root.getType()));
  for (auto [i, type] : llvm::enumerate(body->getArgumentTypes())) {
    SmallVector<Attribute> dims;
    for (int64_t dim : cast<RankedTensorType>(type).getShape())
      dims.push_back(builder.getI64IntegerAttr(dim));
    function.setArgAttr(static_cast<unsigned>(i), kDimsAttr, builder.getArrayAttr(dims));
  }
  return program;
}

/// Compiles programs, each form once, and runs them.
class ProgramRunner {
public:
  ProgramRunner(ModuleOp model, const Settings &settings,
                const std::shared_ptr<importer::WeightStore> &weights)
      : model(model), settings(settings), weights(weights) {}

  LogicalResult replace(Value root);

private:
  FailureOr<NativeProgram *> compiled(Program &program, const std::string &form);
  FailureOr<WeightOp> evaluate(Value root, Program &program);

  ModuleOp model;
  const Settings &settings;
  std::shared_ptr<importer::WeightStore> weights;
  std::vector<cpu::CpuTarget> native;
  llvm::StringMap<std::unique_ptr<NativeProgram>> programs; // by their text
  llvm::StringMap<WeightOp> results;                        // by text and arguments
  unsigned made = 0;
};

} // namespace

FailureOr<NativeProgram *> ProgramRunner::compiled(Program &program, const std::string &form) {
  if (auto it = programs.find(form); it != programs.end())
    return it->second.get();
  if (native.empty()) {
    std::string error;
    FailureOr<std::vector<cpu::CpuTarget>> found = cpu::resolveCpuTargets("native", false, error);
    if (failed(found))
      return model.emitError(error);
    native = std::move(*found);
  }
  FailureOr<std::unique_ptr<NativeProgram>> made = NativeProgram::create(*program.module, native, settings);
  if (failed(made))
    return failure();
  return (programs[form] = std::move(*made)).get();
}

FailureOr<WeightOp> ProgramRunner::evaluate(Value root, Program &program) {
  std::string form;
  llvm::raw_string_ostream stream(form);
  program.module->print(stream);
  std::string key = form;
  for (WeightOp weight : program.arguments)
    key += "@" + weight.getSymName().str();
  if (auto it = results.find(key); it != results.end())
    return it->second;
  FailureOr<NativeProgram *> native = compiled(program, form);
  if (failed(native))
    return failure();
  SmallVector<StringRef> inputs;
  for (WeightOp weight : program.arguments) {
    auto bytes = weights->bytes(weight.getPath(), static_cast<uint64_t>(weight.getOffset()),
                                static_cast<uint64_t>(weight.getLength()));
    if (!bytes)
      return weight.emitError() << "TN0613: the bytes of weight @" << weight.getSymName() << " are not in '"
                                << weight.getPath() << "'";
    inputs.push_back(*bytes);
  }
  std::string error;
  FailureOr<std::string> bytes = (*native)->run(inputs, error);
  if (failed(bytes))
    return emitError(root.getLoc()) << "a computation on weights: " << error;
  OpBuilder builder = OpBuilder::atBlockBegin(model.getBody());
  auto length = static_cast<int64_t>(bytes->size());
  std::string path = weights->addBuffer(std::move(*bytes));
  std::string name = "computed." + std::to_string(made++);
  while (model.lookupSymbol(name))
    name = "computed." + std::to_string(made++);
  auto weight = WeightOp::create(builder, root.getLoc(), name, cast<RankedTensorType>(root.getType()), path,
                                 0, length, "");
  results[key] = weight;
  return weight;
}

LogicalResult ProgramRunner::replace(Value root) {
  Program program = outline(root, model);
  FailureOr<WeightOp> weight = evaluate(root, program);
  if (failed(weight))
    return failure();
  OpBuilder builder(root.getDefiningOp());
  Value read = GetWeightOp::create(builder, root.getLoc(), root.getType(), weight->getSymName());
  root.replaceAllUsesWith(read);
  return success();
}

LogicalResult runWeightPrograms(ModuleOp module, const Settings &settings,
                                const std::shared_ptr<importer::WeightStore> &weights,
                                function_ref<void(uint32_t, uint32_t)> progress) {
  llvm::SetVector<Value> roots;
  for (func::FuncOp function : module.getOps<func::FuncOp>()) {
    WeightComputations computations;
    llvm::SetVector<Value> found = computations.find(function);
    roots.insert_range(found);
  }
  ProgramRunner runner(module, settings, weights);
  auto total = static_cast<uint32_t>(roots.size());
  for (auto [i, root] : llvm::enumerate(roots)) {
    if (failed(runner.replace(root)))
      return failure();
    progress(static_cast<uint32_t>(i) + 1, total);
  }
  IRRewriter rewriter(module.getContext());
  for (func::FuncOp function : module.getOps<func::FuncOp>())
    (void)runRegionDCE(rewriter, function->getRegions()); // whether anything was dead does not matter
  return success();
}

} // namespace tenon::pipeline
