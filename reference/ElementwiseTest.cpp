//===- ElementwiseTest.cpp - tests of elementwise operations and casts ---===//
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

class ElementwiseTest : public ReferenceTest {
protected:
  Tensor unary(const std::string &op, const std::string &type, const Tensor &x) {
    return value("%a: " + type, "tenon." + op + " %a : " + type, type, {x});
  }
  Tensor binary(const std::string &op, const std::string &type, const Tensor &x, const Tensor &y) {
    return value("%a: " + type + ", %b: " + type, "tenon." + op + " %a, %b : " + type, type, {x, y});
  }
  std::vector<int64_t> ints(const std::string &op, const std::string &element, std::vector<int64_t> x,
                            std::vector<int64_t> y) {
    DType dtype = element == "i8"    ? DType::I8
                  : element == "ui8" ? DType::U8
                  : element == "i1"  ? DType::Bool
                                     : DType::I64;
    int64_t n = x.size();
    return binary(op, "tensor<?x" + element + ">", Tensor::fromInts(dtype, {n}, x),
                  Tensor::fromInts(dtype, {n}, y))
        .ints();
  }
};

using Ints = std::vector<int64_t>;

TEST_F(ElementwiseTest, FloatFunctions) {
  struct Case {
    const char *op;
    double x, y;
  };
  const Case cases[] = {{"abs", -2.5, 2.5},       {"neg", 2.5, -2.5},         {"sqrt", 6.25, 2.5},
                        {"rsqrt", 0.25, 2},       {"exp", 1, 2.718281828459}, {"log", 10, 2.302585092994},
                        {"sin", 1, 0.841470985},  {"cos", 1, 0.540302306},    {"asin", 0.5, 0.523598776},
                        {"atan", 1, 0.785398163}, {"tanh", 0.5, 0.462117157}, {"erf", 0.5, 0.520499878},
                        {"floor", -1.5, -2},      {"ceil", -1.5, -1},         {"round", 2.5, 2},
                        {"round", 3.5, 4},        {"round", -0.5, 0},         {"sign", -3, -1},
                        {"sqrt", -1, kNaN},       {"log", 0, -kInf},          {"sign", kNaN, kNaN}};
  for (const Case &c : cases) {
    SCOPED_TRACE(c.op);
    expectFloats(unary(c.op, "tensor<1xf32>", f32({1}, c.x)), {1}, c.y, 1e-6);
  }
}

TEST_F(ElementwiseTest, FloatArithmetic) {
  const std::string t = "tensor<?xf32>";
  Tensor a = f32({4}, {7, -7, 2, kNaN}), b = f32({4}, {2, 2, -1, 1});
  expectFloats(binary("add", t, a, b), {4}, {9, -5, 1, kNaN});
  expectFloats(binary("sub", t, a, b), {4}, {5, -9, 3, kNaN});
  expectFloats(binary("mul", t, a, b), {4}, {14, -14, -2, kNaN});
  expectFloats(binary("div", t, a, b), {4}, {3.5, -3.5, -2, kNaN});
  expectFloats(binary("rem", t, a, b), {4}, {1, -1, 0, kNaN});
  expectFloats(binary("pow", t, a, b), {4}, {49, 49, 0.5, kNaN});
  expectFloats(binary("max", t, a, b), {4}, {7, 2, 2, kNaN});
  expectFloats(binary("min", t, b, a), {4}, {2, -7, -1, kNaN});
}

TEST_F(ElementwiseTest, HalfFloatsRoundEachResult) {
  Tensor a = Tensor::fromDoubles(DType::BF16, {1}, 256), b = Tensor::fromDoubles(DType::BF16, {1}, 1);
  expectFloats(binary("add", "tensor<1xbf16>", a, b), {1}, 256);
  Tensor c = Tensor::fromDoubles(DType::F16, {1}, 60000);
  expectFloats(binary("add", "tensor<1xf16>", c, c), {1}, kInf);
}

TEST_F(ElementwiseTest, IntegerArithmeticWraps) {
  EXPECT_EQ(ints("add", "i8", {127, -128}, {1, -1}), (Ints{-128, 127}));
  EXPECT_EQ(ints("sub", "ui8", {0}, {1}), (Ints{255}));
  EXPECT_EQ(ints("mul", "i8", {100}, {3}), (Ints{44}));
  EXPECT_EQ(ints("div", "i8", {-7, 7, 5, -128}, {2, -2, 0, -1}), (Ints{-3, -3, 0, -128}));
  EXPECT_EQ(ints("div", "ui8", {200}, {3}), (Ints{66}));
  EXPECT_EQ(ints("rem", "i8", {-7, 7, 5, -128}, {2, -2, 0, -1}), (Ints{-1, 1, 0, 0}));
  EXPECT_EQ(ints("pow", "i64", {3, 2, -1, 5}, {4, -1, -3, 0}), (Ints{81, 0, -1, 1}));
  EXPECT_EQ(ints("max", "ui8", {200}, {100}), (Ints{200}));
  EXPECT_EQ(ints("min", "i8", {-56}, {100}), (Ints{-56}));
  int64_t lowest = std::numeric_limits<int64_t>::min();
  EXPECT_EQ(ints("div", "i64", {lowest}, {-1}), (Ints{lowest}));
  EXPECT_EQ(unary("abs", "tensor<2xi8>", Tensor::fromInts(DType::I8, {2}, {-128, -5})).ints(),
            (Ints{-128, 5}));
  EXPECT_EQ(unary("sign", "tensor<2xui8>", Tensor::fromInts(DType::U8, {2}, {200, 0})).ints(), (Ints{1, 0}));
}

TEST_F(ElementwiseTest, BitsAndShifts) {
  EXPECT_EQ(ints("and", "i8", {12}, {10}), (Ints{8}));
  EXPECT_EQ(ints("or", "i8", {12}, {10}), (Ints{14}));
  EXPECT_EQ(ints("xor", "i1", {1, 1, 0}, {1, 0, 0}), (Ints{0, 1, 0}));
  EXPECT_EQ(ints("shl", "i8", {1, 1, 3}, {7, 8, 1}), (Ints{-128, 0, 6}));
  EXPECT_EQ(ints("shr", "i8", {-8, -8, 8}, {1, 9, 9}), (Ints{-4, -1, 0}));
  EXPECT_EQ(ints("shr", "ui8", {200}, {3}), (Ints{25}));
  EXPECT_EQ(unary("not", "tensor<2xi1>", boolean({2}, {1, 0})).ints(), (Ints{0, 1}));
  EXPECT_EQ(unary("not", "tensor<1xui8>", Tensor::fromInts(DType::U8, {1}, 1)).ints(), (Ints{254}));
}

TEST_F(ElementwiseTest, Comparisons) {
  auto compare = [&](const std::string &predicate, const std::string &element, const Tensor &a,
                     const Tensor &b) {
    std::string type = "tensor<3x" + element + ">";
    return value("%a: " + type + ", %b: " + type,
                 "tenon.cmp " + predicate + " %a, %b : " + type + " -> tensor<3xi1>", "tensor<3xi1>", {a, b})
        .ints();
  };
  Tensor a = f32({3}, {1, 2, kNaN}), b = f32({3}, {2, 2, 2});
  EXPECT_EQ(compare("eq", "f32", a, b), (Ints{0, 1, 0}));
  EXPECT_EQ(compare("ne", "f32", a, b), (Ints{1, 0, 1}));
  EXPECT_EQ(compare("lt", "f32", a, b), (Ints{1, 0, 0}));
  EXPECT_EQ(compare("le", "f32", a, b), (Ints{1, 1, 0}));
  EXPECT_EQ(compare("gt", "f32", a, b), (Ints{0, 0, 0}));
  EXPECT_EQ(compare("ge", "f32", a, b), (Ints{0, 1, 0}));
  Tensor u = Tensor::fromInts(DType::U64, {3}, {-1, 1, 2}), v = Tensor::fromInts(DType::U64, {3}, {1, -1, 2});
  EXPECT_EQ(compare("gt", "ui64", u, v), (Ints{1, 0, 0}));
  EXPECT_EQ(compare("lt", "i64", i64({3}, {-1, 1, 2}), i64({3}, {1, -1, 2})), (Ints{1, 0, 0}));
}

TEST_F(ElementwiseTest, Select) {
  expectFloats(value("%c: tensor<3xi1>, %a: tensor<3xf32>, %b: tensor<3xf32>",
                     "tenon.select %c, %a, %b : tensor<3xi1>, tensor<3xf32>", "tensor<3xf32>",
                     {boolean({3}, {1, 0, 1}), f32({3}, {1, 2, 3}), f32({3}, {4, 5, 6})}),
               {3}, {1, 5, 3});
}

TEST_F(ElementwiseTest, Casts) {
  auto cast = [&](const Tensor &x, const std::string &from, const std::string &to) {
    std::string a = "tensor<?x" + from + ">", b = "tensor<?x" + to + ">";
    return value("%a: " + a, "tenon.cast %a : " + a + " -> " + b, b, {x});
  };
  EXPECT_EQ(cast(f32({4}, {1.9, -1.9, 0.5, kNaN}), "f32", "i64").ints(), (Ints{1, -1, 0, 0}));
  EXPECT_EQ(cast(f32({3}, {0, 0.25, kNaN}), "f32", "i1").ints(), (Ints{0, 1, 1}));
  EXPECT_EQ(cast(f32({1}, 1.8446744e19), "f32", "ui64").ints(), (Ints{-1})); // 2^64 saturates
  EXPECT_EQ(cast(i64({2}, {300, -1}), "i64", "i8").ints(), (Ints{44, -1}));
  EXPECT_EQ(cast(i64({1}, -1), "i64", "ui8").ints(), (Ints{255}));
  EXPECT_EQ(cast(i64({2}, {4, 0}), "i64", "i1").ints(), (Ints{1, 0}));
  expectFloats(cast(Tensor::fromInts(DType::U64, {1}, -1), "ui64", "f64"), {1}, 0x1p64);
  // Just above the middle of two floats: rounding to double first would lose the last bit.
  expectFloats(cast(i64({1}, (int64_t(1) << 60) + (int64_t(1) << 36) + 1), "i64", "f32"), {1},
               0x1p60 + 0x1p37);
  expectFloats(cast(boolean({2}, {1, 0}), "i1", "f32"), {2}, {1, 0});
  expectFloats(cast(f32({1}, 1.0 / 3), "f32", "bf16"), {1}, 0.333984375);
}

TEST_F(ElementwiseTest, Bitcast) {
  EXPECT_EQ(value("%a: tensor<2xf32>", "tenon.bitcast %a : tensor<2xf32> -> tensor<2xi32>", "tensor<2xi32>",
                  {f32({2}, {1, -2})})
                .ints(),
            (Ints{0x3f800000, int32_t(0xc0000000)}));
}

TEST_F(ElementwiseTest, UnequalSizesAreReported) {
  EXPECT_TRUE(
      mlir::failed(evaluate("%a: tensor<?xf32>, %b: tensor<?xf32>", "tenon.add %a, %b : tensor<?xf32>",
                            "tensor<?xf32>", {f32({2}, {1, 2}), f32({1}, 1)})));
  expectError("TN0712", "2xf32 and 1xf32");
}

} // namespace
