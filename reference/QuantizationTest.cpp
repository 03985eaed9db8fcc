//===- QuantizationTest.cpp - quantizing against direct computation ------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "reference/ReferenceTest.h"

using namespace tenon::reference;

namespace {

class QuantizationTest : public ReferenceTest {};

TEST_F(QuantizationTest, TiesGoToEvenAndEndsSaturate) {
  const std::string x = "tensor<1x8xf32>", p = "tensor<1x1xf32>", z = "tensor<1x1xui8>";
  // 2.5, 3.5 and -2.5 units round to even, beyond the ends the ends stand.
  Tensor numbers = f32({1, 8}, {0, 1.25, 1.75, -1.25, 1e9, -1e9, 60, 0.26});
  expectInts(
      value("%x: " + x + ", %s: " + p + ", %z: " + z,
            "tenon.quantize %x scale %s zero %z : (" + x + ", " + p + ", " + z + ") -> tensor<1x8xui8>",
            "tensor<1x8xui8>", {numbers, f32({1, 1}, {0.5}), Tensor::fromInts(DType::U8, {1, 1}, 130)}),
      {1, 8}, {130, 132, 134, 128, 255, 0, 250, 131});
  expectInts(value("%x: " + x + ", %s: " + p,
                   "tenon.quantize %x scale %s : (" + x + ", " + p + ") -> tensor<1x8xi8>", "tensor<1x8xi8>",
                   {numbers, f32({1, 1}, {0.5})}),
             {1, 8}, {0, 2, 4, -2, 127, -128, 120, 1});
}

TEST_F(QuantizationTest, TheQuotientIsRoundedAsADivision) {
  // x / s is just below a tie in f32, x * (1 / s) is the tie.
  const float scale = 0.1F, x = 0.35F;
  expectInts(value("%x: tensor<1x1xf32>, %s: tensor<1x1xf32>",
                   "tenon.quantize %x scale %s : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xui8>",
                   "tensor<1x1xui8>", {f32({1, 1}, {x}), f32({1, 1}, {scale})}),
             {1, 1}, {static_cast<int64_t>(std::nearbyint(x / scale))});
}

TEST_F(QuantizationTest, DequantizeByColumns) {
  const std::string q = "tensor<2x2xui8>", p = "tensor<1x2xf32>", z = "tensor<1x2xui8>";
  expectFloats(
      value("%q: " + q + ", %s: " + p + ", %z: " + z,
            "tenon.dequantize %q scale %s zero %z : (" + q + ", " + p + ", " + z + ") -> tensor<2x2xf32>",
            "tensor<2x2xf32>",
            {Tensor::fromInts(DType::U8, {2, 2}, std::vector<int64_t>{0, 255, 128, 7}), f32({1, 2}, {0.5, 2}),
             Tensor::fromInts(DType::U8, {1, 2}, std::vector<int64_t>{128, 7})}),
      {2, 2}, {-64, 496, 0, 0});
}

} // namespace
