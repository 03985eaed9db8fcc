//===- KernelFamiliesTest.cpp - every kernel family against the interpreter; maps: MapTest.cpp
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "tests/kernels/FamiliesCheck.h"

#include "llvm/Support/raw_ostream.h"

using tenon::cpu::test::check;
using tenon::cpu::test::Families;
using tenon::cpu::test::numbered;
using tenon::test::ValueRange;

namespace {

const char *softmax = R"(func.func @main(%x: tensor<?x?xf32> {tenon.dims = ["b", "n"]}) -> tensor<?x?xf32> {
    %b = tenon.symbol "b" min 1 multiple_of 1 likely []
    %n = tenon.symbol "n" min 1 multiple_of 1 likely []
    %m = tenon.reduce max %x [1] : tensor<?x?xf32> -> tensor<?x1xf32>
    %mb = tenon.broadcast %m (%b, %n) : tensor<?x1xf32> -> tensor<?x?xf32>
    %d = tenon.sub %x, %mb : tensor<?x?xf32>
    %e = tenon.exp %d : tensor<?x?xf32>
    %s = tenon.reduce sum %e [1] : tensor<?x?xf32> -> tensor<?x1xf32>
    %sb = tenon.broadcast %s (%b, %n) : tensor<?x1xf32> -> tensor<?x?xf32>
    %y = tenon.div %e, %sb : tensor<?x?xf32>
    return %y : tensor<?x?xf32> })";

TEST(Reduce, SoftmaxIsOneKernel) {
  for (int64_t n : {1, 5, 16, 63, 64, 65, 200})
    check(softmax, {{3, n}}, {"reduce"});
}

TEST(Reduce, SoftmaxOfFarScores) {
  // Most exponentials vanish, as under a mask.
  ValueRange values;
  values.deviation = 100;
  values.least = -200;
  values.most = 200;
  for (int64_t rows : {1, 2, 5})
    for (int64_t n : {40, 128})
      check(softmax, {{rows, n}}, {"reduce"}, 1e-5, values);
}

TEST(Reduce, ShortAndLongRowsOfANorm) {
  const char *norm = R"(func.func @main(%x: tensor<5x$xf32>) -> tensor<5x$xf32> {
    %n = tenon.constant dense<$.0> : tensor<5x1xf32>
    %c = tenon.constant dense<0.00001> : tensor<5x1xf32>
    %s = tenon.reduce sum %x [1] : tensor<5x$xf32> -> tensor<5x1xf32>
    %m = tenon.div %s, %n : tensor<5x1xf32>
    %mb = tenon.broadcast %m : tensor<5x1xf32> -> tensor<5x$xf32>
    %d = tenon.sub %x, %mb : tensor<5x$xf32>
    %q = tenon.mul %d, %d : tensor<5x$xf32>
    %qs = tenon.reduce sum %q [1] : tensor<5x$xf32> -> tensor<5x1xf32>
    %v = tenon.div %qs, %n : tensor<5x1xf32>
    %ve = tenon.add %v, %c : tensor<5x1xf32>
    %r = tenon.rsqrt %ve : tensor<5x1xf32>
    %rb = tenon.broadcast %r : tensor<5x1xf32> -> tensor<5x$xf32>
    %y = tenon.mul %d, %rb : tensor<5x$xf32>
    return %y : tensor<5x$xf32> })";
  for (int64_t n : {33, 384, 1500})
    check(numbered(norm, '$', n), {{5, n}}, {"reduce"});
}

TEST(Reduce, NormOfRowsOnTwoAxes) {
  // Scale and shift are the same for all rows; where the mean of another tensor's rows comes in, positions
  // count.
  const char *norm = R"(func.func @main(%x: tensor<$x40xf32>, %g: tensor<40xf32>) -> tensor<$x40xf32> {
    %c = tenon.constant dense<0.0001> : tensor<$x1xf32>
    %q = tenon.mul %x, %x : tensor<$x40xf32>
    %s = tenon.reduce sum %q [2] : tensor<$x40xf32> -> tensor<$x1xf32>
    %v = tenon.add %s, %c : tensor<$x1xf32>
    %r = tenon.rsqrt %v : tensor<$x1xf32>
    %rb = tenon.broadcast %r : tensor<$x1xf32> -> tensor<$x40xf32>
    %n = tenon.mul %x, %rb : tensor<$x40xf32>
    %g1 = tenon.reshape %g : tensor<40xf32> -> tensor<1x1x40xf32>
    %gb = tenon.broadcast %g1 : tensor<1x1x40xf32> -> tensor<$x40xf32>
    %y = tenon.mul %n, %gb : tensor<$x40xf32>
    return %y : tensor<$x40xf32> })";
  for (const char *rows : {"3x3", "1x7", "7x1", "1x1"}) {
    std::string text = norm;
    for (size_t at; (at = text.find('$')) != std::string::npos;)
      text.replace(at, 1, rows);
    check(text, {{rows[0] - '0', rows[2] - '0', 40}, {40}}, {"reduce"});
  }
}

TEST(Reduce, NormOfWhatVariesAlongOneAxis) {
  check(R"(func.func @main(%x: tensor<3x5x40xf32>, %p: tensor<1x5x40xf32>) -> tensor<3x5x40xf32> {
    %pb = tenon.broadcast %p : tensor<1x5x40xf32> -> tensor<3x5x40xf32>
    %z = tenon.add %x, %pb : tensor<3x5x40xf32>
    %s = tenon.reduce sum %z [2] : tensor<3x5x40xf32> -> tensor<3x5x1xf32>
    %r = tenon.exp %s : tensor<3x5x1xf32>
    %rb = tenon.broadcast %r : tensor<3x5x1xf32> -> tensor<3x5x40xf32>
    %y = tenon.mul %z, %rb : tensor<3x5x40xf32>
    return %y : tensor<3x5x40xf32> })",
        {{3, 5, 40}, {1, 5, 40}}, {"reduce"});
}

TEST(Reduce, Columns) {
  check(R"(func.func @main(%x: tensor<2x7x9x40xf32>) -> tensor<2x1x1x40xf32> {
    %0 = tenon.reduce sum %x [1, 2] : tensor<2x7x9x40xf32> -> tensor<2x1x1x40xf32>
    %1 = tenon.neg %0 : tensor<2x1x1x40xf32>
    return %1 : tensor<2x1x1x40xf32> })",
        {{2, 7, 9, 40}}, {"reduce"});
}

TEST(Reduce, SeveralTrailingAxes) {
  check(R"(func.func @main(%x: tensor<3x4x21xf32>) -> tensor<3x1x1xf32> {
    %0 = tenon.reduce max %x [1, 2] : tensor<3x4x21xf32> -> tensor<3x1x1xf32>
    return %0 : tensor<3x1x1xf32> })",
        {{3, 4, 21}}, {"reduce"});
}

TEST(Reduce, LargestOfNegatives) {
  ValueRange values;
  values.most = -0.5;
  check(R"(func.func @main(%x: tensor<3x21xf32>) -> tensor<3x1xf32> {
    %0 = tenon.reduce max %x [1] : tensor<3x21xf32> -> tensor<3x1xf32>
    return %0 : tensor<3x1xf32> })",
        {{3, 21}}, {"reduce"}, 1e-5, values);
}

std::string product(const std::string &m, int64_t k, int64_t n) {
  std::string x = "tensor<" + m + "x" + std::to_string(k) + "xf32>",
              w = "tensor<" + std::to_string(k) + "x" + std::to_string(n) + "xf32>",
              y = "tensor<" + m + "x" + std::to_string(n) + "xf32>",
              one = "tensor<1x" + std::to_string(n) + "xf32>";
  std::string sizes = m == "?" ? " (%m)" : "";
  return "func.func @main(%x: " + x + " {tenon.dims = [\"m\", " + std::to_string(k) + "]}, %w: " + w +
         ", %b: " + one + ") -> " + y + R"( {
    %m = tenon.symbol "m" min 1 multiple_of 1 likely []
    %p = tenon.contract %x, %w : )" +
         x + ", " + w + " -> " + y + R"(
    %bb = tenon.broadcast %b)" +
         sizes + " : " + one + " -> " + y + R"(
    %s = tenon.add %p, %bb : )" +
         y + R"(
    %t = tenon.tanh %s : )" +
         y + R"(
    return %t : )" +
         y + " }";
}

TEST(Contraction, DynamicRowsWithEpilogue) {
  for (int64_t m : {1, 2, 3, 5, 6, 7, 8, 13, 48, 100, 300})
    check(product("?", 24, 48), {{m, 24}, {24, 48}, {1, 48}}, {"map", "contraction"});
}

TEST(Contraction, RaggedColumns) {
  for (int64_t n : {1, 15, 17, 33, 70})
    check(product("?", 9, n), {{7, 9}, {9, n}, {1, n}}, {"map", "contraction"});
}

/// A narrow last panel beside a whole one, whose register takes 2 or 4 steps of the depth.
TEST(Contraction, NarrowPanelBesideWhole) {
  for (int64_t n : {20, 24, 55, 84, 120, 248})
    for (int64_t m : {1, 3, 13, 50})
      check(product(std::to_string(m), 36, n), {{m, 36}, {36, n}, {1, n}}, {"map", "contraction"});
  for (int64_t m : {2, 29, 100})
    check(product("?", 22, 24), {{m, 22}, {22, 24}, {1, 24}}, {"map", "contraction"});
}

/// Columns that fill half or a quarter of a register: several steps of the depth go together, and the sums of
/// as many rows become one vector.
TEST(Contraction, NarrowPanelAlone) {
  for (int64_t n : {1, 3, 4, 6, 8})
    for (int64_t m : {1, 3, 13, 50})
      check(product("?", 24, n), {{m, 24}, {24, n}, {1, n}}, {"map", "contraction"});
}

TEST(Contraction, ConstantOperandLiesInMemory) {
  check(R"(func.func @main(%w: tensor<20x32xf32>, %b: tensor<4x32xf32>) -> tensor<4x32xf32> {
    %z = tenon.constant dense<0.5> : tensor<4x20xf32>
    %p = tenon.contract %z, %w : tensor<4x20xf32>, tensor<20x32xf32> -> tensor<4x32xf32>
    %s = tenon.add %p, %b : tensor<4x32xf32>
    return %s : tensor<4x32xf32> })",
        {{20, 32}, {4, 32}}, {"map", "contraction"});
}

/// Factors of the depth that the rows of an image share, for weights of a last panel that is not full.
TEST(Contraction, FactorsOfImages) {
  std::string weights = R"(    %i = tenon.iota axis 0 : tensor<480xf32>
    %s = tenon.sin %i : tensor<480xf32>
    %w = tenon.reshape %s() : tensor<480xf32> -> tensor<20x24xf32>
)";
  check(
      R"(func.func @main(%x: tensor<1x7x9x20xf32>, %f: tensor<1x1x1x20xf32>) -> tensor<1x7x9x24xf32> {
    %b = tenon.broadcast %f : tensor<1x1x1x20xf32> -> tensor<1x7x9x20xf32>
    %m = tenon.mul %b, %x : tensor<1x7x9x20xf32>
)" + weights +
          R"(    %p = tenon.contract %m, %w : tensor<1x7x9x20xf32>, tensor<20x24xf32> -> tensor<1x7x9x24xf32>
    return %p : tensor<1x7x9x24xf32> })",
      {{1, 7, 9, 20}, {1, 1, 1, 20}}, {"map", "map", "contraction"});
  std::string images =
      R"(func.func @main(%x: tensor<?x?x9x20xf32> {tenon.dims = ["n", "h", 9, 20]}, %f: tensor<?x1x1x20xf32> {tenon.dims = ["n", 1, 1, 20]}, %c: tensor<1x1x1x24xf32>, %r: tensor<?x?x9x24xf32> {tenon.dims = ["n", "h", 9, 24]}) -> tensor<?x?x9x24xf32> {
    %n = tenon.symbol "n" min 1 multiple_of 1 likely []
    %h = tenon.symbol "h" min 1 multiple_of 1 likely []
    %b = tenon.broadcast %f (%n, %h) : tensor<?x1x1x20xf32> -> tensor<?x?x9x20xf32>
    %m = tenon.mul %x, %b : tensor<?x?x9x20xf32>
)" + weights +
      R"(    %p = tenon.contract %m, %w : tensor<?x?x9x20xf32>, tensor<20x24xf32> -> tensor<?x?x9x24xf32>
    %d = tenon.broadcast %c (%n, %h) : tensor<1x1x1x24xf32> -> tensor<?x?x9x24xf32>
    %a = tenon.add %p, %d : tensor<?x?x9x24xf32>
    %y = tenon.add %a, %r : tensor<?x?x9x24xf32>
    return %y : tensor<?x?x9x24xf32> })";
  for (int64_t n : {1, 2, 5})
    for (int64_t h : {1, 8})
      check(images, {{n, h, 9, 20}, {n, 1, 1, 20}, {1, 1, 1, 24}, {n, h, 9, 24}},
            {"map", "map", "contraction"});
}

TEST(Contraction, Batched) {
  check(R"(func.func @main(%x: tensor<3x10x20xf32>, %w: tensor<3x33x20xf32>) -> tensor<3x10x33xf32> {
    %p = tenon.contract %x, %w transpose_rhs : tensor<3x10x20xf32>, tensor<3x33x20xf32> -> tensor<3x10x33xf32>
    return %p : tensor<3x10x33xf32> })",
        {{3, 10, 20}, {3, 33, 20}}, {"map", "contraction"});
}

/// More columns than stay in a cache, in panels of which some remain behind the last four.
TEST(Contraction, OneRowOfManyPanels) {
  check(product("1", 512, 456), {{1, 512}, {512, 456}, {1, 456}}, {"map", "contraction"}, 1e-4);
}

std::string conv(const std::string &in, const std::string &filter, const std::string &out,
                 const std::string &attributes) {
  return "func.func @main(%x: tensor<" + in + "xf32>, %w: tensor<" + filter + "xf32>) -> tensor<" + out +
         R"(xf32> {
    %p = tenon.conv %x, %w )" +
         attributes + " : tensor<" + in + "xf32>, tensor<" + filter + "xf32> -> tensor<" + out + R"(xf32>
    %z = tenon.constant dense<0.0> : tensor<)" +
         out + R"(xf32>
    %r = tenon.max %p, %z : tensor<)" +
         out + R"(xf32>
    return %r : tensor<)" +
         out + "xf32> }";
}

TEST(Convolution, PaddedStridedGrouped) {
  check(conv("2x9x11x16", "3x3x16x24", "2x9x11x24",
             "strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 1"),
        {{2, 9, 11, 16}, {3, 3, 16, 24}}, {"map", "conv"});
  check(conv("1x15x15x3", "7x7x3x32", "1x8x8x32",
             "strides [2, 2] dilations [1, 1] low [3, 3] high [3, 3] input_dilations [1, 1] groups 1"),
        {{1, 15, 15, 3}, {7, 7, 3, 32}}, {"map", "map", "conv"});
  check(conv("1x8x8x12", "3x3x6x40", "1x6x6x40",
             "strides [1, 1] dilations [1, 1] low [0, 0] high [0, 0] input_dilations [1, 1] groups 2"),
        {{1, 8, 8, 12}, {3, 3, 6, 40}}, {"map", "conv"});
  check(conv("1x12x12x10", "3x3x10x16", "1x8x8x16",
             "strides [1, 1] dilations [2, 2] low [0, 0] high [0, 0] input_dilations [1, 1] groups 1"),
        {{1, 12, 12, 10}, {3, 3, 10, 16}}, {"map", "conv"});
}

/// A narrow last panel of each group beside a whole one: by lines, whole lines and positions.
TEST(Convolution, NarrowPanelBesideWhole) {
  auto padded = [](int64_t groups) {
    return "strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups " +
           std::to_string(groups);
  };
  check(conv("1x5x40x12", "3x3x12x20", "1x5x40x20", padded(1)), {{1, 5, 40, 12}, {3, 3, 12, 20}},
        {"map", "conv"});
  check(conv("2x6x12x12", "3x3x12x56", "2x6x12x56", padded(1)), {{2, 6, 12, 12}, {3, 3, 12, 56}},
        {"map", "conv"});
  check(conv("2x7x3x12", "3x3x12x24", "2x7x3x24", padded(1)), {{2, 7, 3, 12}, {3, 3, 12, 24}},
        {"map", "conv"});
  check(conv("1x4x17x8", "3x3x4x46", "1x4x17x46", padded(2)), {{1, 4, 17, 8}, {3, 3, 4, 46}},
        {"map", "conv"});
}

/// A convolution by Winograd's form, whose filter has to be constant: sines of what numbers its elements.
void checkWinograd(const std::string &in, const std::vector<int64_t> &inSizes, int64_t channels,
                   int64_t outputs, const std::string &out, const std::string &padding) {
  std::string elements = std::to_string(9 * channels * outputs);
  std::string filter = "3x3x" + std::to_string(channels) + "x" + std::to_string(outputs) + "xf32";
  std::string result = "tensor<" + out + "xf32>";
  check("func.func @main(%x: tensor<" + in + "xf32>) -> " + result + " {\n" +
            "%i = tenon.iota axis 0 : tensor<" + elements + "xf32>\n" + "%s = tenon.sin %i : tensor<" +
            elements + "xf32>\n" + "%w = tenon.reshape %s() : tensor<" + elements + "xf32> -> tensor<" +
            filter + ">\n" + "%p = tenon.conv %x, %w strides [1, 1] dilations [1, 1] " + padding +
            " input_dilations [1, 1] groups 1 : tensor<" + in + "xf32>, tensor<" + filter + "> -> " + result +
            "\n" + "%z = tenon.constant dense<0.0> : " + result + "\n%r = tenon.max %p, %z : " + result +
            "\nreturn %r : " + result + " }",
        {inSizes}, {"map", "contraction", "map", "winograd"});
}

TEST(Convolution, Winograd) {
  // Several blocks; tiles that stick out on every side; channels and outputs that fill no vector.
  checkWinograd("2x21x18x32", {2, 21, 18, 32}, 32, 32, "2x21x18x32", "low [1, 1] high [1, 1]");
  checkWinograd("1x16x16x40", {1, 16, 16, 40}, 40, 24, "1x14x14x24", "low [0, 0] high [0, 0]");
  checkWinograd("1x18x18x36", {1, 18, 18, 36}, 36, 52, "1x18x18x52", "low [1, 1] high [1, 1]");
  checkWinograd("1x24x15x36", {1, 24, 15, 36}, 36, 72, "1x25x15x72", "low [2, 0] high [1, 2]");
}

TEST(Convolution, WinogradOfBf16) {
  // Inputs and the filter are rounded, what is computed with them is not.
  check(R"(func.func @main(%x: tensor<1x32x32x64xf32>) -> tensor<1x32x32x64xf32> {
    %i = tenon.iota axis 0 : tensor<36864xf32>
    %seven = tenon.constant dense<7.0> : tensor<36864xf32>
    %three = tenon.constant dense<3.0> : tensor<36864xf32>
    %m = tenon.rem %i, %seven : tensor<36864xf32>
    %s = tenon.sub %m, %three : tensor<36864xf32>
    %f = tenon.reshape %s() : tensor<36864xf32> -> tensor<3x3x64x64xf32>
    %w = tenon.cast %f : tensor<3x3x64x64xf32> -> tensor<3x3x64x64xbf16>
    %b = tenon.cast %x : tensor<1x32x32x64xf32> -> tensor<1x32x32x64xbf16>
    %p = tenon.conv %b, %w strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 1 : tensor<1x32x32x64xbf16>, tensor<3x3x64x64xbf16> -> tensor<1x32x32x64xf32>
    return %p : tensor<1x32x32x64xf32> })",
        {{1, 32, 32, 64}}, {"map", "map", "contraction", "map", "winograd"});
}

TEST(Convolution, Transposed) {
  check(conv("1x5x6x8", "2x2x8x16", "1x10x12x16",
             "strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [2, 2] groups 1"),
        {{1, 5, 6, 8}, {2, 2, 8, 16}}, {"map", "conv"});
}

TEST(Convolution, PointIsContraction) {
  check(conv("1x6x7x20", "1x1x20x16", "1x6x7x16",
             "strides [1, 1] dilations [1, 1] low [0, 0] high [0, 0] input_dilations [1, 1] groups 1"),
        {{1, 6, 7, 20}, {1, 1, 20, 16}}, {"map", "contraction"});
}

TEST(Window, Depthwise) {
  check(conv("2x9x10x40", "3x3x1x40", "2x9x10x40",
             "strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 40"),
        {{2, 9, 10, 40}, {3, 3, 1, 40}}, {"window"});
  check(conv("1x13x13x20", "5x5x1x20", "1x7x7x20",
             "strides [2, 2] dilations [1, 1] low [2, 2] high [2, 2] input_dilations [1, 1] groups 20"),
        {{1, 13, 13, 20}, {5, 5, 1, 20}}, {"window"});
}

TEST(Window, ShortLines) {
  // Every tile has its own taps: one of seven, two that overlap, four, less than a tile, and lines that go
  // on.
  for (int64_t width : {1, 3, 5, 7, 11, 14, 28, 33}) {
    std::string w = std::to_string(width), half = std::to_string((width + 1) / 2);
    check(conv("1x6x" + w + "x48", "5x5x1x48", "1x6x" + w + "x48",
               "strides [1, 1] dilations [1, 1] low [2, 2] high [2, 2] input_dilations [1, 1] groups 48"),
          {{1, 6, width, 48}, {5, 5, 1, 48}}, {"window"});
    check(conv("1x6x" + w + "x20", "3x3x1x20", "1x3x" + half + "x20",
               "strides [2, 2] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 20"),
          {{1, 6, width, 20}, {3, 3, 1, 20}}, {"window"});
    check(conv("1x6x" + w + "x20", "3x3x1x20", "1x6x" + w + "x20",
               "strides [1, 1] dilations [1, 3] low [1, 3] high [1, 3] input_dilations [1, 1] groups 20"),
          {{1, 6, width, 20}, {3, 3, 1, 20}}, {"window"});
  }
}

/// Convolutions of ui8 by i8.
void checkIntegers(const std::string &in, const std::string &filter, const std::string &out,
                   const std::string &attributes, std::vector<std::vector<int64_t>> sizes,
                   const Families &expected) {
  std::string types = " : tensor<" + in + "xui8>, tensor<" + filter + "xi8> -> tensor<" + out + "xi32>";
  ValueRange values;
  values.leastInteger = -128;
  values.mostInteger = 127;
  check("func.func @main(%x: tensor<" + in + "xui8>, %w: tensor<" + filter + "xi8>) -> tensor<" + out +
            "xi32> {\n %p = tenon.conv %x, %w " + attributes + types + "\n return %p : tensor<" + out +
            "xi32> }",
        std::move(sizes), expected, 0, values);
}

TEST(IntegerConvolution, PaddingIsTheZeroPoint) {
  const char *padded = "strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] ";
  std::string zeroPoint = " pad_value 131";
  // A line is a tile; lines of several tiles; positions; few channels.
  checkIntegers("2x9x7x16", "3x3x16x24", "2x9x7x24", padded + ("groups 1" + zeroPoint),
                {{2, 9, 7, 16}, {3, 3, 16, 24}}, {"map", "conv"});
  checkIntegers("1x5x48x16", "3x3x16x24", "1x5x48x24", padded + ("groups 1" + zeroPoint),
                {{1, 5, 48, 16}, {3, 3, 16, 24}}, {"map", "conv"});
  checkIntegers("2x9x11x16", "3x3x8x40", "2x9x11x40", padded + ("groups 2" + zeroPoint),
                {{2, 9, 11, 16}, {3, 3, 8, 40}}, {"map", "conv"});
  checkIntegers("1x9x11x3", "3x3x3x16", "1x9x11x16", padded + ("groups 1" + zeroPoint),
                {{1, 9, 11, 3}, {3, 3, 3, 16}}, {"map", "map", "conv"});
  checkIntegers("1x9x11x16", "3x3x16x24", "1x5x6x24",
                "strides [2, 2] dilations [2, 2] low [2, 2] high [2, 2] input_dilations [1, 1] groups 1" +
                    zeroPoint,
                {{1, 9, 11, 16}, {3, 3, 16, 24}}, {"map", "conv"});
}

TEST(IntegerConvolution, HolesAreTheZeroPoint) {
  checkIntegers(
      "1x5x6x8", "2x2x8x16", "1x10x12x16",
      "strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [2, 2] groups 1 pad_value 9",
      {{1, 5, 6, 8}, {2, 2, 8, 16}}, {"map", "conv"});
}

TEST(IntegerConvolution, DepthwisePaddingIsTheZeroPoint) {
  checkIntegers(
      "2x9x10x40", "3x3x1x40", "2x9x10x40",
      "strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] input_dilations [1, 1] groups 40 pad_value 77",
      {{2, 9, 10, 40}, {3, 3, 1, 40}}, {"window"});
  checkIntegers(
      "1x13x13x20", "7x7x1x20", "1x7x7x20",
      "strides [2, 2] dilations [1, 1] low [3, 3] high [3, 3] input_dilations [1, 1] groups 20 pad_value 77",
      {{1, 13, 13, 20}, {7, 7, 1, 20}}, {"window"});
}

const char *maxPool = R"(func.func @main(%x: tensor<1x9x9x24xf32>) -> tensor<1x5x5x24xf32> {
    %0 = tenon.reduce_window max %x window [1, 3, 3, 1] strides [1, 2, 2, 1] dilations [1, 1, 1, 1] low [0, 1, 1, 0] high [0, 1, 1, 0] : tensor<1x9x9x24xf32> -> tensor<1x5x5x24xf32>
    return %0 : tensor<1x5x5x24xf32> })";

TEST(Window, MaxPool) { check(maxPool, {{1, 9, 9, 24}}, {"window"}); }

TEST(Window, MaxPoolOfNegatives) {
  ValueRange values;
  values.most = -0.5;
  check(maxPool, {{1, 9, 9, 24}}, {"window"}, 1e-5, values);
}

std::string attention(int64_t heads, int64_t width, const std::string &attributes) {
  std::string h = std::to_string(heads), d = std::to_string(width), hd = std::to_string(heads * width);
  std::string flat = "tensor<?x?x" + hd + "xf32>", split = "tensor<?x?x" + h + "x" + d + "xf32>",
              head = "tensor<?x" + h + "x?x" + d + "xf32>";
  std::string dims = " {tenon.dims = [\"b\", \"s\", " + hd + "]}";
  std::string text = "func.func @main(%q: " + flat + dims + ", %k: " + flat + dims + ", %v: " + flat + dims +
                     ", %m: tensor<?x1x1x?xf32> {tenon.dims = [\"b\", 1, 1, \"s\"]}) -> " + flat + R"( {
    %b = tenon.symbol "b" min 1 multiple_of 1 likely []
    %s = tenon.symbol "s" min 1 multiple_of 1 likely []
)";
  llvm::raw_string_ostream out(text);
  for (const char *n : {"q", "k", "v"}) {
    out << "    %" << n << "s = tenon.reshape %" << n << " (%b, %s) : " << flat << " -> " << split << "\n";
    out << "    %" << n << "t = tenon.transpose %" << n << "s [0, 2, 1, 3] : " << split << " -> " << head
        << "\n";
  }
  return text + "    %a = tenon.attention %qt, %kt, %vt mask(%m : tensor<?x1x1x?xf32>) " + attributes +
         " : " + head + ", " + head + ", " + head + " -> " + head +
         "\n    %t = tenon.transpose %a [0, 2, 1, 3] : " + head + " -> " + split +
         "\n    %y = tenon.reshape %t (%b, %s) : " + split + " -> " + flat + "\n    return %y : " + flat +
         " }";
}

TEST(Attention, HeadsInPlace) {
  for (int64_t s : {1, 5, 16, 77})
    check(attention(3, 32, "{scale = 0.0 : f64}"), {{2, s, 96}, {2, s, 96}, {2, s, 96}, {2, 1, 1, s}},
          {"attention"});
  check(attention(2, 20, "{scale = 0.5 : f64, causal}"),
        {{2, 19, 40}, {2, 19, 40}, {2, 19, 40}, {2, 1, 1, 19}}, {"attention"});
}

TEST(Attention, LargeScores) {
  // Exponentials of the scores themselves would overflow.
  ValueRange values;
  values.deviation = 12;
  check(attention(1, 16, "{scale = 1.0 : f64}"), {{1, 9, 16}, {1, 9, 16}, {1, 9, 16}, {1, 1, 1, 9}},
        {"attention"}, 1e-5, values);
}

TEST(Attention, PairsOfBf16) {
  // Odd numbers of keys; a bf16 rounds by less than 2^-8 of a number.
  constexpr double tolerance = 2e-2;
  for (int64_t s : {1, 2, 5, 77})
    check(attention(3, 32, "{scale = 0.0 : f64, tenon.bf16_products}"),
          {{2, s, 96}, {2, s, 96}, {2, s, 96}, {2, 1, 1, s}}, {"attention"}, tolerance);
  check(attention(2, 48, "{scale = 0.1 : f64, causal, tenon.bf16_products}"),
        {{2, 19, 96}, {2, 19, 96}, {2, 19, 96}, {2, 1, 1, 19}}, {"attention"}, tolerance);
  // A width of no whole vectors stays in f32.
  check(attention(2, 20, "{scale = 0.5 : f64, tenon.bf16_products}"),
        {{2, 19, 40}, {2, 19, 40}, {2, 19, 40}, {2, 1, 1, 19}}, {"attention"});
}

TEST(Attention, GroupsOfHeads) {
  check(
      R"(func.func @main(%q: tensor<1x6x9x20xf32>, %k: tensor<1x2x9x20xf32>, %v: tensor<1x2x9x20xf32>) -> tensor<1x6x9x20xf32> {
    %0 = tenon.attention %q, %k, %v {scale = 0.0 : f64} : tensor<1x6x9x20xf32>, tensor<1x2x9x20xf32>, tensor<1x2x9x20xf32> -> tensor<1x6x9x20xf32>
    return %0 : tensor<1x6x9x20xf32> })",
      {{1, 6, 9, 20}, {1, 2, 9, 20}, {1, 2, 9, 20}}, {"attention"});
}

TEST(Indexed, EveryOperation) {
  check(R"(func.func @main(%x: tensor<3x17x2xf32>) -> tensor<3x1x2xi64> {
    %0 = tenon.arg_reduce max %x axis 1 : tensor<3x17x2xf32> -> tensor<3x1x2xi64>
    return %0 : tensor<3x1x2xi64> })",
        {{3, 17, 2}}, {"indexed"});
  check(R"(func.func @main(%x: tensor<3x17xi64>) -> tensor<3x1xi64> {
    %0 = tenon.arg_reduce min %x axis 1 last : tensor<3x17xi64> -> tensor<3x1xi64>
    return %0 : tensor<3x1xi64> })",
        {{3, 17}}, {"indexed"});
  check(R"(func.func @main(%x: tensor<3x17x2xf32>) -> tensor<3x17x2xf32> {
    %0 = tenon.scan sum %x axis 1 exclusive reverse : tensor<3x17x2xf32>
    return %0 : tensor<3x17x2xf32> })",
        {{3, 17, 2}}, {"indexed"});
  check(R"(func.func @main(%x: tensor<3x17xi64>) -> (tensor<3x5xi64>, tensor<3x5xi64>) {
    %0, %1 = tenon.top_k %x () axis 1 : tensor<3x17xi64> -> tensor<3x5xi64>, tensor<3x5xi64>
    return %0, %1 : tensor<3x5xi64>, tensor<3x5xi64> })",
        {{3, 17}}, {"indexed"});
  check(
      R"(func.func @main(%x: tensor<2x10xf32>, %i: tensor<2x3xi64>, %u: tensor<2x3xf32>) -> tensor<2x10xf32> {
    %0 = tenon.scatter_elements add %x, %i, %u axis 1 : tensor<2x10xf32>, tensor<2x3xi64>, tensor<2x3xf32>
    return %0 : tensor<2x10xf32> })",
      {{2, 10}, {2, 3}, {2, 3}}, {"indexed"});
  check(
      R"(func.func @main(%x: tensor<10x4xf32>, %i: tensor<3x1xi64>, %u: tensor<3x4xf32>) -> tensor<10x4xf32> {
    %0 = tenon.scatter_nd none %x, %i, %u : tensor<10x4xf32>, tensor<3x1xi64>, tensor<3x4xf32>
    return %0 : tensor<10x4xf32> })",
      {{10, 4}, {3, 1}, {3, 4}}, {"indexed"});
}

} // namespace
