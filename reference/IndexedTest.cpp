//===- IndexedTest.cpp - tests of operations whose addresses are data ----===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "reference/ReferenceTest.h"
#include <limits>

using namespace tenon::reference;

namespace {

class IndexedTest : public ReferenceTest {};

TEST_F(IndexedTest, Gather) {
  expectFloats(
      value("%x: tensor<3x2xf32>, %i: tensor<?x2xi64>",
            "tenon.gather %x, %i axis 0 batch 0 : tensor<3x2xf32>, tensor<?x2xi64> -> tensor<?x2x2xf32>",
            "tensor<?x2x2xf32>", {counting({3, 2}), i64({1, 2}, {2, -3})}),
      {1, 2, 2}, {4, 5, 0, 1});
  // Out of range: clamped.
  expectFloats(value("%x: tensor<2x3xf32>, %i: tensor<2xi64>",
                     "tenon.gather %x, %i axis 1 batch 0 : tensor<2x3xf32>, tensor<2xi64> -> tensor<2x2xf32>",
                     "tensor<2x2xf32>", {counting({2, 3}), i64({2}, {9, -9})}),
               {2, 2}, {2, 0, 5, 3});
  expectFloats(
      value("%x: tensor<2x3xf32>, %i: tensor<2x1xi64>",
            "tenon.gather %x, %i axis 1 batch 1 : tensor<2x3xf32>, tensor<2x1xi64> -> tensor<2x1xf32>",
            "tensor<2x1xf32>", {counting({2, 3}), i64({2, 1}, {2, 0})}),
      {2, 1}, {2, 3});
}

TEST_F(IndexedTest, GatherWithScalarIndex) {
  expectFloats(value("%x: tensor<3x2xf32>, %i: tensor<i64>",
                     "tenon.gather %x, %i axis 0 batch 0 : tensor<3x2xf32>, tensor<i64> -> tensor<2xf32>",
                     "tensor<2xf32>", {counting({3, 2}), i64({}, 1)}),
               {2}, {2, 3});
}

TEST_F(IndexedTest, GatherElements) {
  expectFloats(
      value("%x: tensor<2x3xf32>, %i: tensor<2x2xi64>",
            "tenon.gather_elements %x, %i axis 1 : tensor<2x3xf32>, tensor<2x2xi64> -> tensor<2x2xf32>",
            "tensor<2x2xf32>", {counting({2, 3}), i64({2, 2}, {2, 0, -1, 1})}),
      {2, 2}, {2, 0, 5, 4});
}

TEST_F(IndexedTest, GatherNd) {
  expectFloats(value("%x: tensor<2x3x2xf32>, %i: tensor<?x2xi64>",
                     "tenon.gather_nd %x, %i batch 0 : tensor<2x3x2xf32>, tensor<?x2xi64> -> tensor<?x2xf32>",
                     "tensor<?x2xf32>", {counting({2, 3, 2}), i64({2, 2}, {1, 0, 0, -1})}),
               {2, 2}, {6, 7, 4, 5});
  expectFloats(value("%x: tensor<2x3x2xf32>, %i: tensor<2x1xi64>",
                     "tenon.gather_nd %x, %i batch 1 : tensor<2x3x2xf32>, tensor<2x1xi64> -> tensor<2x2xf32>",
                     "tensor<2x2xf32>", {counting({2, 3, 2}), i64({2, 1}, {2, 0})}),
               {2, 2}, {4, 5, 6, 7});
}

TEST_F(IndexedTest, ScatterElements) {
  auto scatter = [&](const std::string &kind) {
    return value("%x: tensor<1x3xf32>, %i: tensor<1x3xi64>, %u: tensor<1x3xf32>",
                 "tenon.scatter_elements " + kind +
                     " %x, %i, %u axis 1 : tensor<1x3xf32>, tensor<1x3xi64>, tensor<1x3xf32>",
                 "tensor<1x3xf32>",
                 {f32({1, 3}, {1, 2, 3}), i64({1, 3}, {0, -1, 0}), f32({1, 3}, {10, 20, -30})});
  };
  expectFloats(scatter("none"), {1, 3}, {-30, 2, 20});
  expectFloats(scatter("add"), {1, 3}, {-19, 2, 23});
  expectFloats(scatter("mul"), {1, 3}, {-300, 2, 60});
  expectFloats(scatter("max"), {1, 3}, {10, 2, 20});
  expectFloats(scatter("min"), {1, 3}, {-30, 2, 3});
}

TEST_F(IndexedTest, ScatterNd) {
  const std::string op =
      "tenon.scatter_nd add %x, %i, %u : tensor<3x2xi64>, tensor<?x1xi64>, tensor<?x2xi64>";
  const std::string arguments = "%x: tensor<3x2xi64>, %i: tensor<?x1xi64>, %u: tensor<?x2xi64>";
  expectInts(value(arguments, op, "tensor<3x2xi64>",
                   {counting({3, 2}, DType::I64), i64({2, 1}, {2, 2}), i64({2, 2}, {10, 20, 30, 40})}),
             {3, 2}, {0, 1, 2, 3, 44, 65});
  EXPECT_TRUE(
      mlir::failed(evaluate(arguments, op, "tensor<3x2xi64>",
                            {counting({3, 2}, DType::I64), i64({2, 1}, {2, 2}), i64({1, 2}, {10, 20})})));
  expectError("TN0712", "updates 1x2xi64");
}

TEST_F(IndexedTest, TopK) {
  parse(R"(func.func @main(%x: tensor<2x4xf32>) -> (tensor<2x2xf32>, tensor<2x2xi64>) {
    %v, %i = tenon.top_k %x () axis 1 : tensor<2x4xf32> -> tensor<2x2xf32>, tensor<2x2xi64>
    return %v, %i : tensor<2x2xf32>, tensor<2x2xi64>
  })");
  Interpreter interpreter(*module);
  auto results = runMain(interpreter, {f32({2, 4}, {3, 5, 5, 1, 0, -1, 0, -2})});
  ASSERT_TRUE(mlir::succeeded(results)) << errors;
  expectFloats((*results)[0], {2, 2}, {5, 5, 0, 0});
  expectInts((*results)[1], {2, 2}, {1, 2, 0, 2});
}

TEST_F(IndexedTest, TopKOfADynamicCount) {
  parse(R"(func.func @main(%x: tensor<?x2xui8>, %k: index) -> (tensor<?x2xui8>, tensor<?x2xi64>) {
    %v, %i = tenon.top_k %x (%k) axis 0 smallest : tensor<?x2xui8> -> tensor<?x2xui8>, tensor<?x2xi64>
    return %v, %i : tensor<?x2xui8>, tensor<?x2xi64>
  })");
  Interpreter interpreter(*module);
  Tensor x = Tensor::fromInts(DType::U8, {3, 2}, {200, 1, 100, 3, 150, 2});
  auto results = runMain(interpreter, {x, Tensor::index(2)});
  ASSERT_TRUE(mlir::succeeded(results)) << errors;
  expectInts((*results)[0], {2, 2}, {100, 1, 150, 2});
  expectInts((*results)[1], {2, 2}, {1, 0, 2, 2});
  EXPECT_TRUE(mlir::failed(runMain(interpreter, {x, Tensor::index(4)})));
  expectError("TN0714", "takes 4 elements of axis 0, which has 3");
}

TEST_F(IndexedTest, NonZero) {
  parse(R"(func.func @main(%x: tensor<2x?xf32>, %e: index) -> (tensor<2x?xi64>, index) {
    %p, %n = tenon.non_zero %x (%e) : tensor<2x?xf32> -> tensor<2x?xi64>
    return %p, %n : tensor<2x?xi64>, index
  })");
  Interpreter interpreter(*module);
  auto results = runMain(interpreter, {f32({2, 2}, {0, 3, -1, 0}), Tensor::index(4)});
  ASSERT_TRUE(mlir::succeeded(results)) << errors;
  expectInts((*results)[0], {2, 4}, {0, 1, 0, 0, 1, 0, 0, 0});
  EXPECT_EQ((*results)[1].firstInt(), 2);
}

} // namespace
