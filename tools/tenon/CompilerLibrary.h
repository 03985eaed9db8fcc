// Loads libtenon-compiler.so when a model has to be compiled, so that running a package maps no LLVM.
#pragma once

#include "compiler/pipeline/tenon_compiler.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace tenon::command {

/// A flag for the compiler: name without dashes, and value.
using CompilerOption = std::pair<std::string, std::string>;

/// A model to compile: the function's name, and the file.
struct ModelArgument {
  std::string function = "main";
  std::string path;
};

class CompilerLibrary;

/// What the compiler answered. Owns it.
class CompilerResult {
public:
  CompilerResult() = default;
  CompilerResult(const CompilerLibrary &library, tenon_compiler_result *result);

  explicit operator bool() const { return result_ != nullptr; }
  tenon_compiler_outcome outcome() const;
  /// The package's bytes, valid as long as this.
  std::pair<const void *, size_t> package() const;
  std::string text() const;
  size_t outputCount() const;
  tenon_compiler_tensor output(size_t index) const;
  /// Throws the diagnostics of a failure; prints those of a success as warnings.
  void check() const;

private:
  const CompilerLibrary *library_ = nullptr;
  std::shared_ptr<tenon_compiler_result> result_;
};

/// The loaded library. Stays loaded until the process ends.
class CompilerLibrary {
public:
  /// Loads at the first call; TN0501 where it is missing, TN0502 where it has another interface.
  static const CompilerLibrary &get();

  /// Compiles to `outputPath`, or to memory if that is empty. Shows progress on a terminal. Throws on
  /// failure.
  CompilerResult compile(const std::vector<ModelArgument> &models, const std::vector<CompilerOption> &options,
                         const std::string &outputPath) const;
  /// Whether each node can be compiled: text() is JSON. Throws when the model cannot even be read.
  CompilerResult check(const ModelArgument &model, const std::vector<CompilerOption> &options) const;
  /// Evaluates the model by the reference interpreter. Throws on failure.
  CompilerResult interpret(const ModelArgument &model, const std::vector<CompilerOption> &options,
                           const std::vector<tenon_compiler_tensor> &inputs) const;
  /// One line "OFFSET<tab>INSTRUCTION" for each instruction, offsets in hexadecimal digits.
  std::string disassemble(const void *code, size_t size, uint8_t machine) const;

private:
  friend class CompilerResult;
  CompilerLibrary();
  void load(void *handle, const std::string &path);

  decltype(&tenon_compiler_api_version) apiVersion_ = nullptr;
  decltype(&tenon_compiler_compile) compile_ = nullptr;
  decltype(&tenon_compiler_check) check_ = nullptr;
  decltype(&tenon_compiler_interpret) interpret_ = nullptr;
  decltype(&tenon_compiler_disassemble) disassemble_ = nullptr;
  decltype(&tenon_compiler_result_outcome) outcome_ = nullptr;
  decltype(&tenon_compiler_result_package) package_ = nullptr;
  decltype(&tenon_compiler_result_text) text_ = nullptr;
  decltype(&tenon_compiler_result_output_count) outputCount_ = nullptr;
  decltype(&tenon_compiler_result_output) output_ = nullptr;
  decltype(&tenon_compiler_result_diagnostic_count) diagnosticCount_ = nullptr;
  decltype(&tenon_compiler_result_diagnostic_code) diagnosticCode_ = nullptr;
  decltype(&tenon_compiler_result_diagnostic_message) diagnosticMessage_ = nullptr;
  decltype(&tenon_compiler_result_diagnostic_node) diagnosticNode_ = nullptr;
  decltype(&tenon_compiler_free) free_ = nullptr;
};

} // namespace tenon::command
