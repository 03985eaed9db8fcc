//===- ImportOptions.h - what a user says about the sizes of a model --------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tenon::importer {

/// A dimension in a shape option: a number, a symbol's name, or neither ("?": as the model has it).
struct DimSpec {
  std::optional<int64_t> value;
  std::string symbol;
};

/// The range of a symbol, as in `tenon.symbol`.
struct SymbolRange {
  int64_t min = 1;
  std::optional<int64_t> max;
  int64_t multipleOf = 1;
  std::vector<int64_t> likely;
};

/// Options shared by all models of an import. Names that no model knows are errors.
struct ImportOptions {
  /// Input name -> its dimensions.
  std::map<std::string, std::vector<DimSpec>> shapes;
  std::map<std::string, SymbolRange> symbols;
  /// Input name -> name of the output that is the input's value in the next call.
  std::map<std::string, std::string> states;
  /// Nodes after inlining functions; more are refused.
  int64_t maxNodes = 1'000'000;
};

/// Parse the values of --shape (NAME=1x3x?xheight), --symbol (NAME=MIN:MAX[:MULTIPLE[:LIKELY,..]], MAX may be
/// empty) and --state (INPUT=OUTPUT[,INPUT=OUTPUT..]) into `options`. On failure they return false and set
/// `error`.
bool parseShapeOption(llvm::StringRef text, ImportOptions &options, std::string &error);
bool parseSymbolOption(llvm::StringRef text, ImportOptions &options, std::string &error);
bool parseStateOption(llvm::StringRef text, ImportOptions &options, std::string &error);

} // namespace tenon::importer
