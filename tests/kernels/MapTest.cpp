//===- MapTest.cpp - elementwise operations and movements against the interpreter
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "tests/kernels/FamiliesCheck.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using tenon::cpu::test::check;
using tenon::cpu::test::numbered;
using tenon::test::ValueRange;

namespace {

TEST(Map, ElementwiseChainIsOneKernel) {
  check(R"(func.func @main(%a: tensor<5x37xf32>, %b: tensor<5x37xf32>) -> tensor<5x37xf32> {
    %0 = tenon.add %a, %b : tensor<5x37xf32>
    %1 = tenon.exp %0 : tensor<5x37xf32>
    %2 = tenon.mul %1, %a : tensor<5x37xf32>
    return %2 : tensor<5x37xf32> })",
        {{5, 37}, {5, 37}}, {"map"});
}

TEST(Map, DynamicSizes) {
  std::string f =
      R"(func.func @main(%a: tensor<?x?xf32> {tenon.dims = ["b", "n"]}, %w: tensor<1x?xf32> {tenon.dims = [1, "n"]}) -> tensor<?x?xf32> {
    %b = tenon.symbol "b" min 1 multiple_of 1 likely []
    %n = tenon.symbol "n" min 1 multiple_of 1 likely []
    %0 = tenon.broadcast %w (%b, %n) : tensor<1x?xf32> -> tensor<?x?xf32>
    %1 = tenon.mul %a, %0 : tensor<?x?xf32>
    return %1 : tensor<?x?xf32> })";
  for (int64_t n : {1, 7, 16, 65, 1500})
    check(f, {{3, n}, {1, n}}, {"map"});
}

TEST(Map, RowsOfUnrelatedSizes) {
  // That m is a times b is known to none but the caller.
  check(
      R"(func.func @main(%x: tensor<?x24xf32> {tenon.dims = ["m", 24]}, %s: tensor<?x1xf32> {tenon.dims = ["m", 1]}, %like: tensor<?x?xf32> {tenon.dims = ["a", "b"]}) -> tensor<?x?x24xf32> {
    %m = tenon.symbol "m" min 1 multiple_of 1 likely []
    %a = tenon.symbol "a" min 1 multiple_of 1 likely []
    %b = tenon.symbol "b" min 1 multiple_of 1 likely []
    %sb = tenon.broadcast %s (%m) : tensor<?x1xf32> -> tensor<?x24xf32>
    %d = tenon.div %x, %sb : tensor<?x24xf32>
    %r = tenon.reshape %d(%a, %b) : tensor<?x24xf32> -> tensor<?x?x24xf32>
    return %r : tensor<?x?x24xf32> })",
      {{15, 24}, {15, 1}, {3, 5}}, {"map"});
}

TEST(Map, Movement) {
  check(R"(func.func @main(%a: tensor<2x3x20xf32>) -> tensor<20x2x3xf32> {
    %0 = tenon.transpose %a [2, 0, 1] : tensor<2x3x20xf32> -> tensor<20x2x3xf32>
    return %0 : tensor<20x2x3xf32> })",
        {{2, 3, 20}}, {"map"});
  check(R"(func.func @main(%a: tensor<4x18xf32>, %b: tensor<4x5xf32>) -> tensor<4x23xf32> {
    %0 = tenon.concat %a, %b axis 1 : (tensor<4x18xf32>, tensor<4x5xf32>) -> tensor<4x23xf32>
    return %0 : tensor<4x23xf32> })",
        {{4, 18}, {4, 5}}, {"map"});
  check(R"(func.func @main(%a: tensor<4x18xf32>, %b: tensor<3x18xf32>) -> tensor<7x18xf32> {
    %0 = tenon.concat %a, %b axis 0 : (tensor<4x18xf32>, tensor<3x18xf32>) -> tensor<7x18xf32>
    return %0 : tensor<7x18xf32> })",
        {{4, 18}, {3, 18}}, {"map"});
  check(R"(func.func @main(%a: tensor<4x18xf32>) -> tensor<6x21xf32> {
    %v = tenon.constant dense<2.5> : tensor<f32>
    %0 = tenon.pad %a, %v low() [1, 3] high() [1, 0] : tensor<4x18xf32>, tensor<f32> -> tensor<6x21xf32>
    return %0 : tensor<6x21xf32> })",
        {{4, 18}}, {"map"});
  check(R"(func.func @main(%a: tensor<9x40xf32>) -> tensor<3x13xf32> {
    %0 = tenon.slice %a offsets() [1, 39] sizes() strides [3, -3] : tensor<9x40xf32> -> tensor<3x13xf32>
    return %0 : tensor<3x13xf32> })",
        {{9, 40}}, {"map"});
}

TEST(Map, PixelShuffle) {
  // Lines of 2 x 37 and 2 x 64 pixels; of one channel, two and three.
  const char *shuffle = R"(func.func @main(%x: tensor<1x3x$x2x2x&xf32>) -> tensor<1x6x!x&xf32> {
    %t = tenon.transpose %x [0, 1, 3, 2, 4, 5] : tensor<1x3x$x2x2x&xf32> -> tensor<1x3x2x$x2x&xf32>
    %r = tenon.reshape %t : tensor<1x3x2x$x2x&xf32> -> tensor<1x6x!x&xf32>
    %n = tenon.neg %r : tensor<1x6x!x&xf32>
    return %n : tensor<1x6x!x&xf32> })";
  for (int64_t width : {37, 64})
    for (int64_t channels : {1, 2, 3}) {
      std::string text = numbered(shuffle, '$', width);
      text = numbered(text, '&', channels);
      check(numbered(text, '!', 2 * width), {{1, 3, width, 2, 2, channels}}, {"map"});
    }
}

TEST(Map, TurnedMatrices) {
  // Whole tiles, remainders along either side, several blocks, less than a tile.
  const char *turn = R"(func.func @main(%x: tensor<2x$x&xf32>, %b: tensor<1x1x$xf32>) -> tensor<2x&x$xf32> {
    %e = tenon.exp %x : tensor<2x$x&xf32>
    %t = tenon.transpose %e [0, 2, 1] : tensor<2x$x&xf32> -> tensor<2x&x$xf32>
    %bb = tenon.broadcast %b : tensor<1x1x$xf32> -> tensor<2x&x$xf32>
    %y = tenon.add %t, %bb : tensor<2x&x$xf32>
    return %y : tensor<2x&x$xf32> })";
  for (auto [rows, columns] : {std::pair<int64_t, int64_t>{64, 32}, {17, 50}, {200, 131}, {5, 300}, {6, 7}})
    check(numbered(numbered(turn, '$', rows), '&', columns), {{2, rows, columns}, {1, 1, rows}}, {"map"});
  const char *dynamic =
      R"(func.func @main(%x: tensor<?x?x?xf32> {tenon.dims = ["a", "b", "c"]}) -> tensor<?x?x?xf32> {
    %0 = tenon.transpose %x [2, 0, 1] : tensor<?x?x?xf32> -> tensor<?x?x?xf32>
    return %0 : tensor<?x?x?xf32> })";
  for (auto [rows, columns] : {std::pair<int64_t, int64_t>{33, 70}, {3, 100}, {100, 3}, {16, 16}})
    check(dynamic, {{2, rows, columns}}, {"map"});
  // Added to what lies as the result does: nothing is turned.
  check(R"(func.func @main(%x: tensor<40x50xf32>, %y: tensor<50x40xf32>) -> tensor<50x40xf32> {
    %t = tenon.transpose %x [1, 0] : tensor<40x50xf32> -> tensor<50x40xf32>
    %0 = tenon.add %t, %y : tensor<50x40xf32>
    return %0 : tensor<50x40xf32> })",
        {{40, 50}, {50, 40}}, {"map"});
}

TEST(Map, TurnedChain) {
  // Each step reads the one before twice: going back along every way would never end.
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << "func.func @main(%x: tensor<20x30xf32>) -> tensor<30x20xf32> {\n"
            "%a0 = tenon.transpose %x [1, 0] : tensor<20x30xf32> -> tensor<30x20xf32>\n";
  constexpr int steps = 60;
  for (int i = 0; i < steps; ++i)
    stream << llvm::formatv("%n{0} = tenon.neg %a{0} : tensor<30x20xf32>\n"
                            "%a{1} = tenon.max %a{0}, %n{0} : tensor<30x20xf32>\n",
                            i, i + 1);
  stream << "return %a" << steps << " : tensor<30x20xf32> }";
  check(text, {{20, 30}}, {"map"});
}

TEST(Map, TurnedGroups) {
  // Groups of bytes, as products of bytes read their right operand, and pairs of floats.
  const char *bytes = R"(func.func @main(%x: tensor<32x3x$xui8>) -> tensor<3x2x&x16x4xui8> {
    %r = tenon.reshape %x : tensor<32x3x$xui8> -> tensor<2x16x3x&x4xui8>
    %t = tenon.transpose %r [2, 0, 3, 1, 4] : tensor<2x16x3x&x4xui8> -> tensor<3x2x&x16x4xui8>
    return %t : tensor<3x2x&x16x4xui8> })";
  for (int64_t groups : {8, 9, 16, 4})
    check(numbered(numbered(bytes, '$', groups * 4), '&', groups), {{32, 3, groups * 4}}, {"map"});
  check(R"(func.func @main(%x: tensor<24x80x2xf32>) -> tensor<80x24x2xf32> {
    %t = tenon.transpose %x [1, 0, 2] : tensor<24x80x2xf32> -> tensor<80x24x2xf32>
    return %t : tensor<80x24x2xf32> })",
        {{24, 80, 2}}, {"map"});
}

TEST(Map, StridedAndReversed) {
  for (int64_t stride : {2, 3, 4, 5}) {
    const char *slice = R"(func.func @main(%x: tensor<3x200xf32>) -> tensor<3x40xf32> {
    %0 = tenon.slice %x offsets() [0, 0] sizes() strides [1, $] : tensor<3x200xf32> -> tensor<3x40xf32>
    return %0 : tensor<3x40xf32> })";
    check(numbered(slice, '$', stride), {{3, 200}}, {"map"});
    const char *reversed = R"(func.func @main(%x: tensor<3x200xf32>) -> tensor<3x40xf32> {
    %0 = tenon.slice %x offsets() [0, 199] sizes() strides [1, -$] : tensor<3x200xf32> -> tensor<3x40xf32>
    return %0 : tensor<3x40xf32> })";
    check(numbered(reversed, '$', stride), {{3, 200}}, {"map"});
  }
}

TEST(Map, PiecesOfAConcatenation) {
  // Of 24, 8, 4 and 40 elements; more of them than vectors are wide, and not in order of size.
  check(
      R"(func.func @main(%a: tensor<9x24xf32>, %b: tensor<9x8xf32>, %c: tensor<1x4xf32>, %d: tensor<9x40xf32>) -> tensor<9x76xf32> {
    %e = tenon.broadcast %c : tensor<1x4xf32> -> tensor<9x4xf32>
    %f = tenon.mul %a, %a : tensor<9x24xf32>
    %0 = tenon.concat %f, %b, %e, %d axis 1 : (tensor<9x24xf32>, tensor<9x8xf32>, tensor<9x4xf32>, tensor<9x40xf32>) -> tensor<9x76xf32>
    %1 = tenon.abs %0 : tensor<9x76xf32>
    return %1 : tensor<9x76xf32> })",
      {{9, 24}, {9, 8}, {1, 4}, {9, 40}}, {"map"});
  // The concatenation is read somewhere else than it is written.
  check(R"(func.func @main(%a: tensor<4x8x8xf32>, %b: tensor<4x8x16xf32>) -> tensor<8x4x24xf32> {
    %0 = tenon.concat %a, %b axis 2 : (tensor<4x8x8xf32>, tensor<4x8x16xf32>) -> tensor<4x8x24xf32>
    %1 = tenon.transpose %0 [1, 0, 2] : tensor<4x8x24xf32> -> tensor<8x4x24xf32>
    return %1 : tensor<8x4x24xf32> })",
        {{4, 8, 8}, {4, 8, 16}}, {"map"});
}

TEST(Map, Gather) {
  check(R"(func.func @main(%a: tensor<10x33xf32>, %i: tensor<2x3xi64>) -> tensor<2x3x33xf32> {
    %0 = tenon.gather %a, %i axis 0 batch 0 : tensor<10x33xf32>, tensor<2x3xi64> -> tensor<2x3x33xf32>
    return %0 : tensor<2x3x33xf32> })",
        {{10, 33}, {2, 3}}, {"map"});
}

TEST(Map, GatherFromTheEnd) {
  ValueRange values;
  values.leastInteger = -10;
  check(R"(func.func @main(%a: tensor<10x33xf32>, %i: tensor<3x4xi64>) -> tensor<3x4x33xf32> {
    %0 = tenon.gather %a, %i axis 0 batch 0 : tensor<10x33xf32>, tensor<3x4xi64> -> tensor<3x4x33xf32>
    return %0 : tensor<3x4x33xf32> })",
        {{10, 33}, {3, 4}}, {"map"}, 1e-5, values);
}

TEST(Map, SelectAndCompare) {
  check(
      R"(func.func @main(%a: tensor<50xi64>, %b: tensor<50xi64>, %x: tensor<50xf32>, %y: tensor<50xf32>) -> tensor<50xf32> {
    %0 = tenon.cmp lt %a, %b : tensor<50xi64> -> tensor<50xi1>
    %1 = tenon.select %0, %x, %y : tensor<50xi1>, tensor<50xf32>
    return %1 : tensor<50xf32> })",
      {{50}, {50}, {50}, {50}}, {"map"});
}

TEST(Map, RowsInBlocks) {
  check(R"(func.func @main(%a: tensor<2x2500xf32>) -> tensor<2x2500xf32> {
    %0 = tenon.neg %a : tensor<2x2500xf32>
    return %0 : tensor<2x2500xf32> })",
        {{2, 2500}}, {"map"});
}

TEST(Map, IntegersAndBooleans) {
  check(R"(func.func @main(%a: tensor<50xi64>, %b: tensor<50xi64>) -> tensor<50xf32> {
    %0 = tenon.div %a, %b : tensor<50xi64>
    %1 = tenon.cmp lt %0, %b : tensor<50xi64> -> tensor<50xi1>
    %2 = tenon.cast %1 : tensor<50xi1> -> tensor<50xf32>
    return %2 : tensor<50xf32> })",
        {{50}, {50}}, {"map"});
}

} // namespace
