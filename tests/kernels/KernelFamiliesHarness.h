//===- KernelFamiliesHarness.h - graphs on the CPU against the interpreter
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "tests/kernels/TensorComparison.h"
#include <string>
#include <vector>

namespace tenon::cpu::test {

struct GraphCase {
  std::string function;                    ///< a func.func named @main in tenon operations
  std::vector<std::vector<int64_t>> sizes; ///< of the arguments
  double tolerance = 1e-5;                 ///< of the largest magnitude of each result
  tenon::test::ValueRange values;
  bool dotProducts = false; ///< also on levels that have dot products of bytes and of bf16
};

/// Runs the function through the interpreter, and through kernel formation, code generation for every test
/// target and the dispatches, each once as a whole and once in single grains. Returns what differs, empty
/// when nothing does. `families` receives the families of the kernels that were formed.
std::string compareWithReference(const GraphCase &graph, std::vector<std::string> *families = nullptr);

} // namespace tenon::cpu::test
