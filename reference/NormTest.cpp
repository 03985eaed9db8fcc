//===- NormTest.cpp - softmax and norms against direct computation -------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "reference/ReferenceTest.h"
#include <cmath>

using namespace tenon::reference;

namespace {

struct Moments {
  double mean = 0, variance = 0, square = 0;
};

Moments momentsOf(llvm::ArrayRef<double> x) {
  Moments m;
  for (double v : x) {
    m.mean += v / x.size();
    m.square += v * v / x.size();
  }
  for (double v : x)
    m.variance += (v - m.mean) * (v - m.mean) / x.size();
  return m;
}

class NormTest : public ReferenceTest {
protected:
  const std::vector<double> x = {1, 2, 4, -1, 0.5, 3, -2, 5};
};

TEST_F(NormTest, Softmax) {
  auto softmax = [&](const std::string &op, int64_t axis, const Tensor &input) {
    const std::string t = "tensor<?x2xf32>";
    return value("%x: " + t, "tenon." + op + " %x axis " + std::to_string(axis) + " : " + t, t, {input});
  };
  double p = 1 / (1 + std::exp(1.0));
  expectFloats(softmax("softmax", 1, f32({2, 2}, {1, 2, 1000, 999})), {2, 2}, {p, 1 - p, 1 - p, p}, 1e-6);
  expectFloats(softmax("softmax", 0, f32({2, 2}, {1, 5, 2, 4})), {2, 2}, {p, 1 - p, 1 - p, p}, 1e-6);
  expectFloats(softmax("log_softmax", 1, f32({1, 2}, {0, 1000})), {1, 2}, {-1000, 0}, 1e-6);
  expectFloats(softmax("log_softmax", 1, f32({1, 2}, {1, 2})), {1, 2}, {std::log(p), std::log(1 - p)}, 1e-6);
}

TEST_F(NormTest, LayerNorm) {
  std::vector<double> expected, scale = {1, 2, 3, 4}, bias = {0.5, 0, -1, 2};
  for (int row = 0; row < 2; ++row) {
    Moments m = momentsOf(llvm::ArrayRef<double>(x).slice(row * 4, 4));
    for (int i = 0; i < 4; ++i)
      expected.push_back((x[row * 4 + i] - m.mean) / std::sqrt(m.variance + 0.01) * scale[i] + bias[i]);
  }
  const std::string t = "tensor<?x4xf32>", p = "tensor<1x4xf32>";
  expectFloats(value("%x: " + t + ", %g: " + p + ", %b: " + p,
                     "tenon.layer_norm %x, %g, %b axis 1 {epsilon = 0.01 : f64} : " + t + ", " + p + ", " + p,
                     t, {f32({2, 4}, x), f32({1, 4}, scale), f32({1, 4}, bias)}),
               {2, 4}, expected, 1e-5);
  for (int i = 0; i < 8; ++i)
    expected[i] -= bias[i % 4];
  expectFloats(value("%x: " + t + ", %g: " + p,
                     "tenon.layer_norm %x, %g axis 1 {epsilon = 0.01 : f64} : " + t + ", " + p, t,
                     {f32({2, 4}, x), f32({1, 4}, scale)}),
               {2, 4}, expected, 1e-5);
}

TEST_F(NormTest, LayerNormOverTwoAxes) {
  Moments m = momentsOf(x);
  std::vector<double> expected;
  for (double v : x)
    expected.push_back((v - m.mean) / std::sqrt(m.variance + 0.01) * 2);
  expectFloats(
      value("%x: tensor<1x2x?xf32>, %g: tensor<1x2x?xf32>",
            "tenon.layer_norm %x, %g axis 1 {epsilon = 0.01 : f64} : tensor<1x2x?xf32>, tensor<1x2x?xf32>",
            "tensor<1x2x?xf32>", {f32({1, 2, 4}, x), f32({1, 2, 4}, std::vector<double>(8, 2))}),
      {1, 2, 4}, expected, 1e-5);
}

TEST_F(NormTest, RmsNorm) {
  std::vector<double> expected, scale = {1, 2, 3, 4};
  for (int row = 0; row < 2; ++row) {
    Moments m = momentsOf(llvm::ArrayRef<double>(x).slice(row * 4, 4));
    for (int i = 0; i < 4; ++i)
      expected.push_back(x[row * 4 + i] / std::sqrt(m.square + 0.01) * scale[i]);
  }
  expectFloats(value("%x: tensor<?x4xf32>, %g: tensor<1x4xf32>",
                     "tenon.rms_norm %x, %g axis 1 {epsilon = 0.01 : f64} : tensor<?x4xf32>, tensor<1x4xf32>",
                     "tensor<?x4xf32>", {f32({2, 4}, x), f32({1, 4}, scale)}),
               {2, 4}, expected, 1e-5);
}

TEST_F(NormTest, GroupNorm) {
  // Four channels in two groups, two positions each.
  std::vector<double> expected, scale = {1, 2, 3, 4}, bias = {0, 1, 2, 3};
  for (int group = 0; group < 2; ++group) {
    Moments m = momentsOf(llvm::ArrayRef<double>(x).slice(group * 4, 4));
    for (int i = group * 4; i < group * 4 + 4; ++i)
      expected.push_back((x[i] - m.mean) / std::sqrt(m.variance + 0.01) * scale[i / 2] + bias[i / 2]);
  }
  const std::string t = "tensor<?x4x?xf32>", p = "tensor<4xf32>";
  expectFloats(
      value("%x: " + t + ", %g: " + p + ", %b: " + p,
            "tenon.group_norm %x, %g, %b groups 2 {epsilon = 0.01 : f64} : " + t + ", " + p + ", " + p, t,
            {f32({1, 4, 2}, x), f32({4}, scale), f32({4}, bias)}),
      {1, 4, 2}, expected, 1e-5);
}

TEST_F(NormTest, BatchNorm) {
  std::vector<double> scale = {1, 2}, bias = {3, 4}, mean = {5, 6}, variance = {7, 8}, expected;
  for (int i = 0; i < 8; ++i) {
    int c = i / 2 % 2;
    expected.push_back((x[i] - mean[c]) / std::sqrt(variance[c] + 0.01) * scale[c] + bias[c]);
  }
  const std::string t = "tensor<?x2x2xf32>", p = "tensor<2xf32>";
  expectFloats(
      value("%x: " + t + ", %g: " + p + ", %b: " + p + ", %m: " + p + ", %v: " + p,
            "tenon.batch_norm %x, %g, %b, %m, %v axis 1 {epsilon = 0.01 : f64} : " + t + ", " + p, t,
            {f32({2, 2, 2}, x), f32({2}, scale), f32({2}, bias), f32({2}, mean), f32({2}, variance)}),
      {2, 2, 2}, expected, 1e-5);
}

} // namespace
