//===- Interpret.cpp - target reference --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/pipeline/Interpret.h"

#include "compiler/dialect/tenon/TenonDialect.h"

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
  FailureOr<importer::ImportedModel> imported = importModels(context, {model}, settings, diagnostics);
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

} // namespace tenon::pipeline
