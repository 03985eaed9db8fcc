//===- Import.cpp - ONNX models as modules of the tenon dialect -------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Import.h"
#include "compiler/import/onnx/GraphImporter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Verifier.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

/// Imports of one model before its requirements on sizes are taken to be as well known as they will be.
static constexpr int kMaxAttempts = 64;
/// As often other choices between branches are tried.
static constexpr int kMaxFlips = 32;

std::string ImportDiagnostic::str() const {
  std::string where =
      node.empty() && op.empty()
          ? ""
          : llvm::formatv("node '{0}' (op {1}, domain {2}, opset {3}): ", node, op, domain, opset).str();
  std::string number = std::to_string(code);
  return "TN" + std::string(number.size() < 4 ? 4 - number.size() : 0, '0') + number + ": " + where + message;
}

namespace {

void addError(std::vector<ImportDiagnostic> &diagnostics, int code, const Twine &message) {
  ImportDiagnostic d;
  d.code = code;
  d.message = message.str();
  diagnostics.push_back(std::move(d));
}

/// Names in the options that no model has are mistakes, most likely of spelling.
LogicalResult checkNames(ArrayRef<std::unique_ptr<ModelFile>> files, const ImportOptions &options,
                         std::vector<ImportDiagnostic> &diagnostics) {
  llvm::StringSet<> inputs;
  std::string listed;
  for (const auto &file : files)
    for (const auto &input : file->proto().graph().input())
      if (inputs.insert(input.name()).second && listed.size() < 400)
        listed += (listed.empty() ? "'" : ", '") + input.name() + "'";
  bool ok = true;
  auto need = [&](StringRef option, const std::string &name) {
    if (inputs.contains(name))
      return;
    addError(diagnostics, 119,
             "--" + option + " names the input '" + name + "', which no model has; inputs are " + listed);
    ok = false;
  };
  for (auto &entry : options.shapes)
    need("shape", entry.first);
  for (auto &entry : options.states)
    need("state", entry.first);
  return success(ok);
}

/// Imports one model, again and again while the import learns more about its symbols.
LogicalResult importModel(ModuleState &state, ModelFile &file, StringRef name, const ImportOptions &options,
                          std::vector<ImportDiagnostic> &diagnostics, std::vector<CheckRow> *rows) {
  SymbolFacts facts;
  int64_t firstNode = state.nodeCount();
  std::vector<ImportDiagnostic> pinned; // warnings about facts, which later attempts do not repeat
  int flips = 0;                        // of choices between branches
  for (int attempt = 0;; ++attempt) {
    state.truncateNodes(firstNode);
    size_t before = diagnostics.size();
    GraphImporter importer(state, file, options, facts, diagnostics);
    LogicalResult result = importer.run(name);
    bool more = attempt < kMaxAttempts && importer.relearn();
    if (!more && !facts.mayClamp && importer.hasUnproven() && attempt <= kMaxAttempts) {
      facts.mayClamp = true;
      more = true;
    }
    if (!more && failed(result) && flips < kMaxFlips && importer.onlySizesFailed(before))
      flips += more = facts.flipChoice(0);
    if (!more) {
      diagnostics.insert(diagnostics.end(), pinned.begin(), pinned.end());
      if (rows)
        *rows = std::move(importer.rows);
      return result;
    }
    if (succeeded(result))
      SymbolTable::lookupSymbolIn(state.module, name)->erase();
    for (const ImportDiagnostic &d : importer.takeDiagnostics(before))
      if (d.code == 121)
        pinned.push_back(d);
  }
}

void loadDialects(MLIRContext &context) {
  context.loadDialect<TenonDialect, arith::ArithDialect, func::FuncDialect, scf::SCFDialect,
                      tensor::TensorDialect>();
}

/// The IR of a good import verifies; if it does not, the importer is at fault.
LogicalResult verifyModule(ModuleOp module, std::vector<ImportDiagnostic> &diagnostics) {
  std::string text;
  ScopedDiagnosticHandler handler(module.getContext(), [&](Diagnostic &d) {
    llvm::raw_string_ostream os(text);
    os << (text.empty() ? "" : "; ") << d.getLocation() << ": " << d;
    return success();
  });
  if (succeeded(verify(module)))
    return success();
  addError(
      diagnostics, 199,
      "the imported model does not verify, which is a defect of Tenon; please report it with the model: " +
          text);
  return failure();
}

} // namespace

FailureOr<ImportedModel> tenon::importer::importOnnx(MLIRContext &context, ArrayRef<OnnxModel> models,
                                                     const ImportOptions &options,
                                                     std::vector<ImportDiagnostic> &diagnostics) {
  loadDialects(context);
  ImportedModel imported;
  imported.weights = std::make_shared<WeightStore>();
  imported.module = ModuleOp::create(UnknownLoc::get(&context));
  ModuleState state(*imported.module, imported.weights);
  std::vector<std::unique_ptr<ModelFile>> files;
  llvm::StringSet<> names;
  for (auto [i, model] : llvm::enumerate(models)) {
    if (!names.insert(model.functionName).second) {
      addError(diagnostics, 115, "the function name '" + model.functionName + "' is given to two models");
      return failure();
    }
    auto file = ModelFile::open(model, i ? "model:" + std::to_string(i) : "", imported.weights, diagnostics);
    if (!file)
      return failure();
    files.push_back(std::move(file));
  }
  if (failed(checkNames(files, options, diagnostics)))
    return failure();
  bool ok = true;
  for (auto [model, file] : llvm::zip_equal(models, files))
    ok &= succeeded(importModel(state, *file, model.functionName, options, diagnostics, nullptr));
  if (!ok)
    return failure();
  state.writeNodes();
  if (failed(verifyModule(*imported.module, diagnostics)))
    return failure();
  return imported;
}

FailureOr<std::vector<CheckRow>> tenon::importer::checkOnnx(const OnnxModel &model,
                                                            const ImportOptions &options,
                                                            std::vector<ImportDiagnostic> &diagnostics) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  loadDialects(context);
  auto store = std::make_shared<WeightStore>();
  auto file = ModelFile::open(model, "", store, diagnostics);
  if (!file)
    return failure();
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
  ModuleState state(*module, store);
  std::vector<CheckRow> rows;
  // What cannot be imported is in the rows and in the diagnostics; neither makes the check itself fail.
  (void)importModel(state, *file, model.functionName, options, diagnostics, &rows);
  return rows;
}
