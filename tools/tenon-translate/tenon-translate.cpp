//===- tenon-translate.cpp - shows what an importer makes of a model --------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// tenon-translate --onnx-to-tenon model.onnx              prints the module
// tenon-translate --onnx-to-tenon prefill=a.onnx decode=b.onnx   two functions in one module
// tenon-translate --check model.onnx                      one line for each node: supported or why not
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Import.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/raw_ostream.h"

using namespace tenon::importer;
namespace cl = llvm::cl;

static cl::list<std::string> models(cl::Positional, cl::OneOrMore, cl::desc("[NAME=]FILE.onnx..."));
static cl::opt<bool> toTenon("onnx-to-tenon", cl::desc("print the imported module"));
static cl::opt<bool> check("check", cl::desc("list the nodes and whether they are supported"));
static cl::opt<bool> locations("locations", cl::desc("print the source nodes of operations"));
static cl::list<std::string> shapes("shape", cl::desc("NAME=1x3x?x?"));
static cl::list<std::string> symbols("symbol", cl::desc("NAME=MIN:MAX[:MULTIPLE[:LIKELY,..]]"));
static cl::list<std::string> states("state", cl::desc("INPUT=OUTPUT[,INPUT=OUTPUT..]"));

static bool parseOptions(ImportOptions &options) {
  std::string error;
  bool ok = true;
  auto parse = [&](cl::list<std::string> &list, bool (*f)(llvm::StringRef, ImportOptions &, std::string &)) {
    for (const std::string &text : list)
      if (ok && !f(text, options, error)) {
        llvm::errs() << "tenon-translate: " << error << "\n";
        ok = false;
      }
  };
  parse(shapes, parseShapeOption);
  parse(symbols, parseSymbolOption);
  parse(states, parseStateOption);
  return ok;
}

static std::vector<OnnxModel> listModels() {
  std::vector<OnnxModel> list;
  for (const std::string &text : models) {
    OnnxModel model;
    auto [name, path] = llvm::StringRef(text).split('=');
    if (path.empty()) {
      model.path = text;
    } else {
      model.functionName = name.str();
      model.path = path.str();
    }
    list.push_back(std::move(model));
  }
  return list;
}

static void report(llvm::ArrayRef<ImportDiagnostic> diagnostics) {
  for (const ImportDiagnostic &d : diagnostics)
    llvm::errs() << (d.severity == ImportDiagnostic::Severity::Error ? "error: " : "warning: ") << d.str()
                 << "\n";
}

static int runCheck(const OnnxModel &model, const ImportOptions &options) {
  std::vector<ImportDiagnostic> diagnostics;
  auto rows = checkOnnx(model, options, diagnostics);
  if (failed(rows)) {
    report(diagnostics);
    return 1;
  }
  bool all = true;
  for (const CheckRow &row : *rows) {
    llvm::outs() << (row.supported ? "yes  " : "no   ") << row.op << "  " << row.node << "  " << row.reason
                 << "\n";
    all &= row.supported;
  }
  return all ? 0 : 1;
}

int main(int argc, char **argv) {
  cl::ParseCommandLineOptions(argc, argv, "shows what an importer makes of a model\n");
  ImportOptions options;
  if (!parseOptions(options))
    return 2;
  if (toTenon == check) {
    llvm::errs() << "tenon-translate: expected one of --onnx-to-tenon and --check\n";
    return 2;
  }
  std::vector<OnnxModel> list = listModels();
  if (check)
    return runCheck(list.front(), options);
  mlir::MLIRContext context;
  std::vector<ImportDiagnostic> diagnostics;
  auto imported = importOnnx(context, list, options, diagnostics);
  report(diagnostics);
  if (failed(imported))
    return 1;
  mlir::OpPrintingFlags flags;
  if (locations)
    flags.enableDebugInfo();
  imported->module->print(llvm::outs(), flags);
  return 0;
}
