//===- Diagnostics.cpp - what a user sees of a compilation --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/pipeline/Compile.h"

using namespace mlir;

namespace tenon::pipeline {

void append(std::vector<Diagnostic> &diagnostics, ArrayRef<importer::ImportDiagnostic> found) {
  for (const importer::ImportDiagnostic &d : found) {
    Diagnostic &added = diagnostics.emplace_back();
    std::string digits = std::to_string(d.code);
    added.code = "TN" + std::string(digits.size() < 4 ? 4 - digits.size() : 0, '0') + digits;
    // str() begins with the code, which is kept apart here.
    StringRef text = added.message = d.str();
    if (text.consume_front(added.code + ": "))
      added.message = text.str();
    added.node = d.node;
    added.error = d.severity == importer::ImportDiagnostic::Severity::Error;
  }
}

FailureOr<importer::ImportedModel> importModels(MLIRContext &context, ArrayRef<importer::OnnxModel> models,
                                                const Settings &settings,
                                                std::vector<Diagnostic> &diagnostics) {
  std::vector<importer::ImportDiagnostic> found;
  FailureOr<importer::ImportedModel> imported = importer::importOnnx(context, models, settings.import, found);
  append(diagnostics, found);
  return imported;
}

/// The model's node of a location: importers write NameLocs "node:<id>:<operation>:<name>".
static std::string nodeOf(Location location) {
  std::string node;
  location->walk([&](Location part) {
    auto name = dyn_cast<NameLoc>(part);
    StringRef text = name ? name.getName().getValue() : StringRef();
    if (!text.consume_front("node:"))
      return WalkResult::advance();
    text = text.split(':').second; // the number
    auto [operation, given] = text.split(':');
    node = given.empty() ? operation.str() : given.str();
    return WalkResult::interrupt();
  });
  return node;
}

Diagnostic fromMlir(mlir::Diagnostic &message) {
  Diagnostic result;
  result.message = message.str();
  bool ours = StringRef(result.message).contains("TN");
  for (mlir::Diagnostic &note : message.getNotes())
    // MLIR adds the operation's text, which helps with defects; other errors name the model's node.
    if (std::string more = note.str(); !ours || !StringRef(more).starts_with("see current operation"))
      result.message += "; " + more;
  StringRef text = result.message;
  // Passes put "'tenon.x' op " in front of what an operation's own errors say.
  size_t at = text.find("TN");
  constexpr size_t codeLength = 6;
  if (at != StringRef::npos && text.substr(at + codeLength).starts_with(": ") &&
      llvm::all_of(text.substr(at + 2, 4), llvm::isDigit)) {
    result.code = text.substr(at, codeLength).str();
    result.message = text.substr(0, at).str() + text.substr(at + codeLength + 2).str();
  } else {
    result.code = "TN0003";
  }
  result.node = nodeOf(message.getLocation());
  result.error = message.getSeverity() == DiagnosticSeverity::Error;
  return result;
}

} // namespace tenon::pipeline
