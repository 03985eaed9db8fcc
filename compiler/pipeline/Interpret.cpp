//===- Interpret.cpp - target reference, and what can be run at all --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/pipeline/Interpret.h"

#include "compiler/dialect/tenon/TenonDialect.h"
#include "compiler/emit/plan/BuildPlan.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/JSON.h"

using namespace mlir;

namespace tenon::pipeline {

/// Reads weights where the import left them.
static FailureOr<reference::Tensor> readWeight(const importer::WeightStore &store, WeightOp op) {
  auto type = cast<RankedTensorType>(op.getType());
  std::optional<reference::DType> dtype = reference::dtypeOf(type.getElementType());
  std::optional<StringRef> bytes =
      store.bytes(op.getPath(), static_cast<uint64_t>(op.getOffset()), static_cast<uint64_t>(op.getLength()));
  if (!dtype || !bytes)
    return op.emitError() << "TN0613: the bytes of weight @" << op.getSymName() << " are not in '"
                          << op.getPath() << "'";
  reference::Tensor tensor(*dtype, type.getShape());
  if (tensor.bytes().size() != bytes->size())
    return op.emitError() << "TN0613: expected " << tensor.bytes().size() << " bytes for weight @"
                          << op.getSymName() << ", found " << bytes->size();
  llvm::copy(*bytes, tensor.mutableBytes().begin());
  return tensor;
}

Outcome interpret(const importer::OnnxModel &model, const Settings &settings,
                  ArrayRef<reference::NamedTensor> inputs, std::vector<reference::NamedTensor> &outputs,
                  std::vector<Diagnostic> &diagnostics) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  std::vector<importer::ImportDiagnostic> found;
  FailureOr<importer::ImportedModel> imported =
      importer::importOnnx(context, {model}, settings.import, found);
  append(diagnostics, found);
  if (failed(imported))
    return Outcome::BadInput;
  ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &message) {
    diagnostics.push_back(fromMlir(message));
    if (diagnostics.back().code == "TN0003")
      diagnostics.back().code = "TN0701"; // what the interpreter says of the inputs and of the model
    return success();
  });
  reference::Interpreter interpreter(*imported->module,
                                     [&](WeightOp op) { return readWeight(*imported->weights, op); });
  FailureOr<std::vector<reference::NamedTensor>> results =
      reference::runFunction(interpreter, model.functionName, inputs);
  if (failed(results))
    return Outcome::BadInput;
  outputs = std::move(*results);
  return Outcome::Ok;
}

/// The inputs of a function: {name, dtype, shape}, with symbols by name.
static llvm::json::Array describeInputs(func::FuncOp function) {
  llvm::json::Array list;
  for (BlockArgument argument : function.getArguments()) {
    unsigned i = argument.getArgNumber();
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    auto name = function.getArgAttrOfType<StringAttr>(i, kNameAttr);
    std::optional<package::DType> dtype = type ? plan::dtypeOf(type.getElementType()) : std::nullopt;
    if (!name || !dtype)
      continue; // no tensor that a caller can pass
    auto dims = function.getArgAttrOfType<ArrayAttr>(i, kDimsAttr);
    llvm::json::Array shape;
    for (auto [axis, size] : llvm::enumerate(type.getShape())) {
      auto symbol = dims && axis < dims.size() ? dyn_cast<StringAttr>(dims[axis]) : StringAttr();
      if (!ShapedType::isDynamic(size))
        shape.push_back(size);
      else
        shape.push_back(symbol ? symbol.str() : std::string("?"));
    }
    list.push_back(llvm::json::Object{
        {"name", name.str()}, {"dtype", package::name(*dtype)}, {"shape", std::move(shape)}});
  }
  return list;
}

Outcome check(const importer::OnnxModel &model, const Settings &settings, std::string &json,
              std::vector<Diagnostic> &diagnostics) {
  std::vector<importer::ImportDiagnostic> found;
  FailureOr<std::vector<importer::CheckRow>> rows = importer::checkOnnx(model, settings.import, found);
  append(diagnostics, found);
  if (failed(rows))
    return Outcome::BadInput;
  llvm::json::Array list;
  bool all = true;
  for (const importer::CheckRow &row : *rows) {
    all &= row.supported;
    list.push_back(llvm::json::Object{{"node", row.node},
                                      {"op", row.op},
                                      {"domain", row.domain},
                                      {"supported", row.supported},
                                      {"reason", row.reason}});
  }
  llvm::json::Object report{{"rows", std::move(list)}, {"supported", all}};
  Outcome outcome = Outcome::Ok;
  if (all) { // what only the whole graph tells: whether the sizes fit
    MLIRContext context(MLIRContext::Threading::DISABLED);
    found.clear();
    FailureOr<importer::ImportedModel> imported =
        importer::importOnnx(context, {model}, settings.import, found);
    append(diagnostics, found);
    if (failed(imported))
      outcome = Outcome::BadInput;
    else if (auto function = imported->module->lookupSymbol<func::FuncOp>(model.functionName))
      report["inputs"] = describeInputs(function);
  }
  llvm::raw_string_ostream stream(json);
  stream << llvm::json::Value(std::move(report));
  return outcome;
}

} // namespace tenon::pipeline
