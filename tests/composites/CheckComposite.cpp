//===- CheckComposite.cpp - a composite in all its forms
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/ObjectCodeHarness.h"
#include "compiler/graph/DecomposeComposites.h"
#include "compiler/pipeline/Phases.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "package/writer.h"
#include "reference/Interpreter.h"
#include "runtime/include/tenon/tenon.h"
#include "tests/composites/CompositeFile.h"

using namespace mlir;

namespace tenon::test {
namespace {

using reference::Tensor;
using Tensors = SmallVector<Tensor>;

/// A module with a function @main, compiled for one level and loaded.
class LoadedFunction {
public:
  ~LoadedFunction() {
    if (session)
      tenon_session_destroy(session);
    tenon_package_release(package);
  }
  /// Changes the module. Fails with a text; diagnostics come before.
  std::string load(ModuleOp module, const cpu::CpuTarget &target);
  std::string run(ArrayRef<Tensor> arguments, const Tensors &like, Tensors &results);

private:
  tenon_package *package = nullptr;
  tenon_session *session = nullptr;
};

std::string LoadedFunction::load(ModuleOp module, const cpu::CpuTarget &target) {
  pipeline::Settings settings;
  settings.cacheFolder = "off";
  settings.jobs = 1;
  package::Package built;
  auto weights = std::make_shared<importer::WeightStore>();
  if (failed(pipeline::runGraph(module)) || failed(pipeline::runPack(module, {})) ||
      failed(pipeline::runKernel(module, settings)) || failed(pipeline::runMemory(module)) ||
      failed(pipeline::runEmit(module, {target}, settings, weights, built)))
    return "does not compile";
  std::vector<uint8_t> bytes;
  if (package::Status status = package::writeMemory(built, bytes); !status.ok())
    return status.message();
  tenon_load_options options = {};
  options.copy = 1;
  tenon_error error;
  if (tenon_package_load_memory(bytes.data(), bytes.size(), &options, &package, &error) != TENON_OK ||
      tenon_session_create(package, nullptr, &session, &error) != TENON_OK)
    return error.message;
  return "";
}

std::string LoadedFunction::run(ArrayRef<Tensor> arguments, const Tensors &like, Tensors &results) {
  for (auto [i, argument] : llvm::enumerate(arguments)) {
    auto number = static_cast<uint32_t>(i);
    tenon_tensor_info info;
    if (tenon_package_input(package, 0, number, &info) != TENON_OK ||
        tenon_session_bind_input(session, 0, number, argument.bytes().data(), info.dtype,
                                 argument.dims().data(), info.rank) != TENON_OK)
      return tenon_session_message(session);
  }
  if (tenon_session_run(session, 0) != TENON_OK)
    return tenon_session_message(session);
  for (auto [i, expected] : llvm::enumerate(like)) {
    tenon_tensor found;
    if (tenon_session_output(session, 0, static_cast<uint32_t>(i), &found) != TENON_OK)
      return tenon_session_message(session);
    Tensor result(expected.dtype(), ArrayRef<int64_t>(found.shape, found.rank));
    if (result.bytes().size() != found.bytes)
      return "an output has " + std::to_string(found.bytes) + " bytes, expected " + result.typeText();
    const char *data = static_cast<const char *>(found.data);
    llvm::copy(ArrayRef<char>(data, found.bytes), result.mutableBytes().begin());
    results.push_back(std::move(result));
  }
  return "";
}

std::string compareAll(const Tensors &expected, const Tensors &found, double tolerance) {
  if (expected.size() != found.size())
    return "expected " + std::to_string(expected.size()) + " results, found " + std::to_string(found.size());
  for (auto [i, pair] : llvm::enumerate(llvm::zip_equal(expected, found)))
    if (std::string error = compareTensors(std::get<0>(pair), std::get<1>(pair), tolerance); !error.empty())
      return "result " + std::to_string(i) + ": " + error;
  return "";
}

/// One file in one context.
class Check {
public:
  explicit Check(const CompositeFile &file)
      : file(file), context(MLIRContext::Threading::DISABLED), handler(&context, [this](Diagnostic &d) {
          diagnostics += d.str() + "\n";
          return success();
        }) {
    context.loadDialect<TenonDialect, func::FuncDialect, arith::ArithDialect, tensor::TensorDialect,
                        scf::SCFDialect>();
  }
  std::string run();

private:
  std::string prepare();
  std::string decomposed();
  std::string compiled(const cpu::CpuTarget &target);
  OwningOpRef<ModuleOp> copy() { return OwningOpRef<ModuleOp>((*module).clone()); }
  static func::FuncOp mainOf(ModuleOp m) { return m.lookupSymbol<func::FuncOp>("main"); }

  const CompositeFile &file;
  MLIRContext context;
  std::string diagnostics;
  ScopedDiagnosticHandler handler;
  OwningOpRef<ModuleOp> module;
  SmallVector<Tensors> arguments, expected; // by run
};

/// Parses, and takes the interpreter's answers.
std::string Check::prepare() {
  module = parseSourceString<ModuleOp>(file.text, &context);
  if (!module || !mainOf(*module))
    return "expected a function @main";
  bool found = false;
  mainOf(*module).walk([&](Operation *op) { found |= op->getName().stripDialect() == file.composite; });
  if (!found)
    return "expected an operation tenon." + file.composite;
  std::mt19937 generator(11);
  reference::Interpreter interpreter(*module);
  for (const auto &sizes : file.runs) {
    Tensors &inputs = arguments.emplace_back();
    if (sizes.size() != mainOf(*module).getNumArguments())
      return "expected SIZES for every argument";
    for (auto [type, dims] : llvm::zip_equal(mainOf(*module).getArgumentTypes(), sizes))
      inputs.push_back(randomTensor(cast<RankedTensorType>(type), dims, file.values, generator));
    auto results = interpreter.run(mainOf(*module), inputs);
    if (failed(results))
      return "the interpreter fails";
    expected.push_back(*results);
  }
  return "";
}

std::string Check::decomposed() {
  OwningOpRef<ModuleOp> core = copy();
  if (failed(decomposeComposites(mainOf(*core), [](Operation *) { return false; })))
    return "does not decompose";
  reference::Interpreter interpreter(*core);
  for (auto [inputs, answers] : llvm::zip_equal(arguments, expected)) {
    auto results = interpreter.run(mainOf(*core), inputs);
    if (failed(results))
      return "the interpreter fails";
    if (std::string error = compareAll(answers, *results, 1e-6); !error.empty())
      return error;
  }
  return "";
}

std::string Check::compiled(const cpu::CpuTarget &target) {
  OwningOpRef<ModuleOp> lowered = copy();
  LoadedFunction function;
  if (std::string error = function.load(*lowered, target); !error.empty())
    return error;
  for (auto [inputs, answers] : llvm::zip_equal(arguments, expected)) {
    Tensors results;
    if (std::string error = function.run(inputs, answers, results); !error.empty())
      return error;
    if (std::string error = compareAll(answers, results, file.tolerance); !error.empty())
      return error;
  }
  return "";
}

std::string Check::run() {
  auto told = [&](const std::string &where, const std::string &error) {
    return error.empty() ? error : where + ": " + error + "\n" + diagnostics;
  };
  if (std::string error = told("composite", prepare()); !error.empty())
    return error;
  if (std::string error = told("decomposition", decomposed()); !error.empty())
    return error;
  for (const cpu::CpuTarget &target : cpu::test::testTargets())
    if (std::string error = told(target.name + (target.emulate ? " emulated" : ""), compiled(target));
        !error.empty())
      return error;
  return "";
}

} // namespace

std::string checkComposite(const CompositeFile &file) { return Check(file).run(); }

} // namespace tenon::test
