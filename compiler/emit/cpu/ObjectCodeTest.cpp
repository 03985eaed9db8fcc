//===- ObjectCodeTest.cpp - MLIR to machine code that runs --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compiler/emit/cpu/ObjectCode.h"
#include "compiler/emit/cpu/ObjectCodeHarness.h"
#include <gtest/gtest.h>

namespace tenon::cpu::test {
namespace {

TEST(ObjectCode, AddsVectors) {
  std::string source = elementwiseKernel(2, 16, "f32", "f32", "%r = arith.addf %a, %b : vector<16xf32>");
  for (const CpuTarget &target : testTargets()) {
    std::vector<float> a(64), b(64), c(64);
    for (int i = 0; i < 64; ++i)
      a[i] = i, b[i] = 0.5f * i;
    ASSERT_EQ(runKernel(source, target, {a.data(), b.data(), c.data()}, 4), "") << target.name;
    for (int i = 0; i < 64; ++i)
      EXPECT_EQ(c[i], 1.5f * i) << target.name;
  }
}

} // namespace
} // namespace tenon::cpu::test
