//===- Check.cpp - what can be run, and what it costs ---------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/pipeline/Check.h"

#include "compiler/emit/cpu/CpuTargets.h"
#include "compiler/emit/plan/BuildPlan.h"
#include "compiler/pipeline/NodeCosts.h"
#include "compiler/pipeline/Phases.h"
#include "compiler/pipeline/Products.h"
#include "compiler/pipeline/Segments.h"
#include "compiler/pipeline/WeightPrograms.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/JSON.h"

using namespace mlir;

namespace tenon::pipeline {

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

static llvm::json::Value asJson(Size size) {
  if (auto number = size.constant())
    return *number;
  return size.str();
}

namespace {

/// One check; each step knows more about the rows than the one before.
class Check {
public:
  Check(const importer::OnnxModel &model, const Settings &settings, std::vector<Diagnostic> &diagnostics)
      : model(model), settings(settings), diagnostics(diagnostics),
        context(MLIRContext::Threading::DISABLED) {}

  Outcome run(std::string &json);

private:
  Outcome checkTarget();
  Outcome import();
  Outcome findForms(const importer::ImportedModel &imported);
  void addCosts(ModuleOp module);
  void addPlace(int64_t node, llvm::json::Object &row) const;
  bool allSupported() const {
    return llvm::all_of(rows, [](const importer::CheckRow &row) { return row.supported; });
  }

  const importer::OnnxModel &model;
  const Settings &settings;
  std::vector<Diagnostic> &diagnostics;
  MLIRContext context;
  std::vector<importer::CheckRow> rows;
  std::map<int64_t, std::pair<llvm::json::Value, llvm::json::Value>> costs; // by number of the node
  std::map<int64_t, std::set<std::string>> places; // with a machine: reasons to stay on the CPU, by node
  llvm::json::Object report;
};

} // namespace

Outcome Check::checkTarget() {
  std::string error;
  if (settings.targets == "reference" ||
      succeeded(cpu::resolveCpuTargets(settings.targets, settings.emulateIsa, error)))
    return Outcome::Ok;
  auto [code, message] = StringRef(error).split(": ");
  diagnostics.push_back({code.str(), message.str(), "", true});
  return Outcome::BadUsage;
}

/// What only the whole graph tells (whether the sizes fit), then what the target makes of it.
Outcome Check::import() {
  FailureOr<importer::ImportedModel> imported = importModels(context, {model}, settings, diagnostics);
  if (failed(imported))
    return Outcome::BadInput;
  if (auto function = imported->module->lookupSymbol<func::FuncOp>(model.functionName))
    report["inputs"] = describeInputs(function);
  OwningOpRef<ModuleOp> core = imported->module->clone();
  if (failed(runCoreForm(*core)))
    return Outcome::Defect;
  addCosts(*core);
  return settings.targets == "reference" ? Outcome::Ok : findForms(*imported);
}

/// Runs the phases up to the plan. What they report of a node goes to its row, the rest to the diagnostics.
Outcome Check::findForms(const importer::ImportedModel &imported) {
  std::map<int64_t, importer::CheckRow *> byNumber;
  for (importer::CheckRow &row : rows)
    byNumber[row.number] = &row;
  Outcome outcome = Outcome::Ok;
  ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &message) {
    if (message.getSeverity() != DiagnosticSeverity::Error)
      return success();
    Diagnostic found = fromMlir(message);
    auto row = byNumber.find(nodeNumber(message.getLocation()));
    if (row == byNumber.end()) {
      diagnostics.push_back(std::move(found));
      outcome = Outcome::BadInput;
    } else if (row->second->supported) {
      row->second->supported = false;
      row->second->reason = found.code + ": " + found.message;
    }
    return success();
  });
  ModuleOp module = *imported.module;
  bool ok = succeeded(runGraph(module)) && (!settings.bf16 || succeeded(runBf16(module))) &&
            succeeded(runPack(module, settings));
  // What a machine takes depends on the weights: those that others are computed from are computed now.
  if (ok && settings.mortise)
    ok = succeeded(runWeightPrograms(module, settings, imported.weights, [](uint32_t, uint32_t) {}));
  ok = ok && succeeded(runKernel(module, settings));
  if (ok && settings.mortise)
    places = placeNodes(module, *settings.mortise, mortiseLowering(module, imported.weights));
  ok = ok && succeeded(runMemory(module)) && succeeded(tryPlans(module, imported.weights));
  if (!ok && outcome == Outcome::Ok && allSupported()) {
    diagnostics.push_back({"TN0003", "a phase failed without saying why", "", true});
    return Outcome::Defect;
  }
  return outcome;
}

void Check::addCosts(ModuleOp module) {
  auto function = module.lookupSymbol<func::FuncOp>(model.functionName);
  if (!function)
    return;
  SizeAnalysis sizes(function);
  Size flop = sizes.context().constant(0), bytes = flop;
  for (const importer::CheckRow &row : rows)
    costs.insert_or_assign(row.number, std::pair(llvm::json::Value(0), llvm::json::Value(0)));
  for (const auto &[node, cost] : nodeCosts(function, sizes)) {
    costs.insert_or_assign(node, std::pair(asJson(cost.flop), asJson(cost.bytes)));
    flop = flop + cost.flop;
    bytes = bytes + cost.bytes;
  }
  report["flop"] = asJson(flop);
  report["bytes"] = asJson(bytes);
  std::map<int64_t, std::string> names;
  for (const importer::CheckRow &row : rows)
    names[row.number] = row.node;
  report["products"] = listProducts(function, sizes, names);
}

/// {"device": "cpu", "stays": ["reason", ...]}; a node without kernels is nowhere.
void Check::addPlace(int64_t node, llvm::json::Object &row) const {
  if (!settings.mortise)
    return;
  auto place = places.find(node);
  llvm::json::Array reasons;
  if (place != places.end())
    for (const std::string &reason : place->second)
      reasons.push_back(reason);
  row["device"] = place == places.end() ? llvm::json::Value(nullptr)
                                        : llvm::json::Value(reasons.empty() ? "mortise" : "cpu");
  row["stays"] = std::move(reasons);
}

Outcome Check::run(std::string &json) {
  if (Outcome outcome = checkTarget(); outcome != Outcome::Ok)
    return outcome;
  std::vector<importer::ImportDiagnostic> found;
  FailureOr<std::vector<importer::CheckRow>> checked = importer::checkOnnx(model, settings.import, found);
  append(diagnostics, found);
  if (failed(checked))
    return Outcome::BadInput;
  rows = std::move(*checked);
  Outcome outcome = allSupported() ? import() : Outcome::Ok;
  llvm::json::Array list;
  for (const importer::CheckRow &row : rows) {
    auto cost = costs.find(row.number);
    bool known = cost != costs.end();
    list.push_back(llvm::json::Object{{"node", row.node},
                                      {"op", row.op},
                                      {"domain", row.domain},
                                      {"supported", row.supported},
                                      {"reason", row.reason},
                                      {"flop", known ? cost->second.first : llvm::json::Value(nullptr)},
                                      {"bytes", known ? cost->second.second : llvm::json::Value(nullptr)}});
    addPlace(row.number, *list.back().getAsObject());
  }
  report["rows"] = std::move(list);
  report["supported"] = allSupported();
  llvm::raw_string_ostream stream(json);
  stream << llvm::json::Value(std::move(report));
  return outcome;
}

Outcome check(const importer::OnnxModel &model, const Settings &settings, std::string &json,
              std::vector<Diagnostic> &diagnostics) {
  return Check(model, settings, diagnostics).run(json);
}

} // namespace tenon::pipeline
