//===- PlantDefect.cpp - plants the defect that the environment names
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/defects/PlantedDefect.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

using tenon::Defect;

struct NamedDefect {
  const char *name;
  Defect defect;
};

constexpr NamedDefect kDefects[] = {
#define TENON_DEFECT(name, text) {#name, Defect::name},
#include "compiler/defects/PlantedDefects.def"
};

/// Runs before main. An unknown name ends the program: a misspelt defect would look like one that no test
/// catches.
bool plant() noexcept {
  const char *wanted = std::getenv("TENON_PLANTED_DEFECT");
  if (!wanted || !*wanted)
    return false;
  for (const NamedDefect &known : kDefects)
    if (std::strcmp(known.name, wanted) == 0) {
      tenon::plantedDefect = known.defect;
      return true;
    }
  std::fprintf(stderr, "TENON_PLANTED_DEFECT: expected a name of PlantedDefects.def, found '%s'\n", wanted);
  std::_Exit(64);
}

[[maybe_unused]] const bool done = plant();

} // namespace
