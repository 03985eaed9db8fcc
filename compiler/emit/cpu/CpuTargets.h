//===- CpuTargets.h - targets by name -----------------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The known CPUs are described by the YAML files in targets/, which are compiled into the compiler. A
// description has the keys
//
//   name      as given on the command line
//   level     x86-64-v3 or x86-64-v4: the instructions that may be used
//   features  further ones, by LLVM's names, of those that a package can require (package/cpu_features.h)
//   hosts     LLVM's names of CPUs for which `native` means this target
//   vector    bits (256 or 512) and number of registers
//   cache     l1 and l2, data, bytes for one core; optionally l3, a core's part
//   peak      gflops (f32) and dram_gbs of one core, optionally l2_gbs and l3_gbs: the scale of the cost
//   model
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/CpuTarget.h"
#include "package/cpu_features.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/LogicalResult.h"
#include <cstdint>
#include <string>
#include <vector>

namespace tenon::cpu {

/// Turns target names, separated by commas, into descriptions, in the order given and each once. A name is
/// one of knownCpuTargets(), `native` (the known target that fits the machine best) or a path that ends in
/// `.yaml`. With `emulate` each is lowered to instructions of x86-64-v3. Errors: TN0301 for an unknown name
/// or a machine that none fits, TN0302 for a bad description (with file and line).
llvm::FailureOr<std::vector<CpuTarget>> resolveCpuTargets(llvm::StringRef names, bool emulate,
                                                          std::string &error);

/// The names of the built-in descriptions, sorted.
std::vector<std::string> knownCpuTargets();

/// The package's feature bits of this machine.
uint64_t hostFeatures();

/// Whether this machine has all of `features` (bits of package::CpuFeature).
bool hostRuns(uint64_t features);

} // namespace tenon::cpu
