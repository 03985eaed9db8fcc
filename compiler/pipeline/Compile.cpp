//===- Compile.cpp - from models to a package --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/pipeline/Compile.h"

#include "compiler/emit/cpu/CpuTargets.h"
#include "compiler/pipeline/PairsOfBytes.h"
#include "compiler/pipeline/Phases.h"
#include "compiler/pipeline/Remarks.h"
#include "compiler/pipeline/Segments.h"
#include "compiler/pipeline/WeightPrograms.h"
#include "compiler/pipeline/WriteText.h"
#include "mlir/IR/Verifier.h"
#include "package/digest.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace tenon::pipeline {

namespace {

/// One run through the phases.
class Compilation {
public:
  Compilation(ArrayRef<importer::OnnxModel> models, const Settings &settings, const Progress &progress,
              Product &product, std::vector<Diagnostic> &diagnostics)
      : models(models), settings(settings), progress(progress), product(product), diagnostics(diagnostics),
        context(MLIRContext::Threading::DISABLED) {}

  Outcome run();

private:
  Outcome fail(StringRef code, std::string message, Outcome outcome = Outcome::BadInput);
  /// The outcome of a phase that reported errors.
  Outcome failedPhase() const;
  Outcome runPhase(Phase phase);
  LogicalResult import();
  LogicalResult lower(Phase phase);
  LogicalResult dump(Phase phase);
  LogicalResult explain();
  void describeSource();
  std::string text();

  ArrayRef<importer::OnnxModel> models;
  const Settings &settings;
  const Progress &progress;
  Product &product;
  std::vector<Diagnostic> &diagnostics;
  std::string remarks; // as YAML; before the context, which writes to it
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  std::vector<cpu::CpuTarget> levels;
  npu::Lowering lowering; // for settings.mortise
};

} // namespace

Outcome Compilation::fail(StringRef code, std::string message, Outcome outcome) {
  diagnostics.push_back({code.str(), std::move(message), "", true});
  return outcome;
}

/// Codes that no model should cause: docs/errors.md asks for a report.
static bool isDefect(StringRef code) {
  constexpr StringLiteral codes[] = {"TN0003", "TN0199", "TN0402", "TN0403", "TN0405", "TN0406", "TN0407"};
  return llvm::is_contained(codes, code);
}

Outcome Compilation::failedPhase() const {
  bool defect = llvm::all_of(diagnostics, [](const Diagnostic &d) { return !d.error || isDefect(d.code); });
  return defect ? Outcome::Defect : Outcome::BadInput;
}

LogicalResult Compilation::import() {
  FailureOr<importer::ImportedModel> imported = importModels(context, models, settings, diagnostics);
  if (failed(imported))
    return failure();
  module = std::move(imported->module);
  product.weights = std::move(imported->weights);
  return success();
}

LogicalResult Compilation::lower(Phase phase) {
  switch (phase) {
  case Phase::Import:
    return import();
  case Phase::Graph:
    if (failed(runGraph(*module)))
      return failure();
    return settings.bf16 ? runBf16(*module) : success();
  case Phase::Place:    // devices choose among kernels: at the end of Kernel
  case Phase::Schedule: // CPU kernels choose their schedule when they are emitted
    return success();
  case Phase::Kernel:
    if (failed(runPack(*module, settings)) ||
        failed(runWeightPrograms(*module, settings, product.weights, [&](uint32_t done, uint32_t total) {
          if (progress)
            progress("weights", done, total);
        })))
      return failure();
    markPairsThatFit(*module, settings, *product.weights);
    if (failed(runKernel(*module, settings)))
      return failure();
    if (settings.mortise) {
      lowering = mortiseLowering(*module, product.weights, settings.cascades);
      runSegments(*module, *settings.mortise, lowering);
    }
    return success();
  case Phase::Memory:
    return runMemory(*module);
  case Phase::Emit:
    return runEmit(*module, levels, settings, product.weights, product.package, lowering);
  }
  llvm_unreachable("not a phase");
}

std::string Compilation::text() {
  constexpr int64_t mostElements = 64; // of a constant
  std::string text;
  llvm::raw_string_ostream stream(text);
  module->print(stream, OpPrintingFlags().elideLargeElementsAttrs(mostElements).enableDebugInfo());
  return text;
}

/// Writes the module to the dump folder.
LogicalResult Compilation::dump(Phase phase) {
  if (settings.dumpFolder.empty())
    return success();
  SmallString<128> path(settings.dumpFolder);
  std::error_code error = llvm::sys::fs::create_directories(path);
  llvm::sys::path::append(path, std::to_string(static_cast<int>(phase)) + "-" + nameOf(phase) + ".mlir");
  if (!error)
    error = writeText(path, text());
  if (!error)
    return success();
  fail("TN0004", "cannot write '" + path.str().str() + "': " + error.message());
  return failure();
}

/// Writes the remarks (what was fused, what was not and why).
LogicalResult Compilation::explain() {
  if (settings.explainFile.empty())
    return success();
  std::error_code error = writeText(settings.explainFile, remarks);
  if (!error)
    return success();
  fail("TN0004", "cannot write '" + settings.explainFile + "': " + error.message());
  return failure();
}

Outcome Compilation::runPhase(Phase phase) {
  if (progress)
    progress(nameOf(phase), static_cast<uint32_t>(phase), static_cast<uint32_t>(settings.stopAfter) + 1);
  size_t before = diagnostics.size();
  if (failed(lower(phase))) {
    if (llvm::none_of(ArrayRef(diagnostics).drop_front(before), [](const Diagnostic &d) { return d.error; }))
      fail("TN0003", "the phase " + nameOf(phase).str() + " failed without saying why", Outcome::Defect);
    return failedPhase();
  }
  if (failed(verify(*module)))
    return Outcome::Defect; // the verifier has said what is wrong
  return failed(dump(phase)) ? Outcome::BadInput : Outcome::Ok;
}

void Compilation::describeSource() {
  package::Package &package = product.package;
  package.producer = "tenon " TENON_VERSION;
  package.sourceName = llvm::sys::path::filename(models.front().path).str();
  if (std::optional<StringRef> source = product.weights->source("")) {
    package::DigestBytes digest = package::digest(source->data(), source->size());
    package.sourceDigest.assign(std::begin(digest.bytes), std::end(digest.bytes));
  }
  if (settings.mortise)
    package.targetText = "mortise:" + settings.mortise->name;
  for (const cpu::CpuTarget &level : levels)
    package.targetText += (package.targetText.empty() ? "" : ",") + level.name;
  package::DigestBytes hash = package::digest(package.targetText.data(), package.targetText.size());
  package.targetHash.assign(std::begin(hash.bytes), std::end(hash.bytes));
}

Outcome Compilation::run() {
  ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &message) {
    if (message.getSeverity() != DiagnosticSeverity::Remark)
      diagnostics.push_back(fromMlir(message));
    return success();
  });
  std::string error;
  FailureOr<std::vector<cpu::CpuTarget>> found =
      cpu::resolveCpuTargets(settings.targets, settings.emulateIsa, error);
  if (failed(found)) {
    auto [code, message] = StringRef(error).split(": ");
    return fail(code.starts_with("TN") ? code : "TN0301", code.starts_with("TN") ? message.str() : error,
                Outcome::BadUsage);
  }
  levels = std::move(*found);
  if (!settings.explainFile.empty())
    collectRemarks(context, remarks);
  for (int phase = 0; phase <= static_cast<int>(settings.stopAfter); ++phase)
    if (Outcome outcome = runPhase(static_cast<Phase>(phase)); outcome != Outcome::Ok)
      return outcome;
  if (failed(explain()))
    return Outcome::BadInput;
  if (settings.stopAfter != Phase::Emit)
    product.ir = text();
  else
    describeSource();
  return Outcome::Ok;
}

Outcome compile(ArrayRef<importer::OnnxModel> models, const Settings &settings, const Progress &progress,
                Product &product, std::vector<Diagnostic> &diagnostics) {
  return Compilation(models, settings, progress, product, diagnostics).run();
}

} // namespace tenon::pipeline
