//===- Import.h - ONNX models as modules of the tenon dialect ---------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// importOnnx turns one or several ONNX models into one module with a func.func for each. Dimensions stay
// symbolic, weights stay where they are: the module names their bytes and the WeightStore finds them.
// checkOnnx says which nodes can be imported.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/import/onnx/ImportOptions.h"
#include "compiler/import/onnx/WeightStore.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include <memory>
#include <string>
#include <vector>

namespace tenon::importer {

/// What went wrong, or is worth knowing. `code` is one of docs/errors.md; the text of an error is
/// "TN<code>: <message>". `node` is the name of the ONNX node (or of its first output), empty when the
/// message is not about a node.
struct ImportDiagnostic {
  enum class Severity { Error, Warning };
  Severity severity = Severity::Error;
  int code = 0;
  std::string message;
  std::string node, op, domain;
  int64_t opset = 0;
  /// "TN0101: node 'x' (op Foo, domain ai.onnx, opset 17): no import of this operation".
  std::string str() const;
};

/// One model to import: a file, or bytes in memory that outlive the ImportedModel (then `path` is only shown
/// in messages, and external data is refused).
struct OnnxModel {
  std::string functionName = "main";
  std::string path;
  llvm::StringRef bytes;
};

struct ImportedModel {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::shared_ptr<WeightStore> weights;
};

/// Imports the models into one module; the context gets the dialects that it needs. All unsupported nodes are
/// reported at once. On failure `diagnostics` holds at least one error.
mlir::FailureOr<ImportedModel> importOnnx(mlir::MLIRContext &context, llvm::ArrayRef<OnnxModel> models,
                                          const ImportOptions &options,
                                          std::vector<ImportDiagnostic> &diagnostics);

/// A row of `tenon check`: a node of the model and whether Tenon runs it.
struct CheckRow {
  std::string node, op, domain;
  bool supported = true;
  std::string reason; // empty when supported
  int64_t number = 0; // of the node in the module's locations: "node:<number>:..."
};

/// The rows of every node of the model, in the order of the file (subgraphs after their node). Fails only
/// when the file is no usable model.
mlir::FailureOr<std::vector<CheckRow>> checkOnnx(const OnnxModel &model, const ImportOptions &options,
                                                 std::vector<ImportDiagnostic> &diagnostics);

} // namespace tenon::importer
