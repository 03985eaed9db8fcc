//===- CompositesTest.cpp - every composite: decomposed, interpreted, compiled
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "tests/composites/CompositeFile.h"

#include "compiler/dialect/tenon/TenonDialect.h"
#include <gtest/gtest.h>

using namespace tenon::test;

namespace {

std::string readingErrors;

std::vector<CompositeFile> allFiles() { return readComposites(TENON_COMPOSITES_FOLDER, readingErrors); }

class Composite : public testing::TestWithParam<CompositeFile> {};

TEST_P(Composite, CpuAgreesWithTheReference) { EXPECT_EQ(checkComposite(GetParam()), ""); }

INSTANTIATE_TEST_SUITE_P(All, Composite, testing::ValuesIn(allFiles()),
                         [](const auto &info) { return info.param.composite; });

TEST(Composites, EachHasAFile) {
  EXPECT_EQ(readingErrors, "");
  std::vector<std::string> found, expected;
  for (const CompositeFile &file : allFiles())
    found.push_back(file.composite);
  mlir::MLIRContext context;
  context.loadDialect<tenon::TenonDialect>();
  for (mlir::RegisteredOperationName name : context.getRegisteredOperations())
    if (name.hasInterface<tenon::CompositeOpInterface>())
      expected.push_back(name.stripDialect().str());
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(found, expected);
}

} // namespace
