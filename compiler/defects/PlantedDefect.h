//===- PlantedDefect.h - a switch for tests that breaks a lowering on purpose
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Tests are tested: each of these defects, planted alone, must make a test fail. Lowerings ask `planted`
// where the defect would be. Nothing in the product sets the switch, which is a variable of the compiler that
// no library exports; test programs and tenon-opt link tests/defects/PlantDefect.cpp, which sets it from the
// environment variable TENON_PLANTED_DEFECT before `main` begins.
//
//===----------------------------------------------------------------------===//
#pragma once

namespace tenon {

enum class Defect {
  None,
#define TENON_DEFECT(name, text) name,
#include "compiler/defects/PlantedDefects.def"
};

/// The one defect that is present, None outside of tests. Written before threads start.
extern Defect plantedDefect;

inline bool planted(Defect defect) { return plantedDefect == defect; }

} // namespace tenon
