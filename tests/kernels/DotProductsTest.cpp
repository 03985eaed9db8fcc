//===- DotProductsTest.cpp - products of bytes and of bf16 against the interpreter
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "tests/kernels/KernelFamiliesHarness.h"

#include <gtest/gtest.h>

using tenon::cpu::test::compareWithReference;
using tenon::test::ValueRange;

namespace {

using Families = std::vector<std::string>;

ValueRange bytes() {
  ValueRange values;
  values.wholeRange = true;
  return values;
}

void check(std::string function, std::vector<std::vector<int64_t>> sizes, Families expected,
           double tolerance = 0) {
  Families families;
  EXPECT_EQ(
      compareWithReference({std::move(function), std::move(sizes), tolerance, bytes(), true}, &families), "");
  EXPECT_EQ(families, expected);
}

std::string shape(std::initializer_list<std::string> dims, const std::string &element) {
  std::string text = "tensor<";
  for (const std::string &d : dims)
    text += d + "x";
  return text + element + ">";
}

std::string symbol(bool named, const std::string &name) {
  return named ? "%" + name + " = tenon.symbol \"" + name + "\" min 1 multiple_of 1 likely []\n" : "";
}

/// A product of ui8 and i8 with an epilogue that subtracts per column.
std::string product(const std::string &m, const std::string &depth, int64_t columns) {
  std::string n = std::to_string(columns), x = shape({m, depth}, "ui8"), w = shape({depth, n}, "i8"),
              y = shape({m, n}, "i32"), one = shape({"1", n}, "i32");
  bool rows = m == "?", sum = depth == "?";
  auto dims = [](const std::string &a, const std::string &b) {
    return " {tenon.dims = [" + a + ", " + b + "]}";
  };
  std::string rowsDim = rows ? "\"m\"" : m, sumDim = sum ? "\"k\"" : depth;
  return "func.func @main(%x: " + x + dims(rowsDim, sumDim) + ", %w: " + w + dims(sumDim, n) +
         ", %b: " + one + ") -> " + y + R"( {
)" + symbol(rows, "m") +
         symbol(sum, "k") + R"(
    %p = tenon.contract %x, %w : )" +
         x + ", " + w + " -> " + y + R"(
    %bb = tenon.broadcast %b)" +
         (rows ? " (%m)" : "") + " : " + one + " -> " + y + R"(
    %s = tenon.sub %p, %bb : )" +
         y + R"(
    return %s : )" +
         y + " }";
}

TEST(DotProducts, DynamicRows) {
  for (int64_t m : {1, 2, 3, 5, 8, 13, 48, 100})
    check(product("?", "24", 48), {{m, 24}, {24, 48}, {1, 48}}, {"map", "contraction"});
}

TEST(DotProducts, AnyDepth) {
  for (int64_t depth : {1, 2, 3, 4, 5, 6, 7, 63})
    check(product("9", std::to_string(depth), 33), {{9, depth}, {depth, 33}, {1, 33}},
          {"map", "contraction"});
}

TEST(DotProducts, DynamicDepth) {
  for (int64_t depth : {1, 3, 4, 18})
    check(product("5", "?", 32), {{5, depth}, {depth, 32}, {1, 32}}, {"map", "contraction"});
}

TEST(DotProducts, RaggedColumns) {
  for (int64_t n : {1, 8, 9, 17, 70})
    check(product("7", "12", n), {{7, 12}, {12, n}, {1, n}}, {"map", "contraction"});
}

TEST(DotProducts, Batched) {
  check(R"(func.func @main(%x: tensor<3x10x21xui8>, %w: tensor<3x33x21xi8>) -> tensor<3x10x33xi32> {
    %p = tenon.contract %x, %w transpose_rhs : tensor<3x10x21xui8>, tensor<3x33x21xi8> -> tensor<3x10x33xi32>
    return %p : tensor<3x10x33xi32> })",
        {{3, 10, 21}, {3, 33, 21}}, {"map", "contraction"});
  check(R"(func.func @main(%x: tensor<3x10x21xui8>, %w: tensor<21x16xi8>) -> tensor<3x10x16xi32> {
    %p = tenon.contract %x, %w : tensor<3x10x21xui8>, tensor<21x16xi8> -> tensor<3x10x16xi32>
    return %p : tensor<3x10x16xi32> })",
        {{3, 10, 21}, {21, 16}}, {"map", "contraction"});
}

TEST(DotProducts, Bf16) {
  for (int64_t depth : {1, 8, 21}) {
    std::string k = std::to_string(depth), x = shape({"9", k}, "bf16"), w = shape({k, "40"}, "bf16");
    check("func.func @main(%x: " + x + ", %w: " + w +
              ") -> tensor<9x40xf32> {"
              R"(
    %p = tenon.contract %x, %w : )" +
              x + ", " + w + R"( -> tensor<9x40xf32>
    return %p : tensor<9x40xf32> })",
          {{9, depth}, {depth, 40}}, {"map", "contraction"}, 1e-5);
  }
}

} // namespace
