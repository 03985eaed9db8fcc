//===- ReductionTest.cpp - tests of reductions, scans and pooling --------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "reference/ReferenceTest.h"
#include <cmath>
#include <limits>

using namespace tenon::reference;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

class ReductionTest : public ReferenceTest {
protected:
  Tensor reduce(const std::string &kind, const Tensor &x, const std::string &element) {
    std::string from = "tensor<2x?x" + element + ">", to = "tensor<2x1x" + element + ">";
    return value("%a: " + from, "tenon.reduce " + kind + " %a [1] : " + from + " -> " + to, to, {x});
  }
};

TEST_F(ReductionTest, Reduce) {
  Tensor x = f32({2, 3}, {1, 2, 4, -1, kNaN, 3});
  expectFloats(reduce("sum", x, "f32"), {2, 1}, {7, kNaN});
  expectFloats(reduce("prod", x, "f32"), {2, 1}, {8, kNaN});
  expectFloats(reduce("max", x, "f32"), {2, 1}, {4, kNaN});
  expectFloats(reduce("min", x, "f32"), {2, 1}, {1, kNaN});
  expectInts(reduce("sum", Tensor::fromInts(DType::I8, {2, 2}, {100, 100, 1, 2}), "i8"), {2, 1}, {-56, 3});
  expectInts(reduce("max", Tensor::fromInts(DType::U8, {2, 2}, {100, 200, 1, 2}), "ui8"), {2, 1}, {200, 2});
  expectInts(reduce("max", boolean({2, 2}, {0, 1, 0, 0}), "i1"), {2, 1}, {1, 0});
  expectInts(reduce("min", boolean({2, 2}, {1, 1, 1, 0}), "i1"), {2, 1}, {1, 0});
}

TEST_F(ReductionTest, SumsAreRoundedOnce) {
  // In f32, adding one to 2^24 eight times would change nothing.
  Tensor x = f32({2, 9}, {0x1p24, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  expectFloats(reduce("sum", x, "f32"), {2, 1}, {0x1p24 + 8, 0});
}

TEST_F(ReductionTest, EmptyReductionsGiveTheNeutralElement) {
  expectFloats(reduce("sum", f32({2, 0}, {}), "f32"), {2, 1}, {0, 0});
  expectFloats(reduce("prod", f32({2, 0}, {}), "f32"), {2, 1}, {1, 1});
  expectFloats(reduce("max", f32({2, 0}, {}), "f32"), {2, 1}, {-kInf, -kInf});
  expectInts(reduce("max", Tensor(DType::I8, {2, 0}), "i8"), {2, 1}, {-128, -128});
  expectInts(reduce("min", Tensor(DType::I64, {2, 0}), "i64"), {2, 1},
             {std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::max()});
  expectInts(reduce("min", Tensor(DType::U8, {2, 0}), "ui8"), {2, 1}, {255, 255});
  expectInts(reduce("min", Tensor(DType::Bool, {2, 0}), "i1"), {2, 1}, {1, 1});
}

TEST_F(ReductionTest, ReduceSeveralAxes) {
  expectFloats(value("%a: tensor<2x2x2xf32>",
                     "tenon.reduce sum %a [0, 2] : tensor<2x2x2xf32> -> tensor<1x2x1xf32>",
                     "tensor<1x2x1xf32>", {counting({2, 2, 2})}),
               {1, 2, 1}, {0 + 1 + 4 + 5, 2 + 3 + 6 + 7});
}

TEST_F(ReductionTest, ArgReduce) {
  auto arg = [&](const std::string &how, const std::string &suffix, const Tensor &x) {
    return value("%a: tensor<1x?xf32>",
                 "tenon.arg_reduce " + how + " %a axis 1 " + suffix + " : tensor<1x?xf32> -> tensor<1x1xi64>",
                 "tensor<1x1xi64>", {x});
  };
  Tensor x = f32({1, 5}, {3, 1, 3, 1, 2});
  expectInts(arg("max", "", x), {1, 1}, {0});
  expectInts(arg("min", "", x), {1, 1}, {1});
  expectInts(arg("max", "", f32({1, 3}, {1, kNaN, 5})), {1, 1}, {1});
  expectInts(value("%a: tensor<1x5xf32>",
                   "tenon.arg_reduce max %a axis 1 last : tensor<1x5xf32> -> tensor<1x1xi64>",
                   "tensor<1x1xi64>", {x}),
             {1, 1}, {2});
}

TEST_F(ReductionTest, Scan) {
  auto scan = [&](const std::string &how) {
    return value("%a: tensor<1x4xf32>", "tenon.scan " + how + " : tensor<1x4xf32>", "tensor<1x4xf32>",
                 {f32({1, 4}, {1, 2, 3, 4})});
  };
  expectFloats(scan("sum %a axis 1"), {1, 4}, {1, 3, 6, 10});
  expectFloats(scan("sum %a axis 1 exclusive"), {1, 4}, {0, 1, 3, 6});
  expectFloats(scan("prod %a axis 1 reverse"), {1, 4}, {24, 24, 12, 4});
  expectFloats(scan("sum %a axis 1 exclusive reverse"), {1, 4}, {9, 7, 4, 0});
}

TEST_F(ReductionTest, ReduceWindow) {
  expectFloats(value("%a: tensor<1x4x1xf32>",
                     "tenon.reduce_window max %a window [1, 3, 1] strides [1, 2, 1] dilations [1, 1, 1] "
                     "low [0, 1, 0] high [0, 1, 0] : tensor<1x4x1xf32> -> tensor<1x2x1xf32>",
                     "tensor<1x2x1xf32>", {f32({1, 4, 1}, {-1, -2, -3, -4})}),
               {1, 2, 1}, {-1, -2});
  expectFloats(value("%a: tensor<1x5x1xf32>",
                     "tenon.reduce_window sum %a window [1, 2, 1] strides [1, 1, 1] dilations [1, 3, 1] "
                     "low [0, 0, 0] high [0, 0, 0] : tensor<1x5x1xf32> -> tensor<1x2x1xf32>",
                     "tensor<1x2x1xf32>", {counting({1, 5, 1})}),
               {1, 2, 1}, {3, 5});
}

} // namespace
