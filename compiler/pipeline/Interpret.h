//===- Interpret.h - target reference --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/pipeline/Compile.h"
#include "reference/RunFunction.h"

namespace tenon::pipeline {

/// Imports a model and evaluates it with the reference interpreter.
Outcome interpret(const importer::OnnxModel &model, const Settings &settings,
                  llvm::ArrayRef<reference::NamedTensor> inputs, std::vector<reference::NamedTensor> &outputs,
                  std::vector<Diagnostic> &diagnostics);

} // namespace tenon::pipeline
