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

/// More rows than are widened at once, and a last part that is no whole tile.
TEST(DotProducts, RowsInParts) {
  check(product("131", "2050", 24), {{131, 2050}, {2050, 24}, {1, 24}}, {"map", "contraction"});
  check(product("?", "2048", 16), {{97, 2048}, {2048, 16}, {1, 16}}, {"map", "contraction"});
}

TEST(DotProducts, PairsIn16Bits) {
  check(R"(func.func @main(%x: tensor<17x30xui8>, %v: tensor<30x40xi8>) -> tensor<17x40xi32> {
    %two = tenon.constant dense<2> : tensor<30x40xi8>
    %w = tenon.div %v, %two : tensor<30x40xi8>
    %p = tenon.contract %x, %w {tenon.pairs_fit} : tensor<17x30xui8>, tensor<30x40xi8> -> tensor<17x40xi32>
    return %p : tensor<17x40xi32> })",
        {{17, 30}, {30, 40}}, {"map", "contraction"});
}

std::string productOfBf16(const std::string &depth) {
  std::string x = shape({"9", depth}, "bf16"), w = shape({depth, "40"}, "bf16");
  return "func.func @main(%x: " + x + ", %w: " + w +
         ") -> tensor<9x40xf32> {\n    %p = tenon.contract %x, %w : " + x + ", " + w +
         " -> tensor<9x40xf32>\n    return %p : tensor<9x40xf32> }";
}

TEST(DotProducts, Bf16) {
  for (int64_t depth : {1, 8, 21})
    check(productOfBf16(std::to_string(depth)), {{9, depth}, {depth, 40}}, {"map", "contraction"}, 1e-5);
}

std::string conv(const std::string &in, const std::string &filter, const std::string &out,
                 const std::string &attributes) {
  std::string types = " : tensor<" + in + "xui8>, tensor<" + filter + "xi8> -> tensor<" + out + "xi32>";
  return "func.func @main(%x: tensor<" + in + "xui8>, %w: tensor<" + filter + "xi8>) -> tensor<" + out +
         "xi32> {\n    %p = tenon.conv %x, %w " + attributes + types + "\n    return %p : tensor<" + out +
         "xi32> }";
}

TEST(DotProducts, ConvolutionInLines) {
  for (const char *pad : {"", " pad_value 200"})
    check(conv("2x9x12x16", "3x3x16x24", "2x9x12x24",
               std::string(
                   "strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 1") +
                   pad),
          {{2, 9, 12, 16}, {3, 3, 16, 24}}, {"map", "conv"});
}

TEST(DotProducts, ConvolutionInParts) {
  check(conv("1x14x14x258", "3x3x258x17", "1x14x14x17",
             "strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 1 "
             "pad_value 9"),
        {{1, 14, 14, 258}, {3, 3, 258, 17}}, {"map", "conv"});
}

TEST(DotProducts, ConvolutionByPositions) {
  check(conv("2x9x3x18", "3x3x18x40", "2x9x3x40",
             "strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 1 "
             "pad_value 7"),
        {{2, 9, 3, 18}, {3, 3, 18, 40}}, {"map", "conv"});
  check(conv("1x5x6x8", "2x2x8x16", "1x10x12x16",
             "strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [2, 2] groups 1 "
             "pad_value 3"),
        {{1, 5, 6, 8}, {2, 2, 8, 16}}, {"map", "conv"});
}

TEST(DotProducts, ConvolutionOfFewChannels) {
  for (const char *channels : {"1", "3", "5"}) {
    std::string c = channels;
    int64_t n = std::stoll(c);
    check(conv("1x15x15x" + c, "7x7x" + c + "x32", "1x8x8x32",
               "strides [2, 2] dilations [1, 1] low [3, 3] high [3, 3] input_dilations [1, 1] groups 1 "
               "pad_value 114"),
          {{1, 15, 15, n}, {7, 7, n, 32}}, {"map", "map", "conv"});
    check(conv("1x12x12x" + c, "3x3x" + c + "x20", "1x10x10x20",
               "strides [1, 1] dilations [1, 1] low [0, 0] high [0, 0] input_dilations [1, 1] groups 1"),
          {{1, 12, 12, n}, {3, 3, n, 20}}, {"map", "map", "conv"});
  }
}

TEST(DotProducts, ConvolutionInGroups) {
  check(conv("1x8x8x12", "3x3x6x40", "1x8x8x40",
             "strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 2 "
             "pad_value 9"),
        {{1, 8, 8, 12}, {3, 3, 6, 40}}, {"map", "conv"});
  check(conv("1x12x12x10", "3x3x10x16", "1x8x8x16",
             "strides [1, 1] dilations [2, 2] low [0, 0] high [0, 0] input_dilations [1, 1] groups 1"),
        {{1, 12, 12, 10}, {3, 3, 10, 16}}, {"map", "conv"});
}

TEST(DotProducts, ConvolutionOfWholeLines) {
  for (const char *pad : {"", " pad_value 255"})
    check(conv("1x7x7x20", "3x3x20x32", "1x7x7x32",
               std::string(
                   "strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 1") +
                   pad),
          {{1, 7, 7, 20}, {3, 3, 20, 32}}, {"map", "conv"});
}

TEST(DotProducts, Depthwise) {
  for (const char *pad : {"", " pad_value 131"})
    for (const char *channels : {"16", "40", "72"}) {
      std::string c = channels;
      int64_t n = std::stoll(c);
      check(conv("2x9x10x" + c, "3x3x1x" + c, "2x9x10x" + c,
                 "strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups " + c +
                     pad),
            {{2, 9, 10, n}, {3, 3, 1, n}}, {"window"});
    }
  check(conv("1x13x13x20", "5x5x1x20", "1x7x7x20",
             "strides [2, 2] dilations [1, 1] low [2, 2] high [2, 2] input_dilations [1, 1] groups 20 "
             "pad_value 3"),
        {{1, 13, 13, 20}, {5, 5, 1, 20}}, {"window"});
  check(conv("1x9x9x32", "3x2x1x32", "1x5x8x32",
             "strides [1, 1] dilations [2, 1] low [0, 0] high [0, 0] input_dilations [1, 1] groups 32"),
        {{1, 9, 9, 32}, {3, 2, 1, 32}}, {"window"});
}

/// Lines of several tiles: ends whose taps are known to meet padding, and tiles between that do or do not.
TEST(DotProducts, DepthwiseLines) {
  for (int64_t width : {8, 15, 22, 27, 28, 29})
    for (const char *pad : {"", " pad_value 77"}) {
      std::string w = std::to_string(width), half = std::to_string((width + 1) / 2);
      check(conv("1x4x" + w + "x16", "5x5x1x16", "1x4x" + w + "x16",
                 std::string("strides [1, 1] dilations [1, 1] low [2, 2] high [2, 2] input_dilations [1, 1] "
                             "groups 16") +
                     pad),
            {{1, 4, width, 16}, {5, 5, 1, 16}}, {"window"});
      check(conv("1x6x" + w + "x8", "3x3x1x8", "1x3x" + half + "x8",
                 std::string("strides [2, 2] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] "
                             "groups 8") +
                     pad),
            {{1, 6, width, 8}, {3, 3, 1, 8}}, {"window"});
    }
}

/// Bytes of quotients of small integers: ties, infinities and NaN among them.
std::string quantization(const std::string &byte, double scale, double zero, double low) {
  std::string f = "tensor<40x37xf32>", i = "tensor<40x37xi32>", y = "tensor<40x37x" + byte + ">",
              widened = " : " + i + " -> " + f + "\n", text;
  auto constant = [&](const char *name, double value) {
    return "    %" + std::string(name) + " = tenon.constant dense<" + std::to_string(value) + "> : " + f +
           "\n";
  };
  text = "func.func @main(%a: " + i + ", %b: " + i + ") -> " + y + " {\n";
  text += constant("s", scale) + constant("z", zero) + constant("l", low) + constant("h", low + 255);
  for (const char *name : {"a", "b"})
    text.append("    %").append(name).append("f = tenon.cast %").append(name).append(widened);
  const char *steps[][2] = {{"x", "div %af, %bf"}, {"d", "div %x, %s"},  {"r", "round %d"},
                            {"q", "add %r, %z"},   {"q1", "max %q, %l"}, {"q2", "min %q1, %h"}};
  for (auto [name, step] : steps)
    text.append("    %").append(name).append(" = tenon.").append(step).append(" : " + f + "\n");
  text += "    %i = tenon.cast %q2 : " + f + " -> " + i + "\n    %y = tenon.cast %i : " + i + " -> " + y +
          "\n    return %y : " + y + " }";
  return text;
}

TEST(Quantization, RoundsAndSaturatesAsTheDivisionDoes) {
  ValueRange values;
  values.leastInteger = -6;
  values.mostInteger = 6;
  for (double scale : {0.5, 0.043})
    for (auto [byte, zero, low] : {std::tuple("ui8", 0.0, 0.0), std::tuple("ui8", 121.0, 0.0),
                                   std::tuple("i8", 0.0, -128.0), std::tuple("i8", 3.0, -128.0)})
      EXPECT_EQ(
          compareWithReference({quantization(byte, scale, zero, low), {{40, 37}, {40, 37}}, 0, values, true}),
          "");
}

} // namespace
