//===- FamiliesCheck.h - what the tests of kernel families share
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "tests/kernels/KernelFamiliesHarness.h"

#include <gtest/gtest.h>

namespace tenon::cpu::test {

using Families = std::vector<std::string>;

/// The function computes what the interpreter does, in kernels of these families.
inline void check(std::string function, std::vector<std::vector<int64_t>> sizes, const Families &expected,
                  double tolerance = 1e-5, tenon::test::ValueRange values = {}) {
  Families families;
  EXPECT_EQ(compareWithReference({std::move(function), std::move(sizes), tolerance, values}, &families), "");
  EXPECT_EQ(families, expected);
}

/// A number for each such sign.
inline std::string numbered(const std::string &text, char sign, int64_t n) {
  std::string out;
  for (char c : text)
    c == sign ? out += std::to_string(n) : out += c;
  return out;
}

} // namespace tenon::cpu::test
