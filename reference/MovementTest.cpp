//===- MovementTest.cpp - tests of operations that move elements ---------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "reference/ReferenceTest.h"

using namespace tenon::reference;

namespace {

class MovementTest : public ReferenceTest {};

TEST_F(MovementTest, Reshape) {
  expectFloats(value("%a: tensor<?x4xf32>, %n: index",
                     "tenon.reshape %a (%n) : tensor<?x4xf32> -> tensor<?x2xf32>", "tensor<?x2xf32>",
                     {counting({1, 4}), Tensor::index(2)}),
               {2, 2}, {0, 1, 2, 3});
  EXPECT_TRUE(mlir::failed(evaluate("%a: tensor<?x4xf32>, %n: index",
                                    "tenon.reshape %a (%n) : tensor<?x4xf32> -> tensor<?x2xf32>",
                                    "tensor<?x2xf32>", {counting({1, 4}), Tensor::index(3)})));
  expectError("TN0712", "4 elements (1x4xf32) into 6");
}

TEST_F(MovementTest, Broadcast) {
  expectFloats(value("%a: tensor<2x1xf32>, %n: index",
                     "tenon.broadcast %a (%n) : tensor<2x1xf32> -> tensor<2x?xf32>", "tensor<2x?xf32>",
                     {counting({2, 1}), Tensor::index(3)}),
               {2, 3}, {0, 0, 0, 1, 1, 1});
}

TEST_F(MovementTest, Transpose) {
  expectFloats(value("%a: tensor<1x2x3xf32>",
                     "tenon.transpose %a [2, 0, 1] : tensor<1x2x3xf32> -> tensor<3x1x2xf32>",
                     "tensor<3x1x2xf32>", {counting({1, 2, 3})}),
               {3, 1, 2}, {0, 3, 1, 4, 2, 5});
}

TEST_F(MovementTest, Slice) {
  const std::string slice =
      "tenon.slice %a offsets(%o) [-9223372036854775808, 3] sizes(%n) strides [1, -2] : "
      "tensor<?x4xf32> -> tensor<?x2xf32>";
  const std::string arguments = "%a: tensor<?x4xf32>, %o: index, %n: index";
  expectFloats(
      value(arguments, slice, "tensor<?x2xf32>", {counting({3, 4}), Tensor::index(1), Tensor::index(2)}),
      {2, 2}, {7, 5, 11, 9});
  expectFloats(
      value(arguments, slice, "tensor<?x2xf32>", {counting({3, 4}), Tensor::index(3), Tensor::index(0)}),
      {0, 2}, {});
  EXPECT_TRUE(mlir::failed(
      evaluate(arguments, slice, "tensor<?x2xf32>", {counting({3, 4}), Tensor::index(2), Tensor::index(2)})));
  expectError("TN0714", "elements 2 to 3 of axis 0, which has 3");
}

TEST_F(MovementTest, Concat) {
  expectFloats(value("%a: tensor<2x?xf32>, %b: tensor<2x1xf32>",
                     "tenon.concat %a, %b axis 1 : (tensor<2x?xf32>, tensor<2x1xf32>) -> tensor<2x?xf32>",
                     "tensor<2x?xf32>", {counting({2, 2}), f32({2, 1}, {8, 9})}),
               {2, 3}, {0, 1, 8, 2, 3, 9});
}

TEST_F(MovementTest, Pad) {
  expectFloats(value("%a: tensor<1x2xf32>, %v: tensor<f32>, %n: index",
                     "tenon.pad %a, %v low() [1, 0] high(%n) [0, -9223372036854775808] : tensor<1x2xf32>, "
                     "tensor<f32> -> tensor<2x?xf32>",
                     "tensor<2x?xf32>", {f32({1, 2}, {1, 2}), f32({}, 7), Tensor::index(1)}),
               {2, 3}, {7, 7, 7, 1, 2, 7});
}

TEST_F(MovementTest, Iota) {
  expectInts(
      value("%n: index", "tenon.iota (%n) axis 1 : tensor<2x?xi64>", "tensor<2x?xi64>", {Tensor::index(3)}),
      {2, 3}, {0, 1, 2, 0, 1, 2});
  expectFloats(value("", "tenon.iota axis 0 : tensor<3xf32>", "tensor<3xf32>", {}), {3}, {0, 1, 2});
}

TEST_F(MovementTest, UpdateSlice) {
  const std::string update = "tenon.update_slice %a, %u [%p, %q] : tensor<3x2xf32>, tensor<1x2xf32>";
  const std::string arguments = "%a: tensor<3x2xf32>, %u: tensor<1x2xf32>, %p: index, %q: index";
  Tensor a = counting({3, 2}), u = f32({1, 2}, {8, 9});
  expectFloats(value(arguments, update, "tensor<3x2xf32>", {a, u, Tensor::index(1), Tensor::index(0)}),
               {3, 2}, {0, 1, 8, 9, 4, 5});
  EXPECT_TRUE(mlir::failed(
      evaluate(arguments, update, "tensor<3x2xf32>", {a, u, Tensor::index(3), Tensor::index(0)})));
  expectError("TN0714", "1 elements at 3 of axis 0, which has 3");
}

} // namespace
