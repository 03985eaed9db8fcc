#include "tools/tenon/CompilerLibrary.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/Files.h"
#include "tools/tenon/Progress.h"

#include <cstdlib>
#include <dlfcn.h>
#include <filesystem>

namespace tenon::command {

namespace {

constexpr const char *kFile = "libtenon-compiler.so";

/// Where the library lies: where the user says, else in this installation.
std::vector<std::string> candidates() {
  if (const char *chosen = std::getenv("TENON_COMPILER_LIBRARY"); chosen && *chosen)
    return {chosen};
  std::vector<std::string> result;
  for (const std::string &folder : libraryFolders())
    result.push_back(folder + "/" + kFile);
  return result;
}

std::vector<tenon_compiler_option> toC(const std::vector<CompilerOption> &options) {
  std::vector<tenon_compiler_option> result;
  for (const CompilerOption &option : options)
    result.push_back({option.first.c_str(), option.second.c_str()});
  return result;
}

tenon_compiler_model toC(const ModelArgument &model) {
  return {model.function.c_str(), model.path.c_str(), nullptr, 0};
}

void showProgress(void *user, const char *phase, uint32_t done, uint32_t total) {
  static_cast<Progress *>(user)->show(phase, done, total);
}

} // namespace

CompilerResult::CompilerResult(const CompilerLibrary &library, tenon_compiler_result *result)
    : library_(&library), result_(result, library.free_) {
  if (!result)
    failInput("TN0901", "not enough memory for the compiler");
}

tenon_compiler_outcome CompilerResult::outcome() const { return library_->outcome_(result_.get()); }

std::pair<const void *, size_t> CompilerResult::package() const {
  size_t size = 0;
  const void *bytes = library_->package_(result_.get(), &size);
  return {bytes, size};
}

std::string CompilerResult::text() const {
  const char *text = library_->text_(result_.get());
  return text ? text : "";
}

size_t CompilerResult::outputCount() const { return library_->outputCount_(result_.get()); }

tenon_compiler_tensor CompilerResult::output(size_t index) const {
  return library_->output_(result_.get(), index);
}

void CompilerResult::check() const {
  std::vector<Diagnostic> diagnostics;
  for (size_t i = 0; i < library_->diagnosticCount_(result_.get()); ++i)
    diagnostics.push_back({library_->diagnosticCode_(result_.get(), i),
                           library_->diagnosticMessage_(result_.get(), i),
                           library_->diagnosticNode_(result_.get(), i)});
  if (outcome() == TENON_COMPILER_OK) {
    for (const Diagnostic &diagnostic : diagnostics)
      print("warning", diagnostic);
    return;
  }
  if (diagnostics.empty())
    diagnostics.push_back({"TN0599", "the compiler failed without saying why", ""});
  throw Failure(static_cast<ExitStatus>(outcome()), diagnostics);
}

const CompilerLibrary &CompilerLibrary::get() {
  static const CompilerLibrary library;
  return library;
}

CompilerLibrary::CompilerLibrary() {
  std::string tried;
  for (const std::string &path : candidates()) {
    std::error_code error;
    if (!std::filesystem::exists(path, error)) {
      tried += (tried.empty() ? "" : ", ") + path;
      continue;
    }
    void *handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle)
      failInput("TN0502", "the compiler library cannot be loaded: " + std::string(::dlerror()));
    load(handle, path);
    return;
  }
  failInput("TN0501", "compiling and disassembling need " + std::string(kFile) +
                          "; it is in none of: " + tried +
                          "; install the compiler, set TENON_COMPILER_LIBRARY to its path, or give a package "
                          "(.tenon)");
}

void CompilerLibrary::load(void *handle, const std::string &path) {
  auto find = [&](auto &function, const char *name) {
    void *address = ::dlsym(handle, name);
    if (!address)
      failInput("TN0502", "'" + path + "' lacks the function " + name +
                              "; install the compiler library of the same release as this command");
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(address);
  };
  find(apiVersion_, "tenon_compiler_api_version");
  if (apiVersion_() != TENON_COMPILER_API_VERSION)
    failInput("TN0502", "'" + path + "' has interface version " + std::to_string(apiVersion_()) +
                            ", expected " + std::to_string(TENON_COMPILER_API_VERSION) +
                            "; install the compiler library of the same release as this command");
  find(compile_, "tenon_compiler_compile");
  find(check_, "tenon_compiler_check");
  find(interpret_, "tenon_compiler_interpret");
  find(disassemble_, "tenon_compiler_disassemble");
  find(outcome_, "tenon_compiler_result_outcome");
  find(package_, "tenon_compiler_result_package");
  find(text_, "tenon_compiler_result_text");
  find(outputCount_, "tenon_compiler_result_output_count");
  find(output_, "tenon_compiler_result_output");
  find(diagnosticCount_, "tenon_compiler_result_diagnostic_count");
  find(diagnosticCode_, "tenon_compiler_result_diagnostic_code");
  find(diagnosticMessage_, "tenon_compiler_result_diagnostic_message");
  find(diagnosticNode_, "tenon_compiler_result_diagnostic_node");
  find(free_, "tenon_compiler_free");
}

CompilerResult CompilerLibrary::compile(const std::vector<ModelArgument> &models,
                                        const std::vector<CompilerOption> &options,
                                        const std::string &outputPath) const {
  std::vector<tenon_compiler_model> inputs;
  for (const ModelArgument &model : models)
    inputs.push_back(toC(model));
  std::vector<tenon_compiler_option> flags = toC(options);
  Progress progress;
  CompilerResult result(*this,
                        compile_(inputs.data(), inputs.size(), flags.data(), flags.size(),
                                 outputPath.empty() ? nullptr : outputPath.c_str(), showProgress, &progress));
  progress.clear();
  result.check();
  return result;
}

CompilerResult CompilerLibrary::check(const ModelArgument &model,
                                      const std::vector<CompilerOption> &options) const {
  tenon_compiler_model input = toC(model);
  std::vector<tenon_compiler_option> flags = toC(options);
  CompilerResult result(*this, check_(&input, flags.data(), flags.size()));
  // A model with unsupported nodes is a bad input that nevertheless has an answer.
  if (result.text().empty())
    result.check();
  return result;
}

CompilerResult CompilerLibrary::interpret(const ModelArgument &model,
                                          const std::vector<CompilerOption> &options,
                                          const std::vector<tenon_compiler_tensor> &inputs) const {
  tenon_compiler_model input = toC(model);
  std::vector<tenon_compiler_option> flags = toC(options);
  CompilerResult result(*this, interpret_(&input, flags.data(), flags.size(), inputs.data(), inputs.size()));
  result.check();
  return result;
}

std::string CompilerLibrary::disassemble(const void *code, size_t size, uint8_t machine) const {
  CompilerResult result(*this, disassemble_(code, size, machine));
  result.check();
  return result.text();
}

} // namespace tenon::command
