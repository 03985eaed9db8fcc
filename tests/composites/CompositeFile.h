//===- CompositeFile.h - a composite and what to run it on
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each composite has a file in compiler/graph/test/composites, named for it: a function @main for lit, which
// checks the operations of the decomposition, and for composites_test, which runs it. Comments say on what:
//
//   // SIZES: 2x3, 3       the sizes of the arguments, once for every run; at least one line
//   // FLOATS: -4 4        bounds of random floats
//   // INTEGERS: -9 9      bounds of random integers
//   // TOLERANCE: 1e-4     of the largest magnitude of each result; 1e-5 when not said
//
//===----------------------------------------------------------------------===//
#pragma once

#include "tests/kernels/TensorComparison.h"
#include <string>
#include <vector>

namespace tenon::test {

struct CompositeFile {
  std::string composite, text;
  std::vector<std::vector<std::vector<int64_t>>> runs; ///< sizes of each argument
  ValueRange values;
  double tolerance = 1e-5;
};

/// All files of the folder, by name. A file that cannot be read or has no SIZES is left out and told in
/// `error`.
std::vector<CompositeFile> readComposites(const std::string &folder, std::string &error);

/// Runs the file's function in three ways, once for each line of sizes: by the interpreter, which decomposes
/// one operation at a time; by the interpreter after the pass DecomposeComposites; and compiled through all
/// phases, by the runtime, for each CPU level under test. Returns what differs, empty when nothing does.
std::string checkComposite(const CompositeFile &file);

} // namespace tenon::test
