//===- ContractionTest.cpp - tests of matrix products and convolutions ---===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "reference/ReferenceTest.h"

using namespace tenon::reference;

namespace {

class ContractionTest : public ReferenceTest {
protected:
  Tensor conv(const std::string &attributes, const std::string &x, const std::string &w, const std::string &y,
              const Tensor &input, const Tensor &filter) {
    return value("%x: " + x + ", %w: " + w,
                 "tenon.conv %x, %w " + attributes + " : " + x + ", " + w + " -> " + y, y, {input, filter});
  }
};

TEST_F(ContractionTest, MatrixProduct) {
  expectFloats(value("%a: tensor<2x3xf32>, %b: tensor<3x2xf32>",
                     "tenon.contract %a, %b : tensor<2x3xf32>, tensor<3x2xf32> -> tensor<2x2xf32>",
                     "tensor<2x2xf32>", {counting({2, 3}), counting({3, 2})}),
               {2, 2}, {10, 13, 28, 40});
}

TEST_F(ContractionTest, BatchesAndTransposedRhs) {
  Tensor a = counting({2, 1, 2});
  expectFloats(
      value("%a: tensor<?x1x2xf32>, %b: tensor<?x3x2xf32>",
            "tenon.contract %a, %b transpose_rhs : tensor<?x1x2xf32>, tensor<?x3x2xf32> -> tensor<?x1x3xf32>",
            "tensor<?x1x3xf32>", {a, counting({2, 3, 2})}),
      {2, 1, 3}, {1, 3, 5, 2 * 6 + 3 * 7, 2 * 8 + 3 * 9, 2 * 10 + 3 * 11});
  expectFloats(value("%a: tensor<?x1x2xf32>, %b: tensor<2x2xf32>",
                     "tenon.contract %a, %b : tensor<?x1x2xf32>, tensor<2x2xf32> -> tensor<?x1x2xf32>",
                     "tensor<?x1x2xf32>", {a, f32({2, 2}, {1, 2, 3, 4})}),
               {2, 1, 2}, {3, 4, 11, 16});
}

TEST_F(ContractionTest, IntegersAccumulateInTheResultType) {
  Tensor a = Tensor::fromInts(DType::I8, {1, 2}, {100, -100}),
         b = Tensor::fromInts(DType::U8, {2, 1}, {200, 100});
  expectInts(value("%a: tensor<1x2xi8>, %b: tensor<2x1xui8>",
                   "tenon.contract %a, %b : tensor<1x2xi8>, tensor<2x1xui8> -> tensor<1x1xi32>",
                   "tensor<1x1xi32>", {a, b}),
             {1, 1}, {10000});
}

TEST_F(ContractionTest, UnequalContractedSizesAreReported) {
  EXPECT_TRUE(
      mlir::failed(evaluate("%a: tensor<1x?xf32>, %b: tensor<?x1xf32>",
                            "tenon.contract %a, %b : tensor<1x?xf32>, tensor<?x1xf32> -> tensor<1x1xf32>",
                            "tensor<1x1xf32>", {counting({1, 2}), counting({3, 1})})));
  expectError("TN0712", "1x2xf32 by 3x1xf32");
}

TEST_F(ContractionTest, Convolution) {
  // A 1-D box filter of width 3 over 0..4 with padding: 0+1, 0+1+2, ...
  Tensor box = f32({3, 1, 1}, {1, 1, 1});
  expectFloats(conv("strides [1] dilations [1] low [1] high [1] input_dilations [1] groups 1",
                    "tensor<1x5x1xf32>", "tensor<3x1x1xf32>", "tensor<1x5x1xf32>", counting({1, 5, 1}), box),
               {1, 5, 1}, {1, 3, 6, 9, 7});
  expectFloats(conv("strides [2] dilations [1] low [1] high [1] input_dilations [1] groups 1",
                    "tensor<1x?x1xf32>", "tensor<3x1x1xf32>", "tensor<1x?x1xf32>", counting({1, 5, 1}), box),
               {1, 3, 1}, {1, 6, 7});
  expectFloats(conv("strides [1] dilations [2] low [0] high [0] input_dilations [1] groups 1",
                    "tensor<1x5x1xf32>", "tensor<3x1x1xf32>", "tensor<1x1x1xf32>", counting({1, 5, 1}), box),
               {1, 1, 1}, {6});
  // Negative padding crops.
  expectFloats(conv("strides [1] dilations [1] low [-1] high [-1] input_dilations [1] groups 1",
                    "tensor<1x5x1xf32>", "tensor<3x1x1xf32>", "tensor<1x1x1xf32>", counting({1, 5, 1}), box),
               {1, 1, 1}, {6});
}

TEST_F(ContractionTest, TransposedConvolutionByInputDilation) {
  // 1 0 2 0 3 under the filter 10, 1 (cross-correlation, padding 1).
  expectFloats(conv("strides [1] dilations [1] low [1] high [1] input_dilations [2] groups 1",
                    "tensor<1x3x1xf32>", "tensor<2x1x1xf32>", "tensor<1x6x1xf32>", f32({1, 3, 1}, {1, 2, 3}),
                    f32({2, 1, 1}, {10, 1})),
               {1, 6, 1}, {1, 10, 2, 20, 3, 30});
}

TEST_F(ContractionTest, PaddingAndHolesReadThePadValue) {
  // 5 1 5 2 5 under the filter 10, -1.
  Tensor x = Tensor::fromInts(DType::U8, {1, 2, 1}, {1, 2}),
         w = Tensor::fromInts(DType::I8, {2, 1, 1}, {10, -1});
  expectInts(conv("strides [1] dilations [1] low [1] high [1] input_dilations [2] groups 1 pad_value 5",
                  "tensor<1x2x1xui8>", "tensor<2x1x1xi8>", "tensor<1x4x1xi32>", x, w),
             {1, 4, 1}, {49, 5, 48, 15});
}

TEST_F(ContractionTest, ConvolutionOfImagesMixesChannels) {
  // 1x1 window: a matrix product over channels at each pixel.
  expectFloats(conv("strides [1, 1] dilations [1, 1] low [0, 0] high [0, 0] input_dilations [1, 1] groups 1",
                    "tensor<1x1x2x2xf32>", "tensor<1x1x2x3xf32>", "tensor<1x1x2x3xf32>",
                    counting({1, 1, 2, 2}), counting({1, 1, 2, 3})),
               {1, 1, 2, 3}, {3, 4, 5, 9, 14, 19});
  // 2x2 window over a 2x3 image, two images.
  expectFloats(conv("strides [1, 1] dilations [1, 1] low [0, 0] high [0, 0] input_dilations [1, 1] groups 1",
                    "tensor<2x2x3x1xf32>", "tensor<2x2x1x1xf32>", "tensor<2x1x2x1xf32>",
                    counting({2, 2, 3, 1}), f32({2, 2, 1, 1}, {1, 10, 100, 1000})),
               {2, 1, 2, 1}, {4310, 5421, 10976, 12087});
}

TEST_F(ContractionTest, Groups) {
  // Depthwise: each channel has its own filter.
  expectFloats(conv("strides [1] dilations [1] low [0] high [0] input_dilations [1] groups 2",
                    "tensor<1x2x2xf32>", "tensor<2x1x2xf32>", "tensor<1x1x2xf32>", counting({1, 2, 2}),
                    f32({2, 1, 2}, {1, 2, 10, 20})),
               {1, 1, 2}, {20, 62});
  // Two groups of two inputs and one output each.
  expectFloats(conv("strides [1] dilations [1] low [0] high [0] input_dilations [1] groups 2",
                    "tensor<1x1x4xf32>", "tensor<1x2x2xf32>", "tensor<1x1x2xf32>",
                    f32({1, 1, 4}, {1, 2, 3, 4}), f32({1, 2, 2}, {1, 100, 10, 1000})),
               {1, 1, 2}, {21, 4300});
}

} // namespace
