//===- Compile.h - from models to a package --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The phases in their order, and what happens between them: verifiers, dumps, progress.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/import/onnx/Import.h"
#include "compiler/pipeline/Settings.h"
#include "package/model.h"
#include <functional>
#include <string>
#include <vector>

namespace tenon::pipeline {

enum class Outcome { Ok = 0, BadInput = 1, BadUsage = 2, Defect = 3 };

/// Something a user should see. `code` is "TN0101"; `node` names the model's node, or is empty.
struct Diagnostic {
  std::string code, message, node;
  bool error = true;
};

using Progress = std::function<void(llvm::StringRef phase, uint32_t done, uint32_t total)>;

/// A package and what its weights refer to: it is written while this lives.
struct Product {
  package::Package package;
  std::shared_ptr<importer::WeightStore> weights;
  std::string ir; // the module after the last phase, when that is not Emit
};

/// Compiles models to one package. Diagnostics are appended, errors and warnings.
Outcome compile(llvm::ArrayRef<importer::OnnxModel> models, const Settings &settings,
                const Progress &progress, Product &product, std::vector<Diagnostic> &diagnostics);

/// Appends what the importer says.
void append(std::vector<Diagnostic> &diagnostics, llvm::ArrayRef<importer::ImportDiagnostic> found);
/// Imports models as the functions of one module; what the importer finds goes to `diagnostics`.
mlir::FailureOr<importer::ImportedModel> importModels(mlir::MLIRContext &context,
                                                      llvm::ArrayRef<importer::OnnxModel> models,
                                                      const Settings &settings,
                                                      std::vector<Diagnostic> &diagnostics);

/// The diagnostic of an MLIR message: its code is the "TNxxxx: " that it begins with, its node that of the
/// location.
Diagnostic fromMlir(mlir::Diagnostic &message);

} // namespace tenon::pipeline
