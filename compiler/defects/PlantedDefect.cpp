//===- PlantedDefect.cpp - a switch for tests that breaks a lowering on purpose
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/defects/PlantedDefect.h"

tenon::Defect tenon::plantedDefect = tenon::Defect::None;
