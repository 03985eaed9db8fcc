//===- CompilerApi.cpp - the C interface of libtenon-compiler.so --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/pipeline/tenon_compiler.h"

#include "compiler/emit/cpu/CodeLines.h"
#include "compiler/emit/cpu/CpuTargets.h"
#include "compiler/pipeline/Check.h"
#include "compiler/pipeline/Interpret.h"
#include "package/writer.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdlib>
#include <new>

using namespace tenon;
using pipeline::Diagnostic;
using pipeline::Outcome;

struct tenon_compiler_result {
  Outcome outcome = Outcome::Ok;
  std::vector<Diagnostic> diagnostics;
  std::vector<uint8_t> package;
  std::string text;
  std::vector<reference::NamedTensor> outputs;
};

namespace {

void fail(tenon_compiler_result &result, Outcome outcome, std::string code, std::string message) {
  result.outcome = outcome;
  result.diagnostics.push_back({std::move(code), std::move(message), "", true});
}

bool parseOptions(const tenon_compiler_option *options, size_t count, pipeline::Settings &settings,
                  tenon_compiler_result &result) {
  std::string targets;
  for (size_t i = 0; i < count; ++i) {
    llvm::StringRef name = options[i].name, value = options[i].value ? options[i].value : "";
    if (name == "target") { // repeated ones make a list
      targets += (targets.empty() ? "" : ",") + value.str();
      value = targets;
    }
    pipeline::OptionError error;
    if (!pipeline::applyOption(settings, name, value, error)) {
      fail(result, Outcome::BadUsage, error.code, error.message);
      return false;
    }
  }
  return true;
}

importer::OnnxModel modelOf(const tenon_compiler_model &model) {
  importer::OnnxModel result;
  if (model.function)
    result.functionName = model.function;
  if (model.path)
    result.path = model.path;
  if (model.bytes)
    result.bytes = llvm::StringRef(static_cast<const char *>(model.bytes), model.size);
  return result;
}

/// Writes text to a file by way of a temporary one beside it.
void writeText(const std::string &path, const std::string &text, tenon_compiler_result &result) {
  llvm::Error error = llvm::writeToOutput(path, [&](llvm::raw_ostream &stream) {
    stream << text;
    return llvm::Error::success();
  });
  if (error)
    fail(result, Outcome::BadInput, "TN0004",
         "cannot write '" + path + "': " + llvm::toString(std::move(error)));
}

void store(const pipeline::Settings &settings, pipeline::Product &product, const char *path,
           tenon_compiler_result &result) {
  if (settings.stopAfter != pipeline::Phase::Emit) {
    if (path)
      writeText(path, product.ir, result);
    result.text = std::move(product.ir);
    return;
  }
  package::WriteOptions options;
  options.debugSection = settings.debugSection;
  package::Status status = path ? package::writeFile(product.package, path, options)
                                : package::writeMemory(product.package, result.package, options);
  if (status.ok())
    return;
  auto [code, message] = llvm::StringRef(status.message()).split(": ");
  // Only a file that cannot be written is not a defect: what is in the package is our doing.
  bool environment =
      status.code() == package::Code::WriteFailed || status.code() == package::Code::OutOfMemory;
  fail(result, environment ? Outcome::BadInput : Outcome::Defect, code.str(), message.str());
}

/// Errors first.
void sortDiagnostics(tenon_compiler_result &result) {
  std::vector<Diagnostic> sorted;
  for (bool error : {true, false})
    for (Diagnostic &d : result.diagnostics)
      if (d.error == error)
        sorted.push_back(std::move(d));
  result.diagnostics = std::move(sorted);
}

const Diagnostic *diagnosticAt(const tenon_compiler_result *result, size_t i) {
  return i < result->diagnostics.size() ? &result->diagnostics[i] : nullptr;
}

/// The numbers of tenon_dtype, in the order of reference::DType.
constexpr int32_t runtimeTypes[] = {2, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13};

bool inputOf(const tenon_compiler_tensor &input, reference::NamedTensor &tensor) {
  const int32_t *type = std::find(std::begin(runtimeTypes), std::end(runtimeTypes), input.dtype);
  if (type == std::end(runtimeTypes))
    return false;
  tensor.name = input.name;
  tensor.value = reference::Tensor(static_cast<reference::DType>(type - std::begin(runtimeTypes)),
                                   llvm::ArrayRef(input.dims, input.rank));
  llvm::MutableArrayRef<char> bytes = tensor.value.mutableBytes();
  std::copy_n(static_cast<const char *>(input.data), bytes.size(), bytes.data());
  return true;
}

} // namespace

uint32_t tenon_compiler_api_version(void) { return TENON_COMPILER_API_VERSION; }

tenon_compiler_result *tenon_compiler_compile(const tenon_compiler_model *models, size_t model_count,
                                              const tenon_compiler_option *options, size_t option_count,
                                              const char *output_path, tenon_compiler_progress progress,
                                              void *user) {
  auto *result = new (std::nothrow) tenon_compiler_result;
  pipeline::Settings settings;
  if (!result || !parseOptions(options, option_count, settings, *result))
    return result;
  if (model_count == 0) {
    fail(*result, Outcome::BadUsage, "TN0002", "expected at least one model");
    return result;
  }
  std::vector<importer::OnnxModel> inputs;
  for (size_t i = 0; i < model_count; ++i)
    inputs.push_back(modelOf(models[i]));
  pipeline::Progress report;
  if (progress)
    report = [&](llvm::StringRef phase, uint32_t done, uint32_t total) {
      progress(user, phase.str().c_str(), done, total);
    };
  pipeline::Product product;
  result->outcome = pipeline::compile(inputs, settings, report, product, result->diagnostics);
  if (result->outcome == Outcome::Ok)
    store(settings, product, output_path, *result);
  sortDiagnostics(*result);
  return result;
}

tenon_compiler_result *tenon_compiler_check(const tenon_compiler_model *model,
                                            const tenon_compiler_option *options, size_t option_count) {
  auto *result = new (std::nothrow) tenon_compiler_result;
  pipeline::Settings settings;
  if (!result || !parseOptions(options, option_count, settings, *result))
    return result;
  result->outcome = pipeline::check(modelOf(*model), settings, result->text, result->diagnostics);
  sortDiagnostics(*result);
  return result;
}

tenon_compiler_result *tenon_compiler_interpret(const tenon_compiler_model *model,
                                                const tenon_compiler_option *options, size_t option_count,
                                                const tenon_compiler_tensor *inputs, size_t input_count) {
  auto *result = new (std::nothrow) tenon_compiler_result;
  pipeline::Settings settings;
  if (!result || !parseOptions(options, option_count, settings, *result))
    return result;
  std::vector<reference::NamedTensor> tensors(input_count);
  for (size_t i = 0; i < input_count; ++i)
    if (!inputOf(inputs[i], tensors[i])) {
      fail(*result, Outcome::BadInput, "TN0702",
           std::string("input '") + inputs[i].name + "' has an element type that the interpreter lacks");
      return result;
    }
  result->outcome =
      pipeline::interpret(modelOf(*model), settings, tensors, result->outputs, result->diagnostics);
  sortDiagnostics(*result);
  return result;
}

tenon_compiler_result *tenon_compiler_disassemble(const void *code, size_t size, uint8_t machine) {
  auto *result = new (std::nothrow) tenon_compiler_result;
  if (!result)
    return result;
  std::string error;
  std::vector<uint32_t> offsets;
  bool arm = static_cast<package::Machine>(machine) == package::Machine::AArch64;
  mlir::FailureOr<std::string> text =
      cpu::disassemble(llvm::ArrayRef(static_cast<const uint8_t *>(code), size),
                       arm ? "aarch64-unknown-linux-gnu" : "x86_64-unknown-linux-gnu", offsets, error);
  if (failed(text)) {
    auto [number, message] = llvm::StringRef(error).split(": ");
    fail(*result, Outcome::BadInput, number.str(), message.str());
    return result;
  }
  llvm::SmallVector<llvm::StringRef> lines;
  llvm::StringRef(*text).rtrim('\n').split(lines, '\n');
  for (auto [offset, line] : llvm::zip(offsets, lines))
    result->text += llvm::formatv("{0:x-}\t{1}\n", offset, line.ltrim('\t')).str();
  return result;
}

tenon_compiler_outcome tenon_compiler_result_outcome(const tenon_compiler_result *result) {
  return static_cast<tenon_compiler_outcome>(result->outcome);
}

const void *tenon_compiler_result_package(const tenon_compiler_result *result, size_t *size) {
  *size = result->package.size();
  return result->package.data();
}

const char *tenon_compiler_result_text(const tenon_compiler_result *result) { return result->text.c_str(); }

size_t tenon_compiler_result_output_count(const tenon_compiler_result *result) {
  return result->outputs.size();
}

tenon_compiler_tensor tenon_compiler_result_output(const tenon_compiler_result *result, size_t i) {
  const reference::NamedTensor &output = result->outputs[i];
  tenon_compiler_tensor tensor;
  tensor.name = output.name.c_str();
  tensor.dtype = runtimeTypes[static_cast<size_t>(output.value.dtype())];
  tensor.rank = static_cast<uint32_t>(output.value.rank());
  tensor.dims = output.value.dims().data();
  tensor.data = output.value.bytes().data();
  return tensor;
}

size_t tenon_compiler_result_diagnostic_count(const tenon_compiler_result *result) {
  return result->diagnostics.size();
}

const char *tenon_compiler_result_diagnostic_code(const tenon_compiler_result *result, size_t i) {
  const Diagnostic *d = diagnosticAt(result, i);
  return d ? d->code.c_str() : "";
}

const char *tenon_compiler_result_diagnostic_message(const tenon_compiler_result *result, size_t i) {
  const Diagnostic *d = diagnosticAt(result, i);
  return d ? d->message.c_str() : "";
}

const char *tenon_compiler_result_diagnostic_node(const tenon_compiler_result *result, size_t i) {
  const Diagnostic *d = diagnosticAt(result, i);
  return d ? d->node.c_str() : "";
}

void tenon_compiler_free(tenon_compiler_result *result) { delete result; }
