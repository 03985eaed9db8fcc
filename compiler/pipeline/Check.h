//===- Check.h - what can be run, and what it costs -----------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/pipeline/Compile.h"

namespace tenon::pipeline {

/// Which nodes of a model the target can run and what they cost, as JSON: {"rows": [{node, op, domain,
/// supported, reason, flop, bytes}], "supported", "flop", "bytes"}, and where the model can be imported
/// "inputs": [{name, dtype, shape}] and "products" (see Products.h). Costs (see NodeCosts.h) are numbers,
/// texts over the symbols of the inputs, or null where the model cannot be imported. No code is generated.
Outcome check(const importer::OnnxModel &model, const Settings &settings, std::string &json,
              std::vector<Diagnostic> &diagnostics);

} // namespace tenon::pipeline
