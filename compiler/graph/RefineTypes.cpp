//===- RefineTypes.cpp - static dimensions where sizes are constant ---------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/SizeAnalysis.h"
#include "compiler/graph/Passes.h"

namespace tenon {
#define GEN_PASS_DEF_REFINETYPES
#include "compiler/graph/Passes.h.inc"
} // namespace tenon

namespace {
struct RefineTypesPass : tenon::impl::RefineTypesBase<RefineTypesPass> {
  void runOnOperation() override { tenon::refineTypes(getOperation()); }
};
} // namespace
