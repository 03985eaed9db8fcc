//===- import_fuzz.cpp - fuzzes the whole import ----------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Import.h"

#include <cstdlib>
#include <memory>

using namespace tenon::importer;

/// An MLIRContext keeps every type and attribute it has seen; it is renewed after this many inputs.
static constexpr int kRunsPerContext = 500;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static std::unique_ptr<mlir::MLIRContext> context;
  static int runs = 0;
  if (!context || ++runs % kRunsPerContext == 0)
    context = std::make_unique<mlir::MLIRContext>(mlir::MLIRContext::Threading::DISABLED);
  OnnxModel model;
  model.path = "input.onnx";
  model.bytes = llvm::StringRef(reinterpret_cast<const char *>(data), size);
  ImportOptions options;
  options.maxNodes = 2000; // functions that call functions grow exponentially
  std::vector<ImportDiagnostic> diagnostics;
  auto imported = importOnnx(*context, {model}, options, diagnostics);
  bool hasError = false;
  for (const ImportDiagnostic &d : diagnostics) {
    hasError |= d.severity == ImportDiagnostic::Severity::Error;
    if (d.code == 199) // IR that does not verify is a defect of the importer
      abort();
  }
  if (failed(imported) != hasError)
    abort();
  return 0;
}
