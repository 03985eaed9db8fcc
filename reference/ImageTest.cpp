//===- ImageTest.cpp - pooling and resizing against direct computation ---===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "reference/ReferenceTest.h"
#include <cmath>

using namespace tenon::reference;

namespace {

class ImageTest : public ReferenceTest {
protected:
  /// Pools a 1-D image of one channel, whose size is dynamic.
  Tensor pool(const std::string &op, const std::string &geometry, const std::string &attributes,
              llvm::ArrayRef<double> x) {
    const std::string t = "tensor<1x?x1xf32>";
    return value("%x: " + t, "tenon." + op + " %x " + geometry + " " + attributes + " : " + t + " -> " + t, t,
                 {f32({1, static_cast<int64_t>(x.size()), 1}, x)});
  }

  Tensor resize(const std::string &mode, const std::string &attributes, llvm::ArrayRef<double> x,
                int64_t size) {
    const std::string t = "tensor<1x?x1xf32>";
    return value("%x: " + t + ", %n: index",
                 "tenon.resize " + mode + " %x (%n) axes [1] {cubic_coefficient = -0.75 : f64, " +
                     attributes + "} : " + t + " -> " + t,
                 t, {f32({1, static_cast<int64_t>(x.size()), 1}, x), Tensor::index(size)});
  }
};

const char *const kGeometry = "window [3] strides [2] dilations [1] low [1] high [1]";

TEST_F(ImageTest, MaxPool) {
  expectFloats(pool("max_pool", kGeometry, "", {-5, -2, -3, -4, -6}), {1, 3, 1}, {-2, -2, -4});
  expectFloats(
      pool("max_pool", "window [2] strides [2] dilations [1] low [0] high [0]", "{ceil_mode}", {1, 2, 3}),
      {1, 2, 1}, {2, 3});
  expectFloats(pool("max_pool", "window [2] strides [1] dilations [2] low [0] high [0]", "", {1, 5, 2, 3}),
               {1, 2, 1}, {2, 5});
}

TEST_F(ImageTest, AveragePool) {
  expectFloats(pool("avg_pool", kGeometry, "", {3, 6, 9, 12, 15}), {1, 3, 1}, {4.5, 9, 13.5}, 1e-6);
  expectFloats(pool("avg_pool", kGeometry, "{include_pad}", {3, 6, 9, 12, 15}), {1, 3, 1}, {3, 9, 9}, 1e-6);
  // ceil_mode: the last window hangs over the end; what is beyond the padding never counts.
  expectFloats(
      pool("avg_pool", "window [3] strides [2] dilations [1] low [0] high [0]", "{ceil_mode}", {1, 2, 3, 4}),
      {1, 2, 1}, {2, 3.5}, 1e-6);
}

TEST_F(ImageTest, ResizeNearest) {
  const std::string asymmetricFloor = "coordinates = 3 : i32, rounding = 2 : i32, scales = array<f64: 2.0>";
  expectFloats(resize("nearest", asymmetricFloor, {1, 2}, 4), {1, 4, 1}, {1, 1, 2, 2});
  // half_pixel, round_prefer_floor: (i + 0.5) * 4 / 3 - 0.5 = 0.17, 1.5, 2.83
  const std::string halfPixel = "coordinates = 0 : i32, rounding = 0 : i32, scales = array<f64: 0.0>";
  expectFloats(resize("nearest", halfPixel, {1, 2, 3, 4}, 3), {1, 3, 1}, {1, 2, 4});
}

TEST_F(ImageTest, ResizeLinear) {
  // half_pixel: (i + 0.5) / 2 - 0.5 = -0.25, 0.25, 0.75, 1.25, clamped at the ends
  const std::string halfPixel = "coordinates = 0 : i32, rounding = 0 : i32, scales = array<f64: 2.0>";
  expectFloats(resize("linear", halfPixel, {1, 2}, 4), {1, 4, 1}, {1, 1.25, 1.75, 2}, 1e-6);
  const std::string alignCorners = "coordinates = 2 : i32, rounding = 0 : i32, scales = array<f64: 0.0>";
  expectFloats(resize("linear", alignCorners, {0, 3, 6}, 5), {1, 5, 1}, {0, 1.5, 3, 4.5, 6}, 1e-6);
  // pytorch_half_pixel puts a single output at coordinate 0.
  const std::string pytorch = "coordinates = 1 : i32, rounding = 0 : i32, scales = array<f64: 0.0>";
  expectFloats(resize("linear", pytorch, {5, 7, 9}, 1), {1, 1, 1}, {5}, 1e-6);
}

TEST_F(ImageTest, ResizeCubic) {
  // Keys' kernel, a = -0.75, at the distances 1.25, 0.25, 0.75, 1.75 (half_pixel, upsampling by two).
  auto kernel = [](double d) {
    constexpr double a = -0.75;
    return d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  };
  std::vector<double> x = {1, 4, 2, 8}, expected;
  for (int i = 0; i < 8; ++i) {
    double at = (i + 0.5) / 2 - 0.5, sum = 0;
    int first = static_cast<int>(std::floor(at)) - 1;
    for (int tap = first; tap < first + 4; ++tap)
      sum += kernel(std::fabs(at - tap)) * x[std::min(3, std::max(0, tap))];
    expected.push_back(sum);
  }
  expectFloats(resize("cubic", "coordinates = 0 : i32, rounding = 0 : i32, scales = array<f64: 2.0>", x, 8),
               {1, 8, 1}, expected, 1e-5);
}

TEST_F(ImageTest, ResizeTwoAxes) {
  expectFloats(
      value("%x: tensor<1x?x?x1xf32>, %h: index, %w: index",
            "tenon.resize nearest %x (%h, %w) axes [1, 2] {coordinates = 3 : i32, rounding = 2 : i32, "
            "scales = array<f64: 2.0, 1.5>, cubic_coefficient = -0.75 : f64} : tensor<1x?x?x1xf32> -> "
            "tensor<1x?x?x1xf32>",
            "tensor<1x?x?x1xf32>", {counting({1, 2, 2, 1}), Tensor::index(4), Tensor::index(3)}),
      {1, 4, 3, 1}, {0, 0, 1, 0, 0, 1, 2, 2, 3, 2, 2, 3});
}

} // namespace
