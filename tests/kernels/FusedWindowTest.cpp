//===- FusedWindowTest.cpp - windows that compute the product they read, against the interpreter
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "tests/kernels/KernelFamiliesHarness.h"

#include <gtest/gtest.h>

using tenon::cpu::test::compareWithReference;

namespace {

using Families = std::vector<std::string>;

struct Window {
  int64_t size = 3, stride = 1, dilation = 1, low = 1, high = 1;
};

/// A 1x1 convolution of `depth` channels into `channels` with a residual and an activation, and a depthwise
/// convolution with an activation behind it. Images have any size, or the one that is given.
std::string invertedResidual(int64_t depth, int64_t channels, const Window &w,
                             std::vector<int64_t> image = {}) {
  std::string k = std::to_string(depth), c = std::to_string(channels), sizes, names, symbols;
  for (size_t i = 0; i < 3; ++i) {
    std::string size = image.empty() ? "?" : std::to_string(image[i]);
    sizes.append(size).append("x");
    if (!image.empty()) {
      names.append(size).append(", ");
      continue;
    }
    const char *name[] = {"n", "h", "w"};
    names.append("\"").append(name[i]).append("\", ");
    symbols.append("%").append(name[i]).append(" = tenon.symbol \"").append(name[i]);
    symbols.append("\" min 1 multiple_of 1 likely []\n");
  }
  auto out = [&](size_t axis) {
    int64_t span = (w.size - 1) * w.dilation + 1;
    return std::to_string((image[axis] + w.low + w.high - span) / w.stride + 1);
  };
  std::string outSizes =
      image.empty() ? "?x?x?x" : std::to_string(image[0]) + "x" + out(1) + "x" + out(2) + "x";
  std::string in = "tensor<" + sizes + k + "xf32>", wide = "tensor<" + sizes + c + "xf32>",
              result = "tensor<" + outSizes + c + "xf32>", matrix = "tensor<" + k + "x" + c + "xf32>",
              filter =
                  "tensor<" + std::to_string(w.size) + "x" + std::to_string(w.size) + "x1x" + c + "xf32>";
  auto pair = [](int64_t v) { return " [" + std::to_string(v) + ", " + std::to_string(v) + "] "; };
  return "func.func @main(%x: " + in + " {tenon.dims = [" + names + k + "]}, %m: " + matrix +
         ", %r: " + wide + " {tenon.dims = [" + names + c + "]}, %f: " + filter + ") -> " + result + " {\n" +
         symbols + "%0 = tenon.contract %x, %m : " + in + ", " + matrix + " -> " + wide +
         "\n%1 = tenon.add %0, %r : " + wide + "\n%2 = tenon.tanh %1 : " + wide +
         "\n%3 = tenon.conv %2, %f strides" + pair(w.stride) + "dilations" + pair(w.dilation) + "low" +
         pair(w.low) + "high" + pair(w.high) + "input_dilations [1, 1] groups " + c + " : " + wide + ", " +
         filter + " -> " + result + "\n%4 = tenon.tanh %3 : " + result + "\nreturn %4 : " + result + " }";
}

void check(int64_t depth, int64_t channels, const Window &w, std::vector<int64_t> image,
           const Families &expected, bool known = false) {
  auto with = [&](int64_t c) {
    std::vector<int64_t> dims(image);
    dims.push_back(c);
    return dims;
  };
  Families families;
  EXPECT_EQ(
      compareWithReference({invertedResidual(depth, channels, w, known ? image : std::vector<int64_t>{}),
                            {with(depth), {depth, channels}, with(channels), {w.size, w.size, 1, channels}},
                            1e-5,
                            {}},
                           &families),
      "")
      << depth << " to " << channels << " channels, window " << w.size << " stride " << w.stride;
  EXPECT_EQ(families, expected);
}

Families fused() { return {"map", "window"}; }

// One panel, two, three in one block; two blocks; a last block of three panels, the last with few channels.
TEST(FusedWindow, BlocksOfChannels) {
  for (int64_t channels : {16, 32, 48, 64, 72, 80, 100, 128})
    check(16, channels, {}, {1, 19, 21}, fused());
}

TEST(FusedWindow, FewChannelsOfAPanel) {
  for (int64_t channels : {5, 12, 20, 24, 40})
    check(12, channels, {}, {1, 11, 9}, fused());
}

TEST(FusedWindow, StridesAndDilations) {
  check(24, 40, {5, 2, 1, 2, 2}, {2, 17, 23}, fused());
  check(8, 32, {3, 1, 2, 2, 2}, {2, 9, 10}, fused());
  check(8, 32, {3, 3, 1, 0, 0}, {1, 17, 16}, fused());
  check(8, 32, {2, 4, 1, 0, 1}, {1, 18, 17}, fused()); // lines between windows are never read
}

// The window is larger than the image, or lies outside of it; lines are shorter than a tile.
TEST(FusedWindow, SmallImages) {
  for (const std::vector<int64_t> &image : {std::vector<int64_t>{1, 1, 1}, {3, 2, 3}, {2, 1, 7}, {2, 6, 2}})
    check(16, 48, {5, 1, 1, 3, 3}, image, fused());
}

TEST(FusedWindow, ImagesFollowEachOther) { check(16, 80, {3, 2, 1, 1, 1}, {5, 10, 12}, fused()); }

TEST(FusedWindow, OfKnownSize) { check(16, 72, {3, 2, 1, 1, 1}, {1, 52, 59}, fused(), true); }

Families apart() { return {"map", "contraction", "window"}; }

// What stays in the second cache is stored; so are images of many channels and of deep products.
TEST(FusedWindow, NotWhereItDoesNotPay) {
  check(16, 32, {}, {1, 14, 14}, apart(), true);
  check(16, 32, {}, {1, 24, 300}, apart(), true);
  check(16, 144, {}, {1, 5, 6}, apart());
  check(72, 32, {}, {1, 5, 6}, apart());
  check(16, 32, {9, 1, 1, 4, 4}, {1, 12, 12}, apart());
}

} // namespace
