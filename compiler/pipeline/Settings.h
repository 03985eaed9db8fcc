//===- Settings.h - what a user asks of a compilation --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/import/onnx/ImportOptions.h"
#include "isa/mortise/Hardware.h"
#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>
#include <vector>

namespace tenon::pipeline {

/// The phases of a compilation, in order.
enum class Phase { Import, Graph, Place, Kernel, Schedule, Memory, Emit };

/// "import", "graph", ...
llvm::StringRef nameOf(Phase phase);

/// The flags of `tenon compile`, parsed.
struct Settings {
  importer::ImportOptions import;
  std::string targets = "native";           // names, separated by commas; "reference" for the interpreter
  std::optional<mortise::Hardware> mortise; // what it takes runs there, the rest on `targets`
  bool emulateIsa = false;
  bool bf16 = false;         // products of f32 take operands rounded to bf16
  bool int8Saturate = false; // sums of two products of bytes may saturate at 16 bits
  bool winograd = true;      // 3x3 convolutions by fewer products where that wins
  bool cascades = true;      // tensors between a machine's kernels stay in its scratchpad where that pays
  Phase stopAfter = Phase::Emit;
  std::string dumpFolder;  // one .mlir per phase; empty: none
  std::string explainFile; // remarks as YAML; empty: none
  std::string cacheFolder; // object cache; empty: the user's, "off": none
  unsigned jobs = 0;       // threads of code generation; 0: as many as the machine has
  bool assembly = false;   // keep the kernels' assembly in the package
  bool debugSection = true;
};

/// What is wrong with an option: a stable code (TN0001: unknown name, TN0002: malformed value, TN11xx: a
/// machine) and a text.
struct OptionError {
  std::string code, message;
};

/// Applies one flag, by its name without dashes. Returns false and fills `error` when it is unknown or
/// malformed.
bool applyOption(Settings &settings, llvm::StringRef name, llvm::StringRef value, OptionError &error);

} // namespace tenon::pipeline
