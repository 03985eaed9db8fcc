//===- VectorMathTest.cpp - the accuracy of generated math --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sweeps each function over its arguments and compares with the C library at higher precision. The bounds are
// in units of the last place (ULP) of the result.
//
//===----------------------------------------------------------------------===//

#include "compiler/emit/cpu/ObjectCodeHarness.h"
#include "compiler/emit/cpu/UlpDistance.h"
#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <random>

namespace tenon::cpu::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Unary {
  const char *op;
  double (*truth)(double);               // for f32
  long double (*longTruth)(long double); // for f64
  double singleUlp, doubleUlp;           // bounds
  double limit = kInfinity;              // larger arguments are not judged
};

template <typename T> T rsqrt(T x) { return 1 / std::sqrt(x); }

#define FUNCTION(name) std::name, std::name
const Unary kUnary[] = {
    {"exp", FUNCTION(exp), 1.5, 1.6},
    {"exp2", FUNCTION(exp2), 1.5, 1.6},
    {"expm1", FUNCTION(expm1), 3.0, 3.0},
    {"log", FUNCTION(log), 1.5, 1.5},
    {"log2", FUNCTION(log2), 0.51, 3.0},
    {"log10", FUNCTION(log10), 0.51, 3.0},
    {"log1p", FUNCTION(log1p), 0.51, 2.5},
    {"tanh", FUNCTION(tanh), 4.0, 5.0},
    {"erf", FUNCTION(erf), 4.0, 5.0},
    {"erfc", FUNCTION(erfc), 0.51, 20.0},
    {"sin", FUNCTION(sin), 1.5, 2.0, 1e5},
    {"cos", FUNCTION(cos), 1.5, 2.0, 1e5},
    {"tan", FUNCTION(tan), 0.51, 4.0, 1e5},
    {"asin", FUNCTION(asin), 0.51, 4.0},
    {"acos", FUNCTION(acos), 0.51, 4.0},
    {"atan", FUNCTION(atan), 0.51, 3.0},
    {"sinh", FUNCTION(sinh), 0.51, 4.0},
    {"cosh", FUNCTION(cosh), 0.51, 4.0},
    {"asinh", FUNCTION(asinh), 0.51, 4.0},
    {"acosh", FUNCTION(acosh), 0.51, 4.0},
    {"atanh", FUNCTION(atanh), 0.51, 5.0},
    {"cbrt", FUNCTION(cbrt), 0.51, 2.0},
    {"sqrt", FUNCTION(sqrt), 0.501, 0.501},
    {"rsqrt", rsqrt<double>, rsqrt<long double>, 1.5, 1.5},
    {"floor", FUNCTION(floor), 0.0, 0.0},
    {"ceil", FUNCTION(ceil), 0.0, 0.0},
    {"trunc", FUNCTION(trunc), 0.0, 0.0},
    {"round", FUNCTION(round), 0.0, 0.0},
    {"roundeven", FUNCTION(nearbyint), 0.0, 0.0},
};
#undef FUNCTION

std::string bodyOf(const std::string &op, unsigned lanes, const std::string &element) {
  std::string type = lanes == 1 ? element : "vector<" + std::to_string(lanes) + "x" + element + ">";
  return "%r = math." + op + " %a : " + type;
}

/// Runs math.`op` on `in` for the target.
template <typename T>
std::vector<T> evaluate(const std::string &op, const CpuTarget &target, std::vector<T> in, unsigned lanes) {
  std::string element = sizeof(T) == 4 ? "f32" : "f64";
  in.resize((in.size() + lanes - 1) / lanes * lanes);
  std::vector<T> out(in.size());
  EXPECT_EQ(runKernel(elementwiseKernel(1, lanes, element, element, bodyOf(op, lanes, element)), target,
                      {in.data(), out.data()}, in.size() / lanes),
            "")
      << op << " for " << target.name;
  return out;
}

std::vector<float> everyFloat(uint32_t stride) {
  std::vector<float> result;
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += stride)
    result.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  for (double special :
       {0.0,   -0.0,   1.0,    -1.0,      0.5,        -0.5, 1.5,   2.5,    -2.5,   88.7,          88.73,
        -87.4, -103.9, -104.1, kInfinity, -kInfinity, kNan, 1e-40, -1e-40, 3.4e38, 1.17549435e-38})
    result.push_back(static_cast<float>(special));
  return result;
}

std::vector<double> someDoubles() {
  std::vector<double> result = {0.0,    -0.0,   1.0,       -1.0,       0.5,      -0.5,  1.5,
                                2.5,    -2.5,   kInfinity, -kInfinity, kNan,     709.7, 709.79,
                                -745.1, -745.2, 1e-310,    1e300,      0x1p-1022};
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> exponent(-1, 1);
  for (int i = 0; i < 20000; ++i) {
    double sign = i % 2 ? -1 : 1;
    result.push_back(sign * std::exp2(exponent(random) * 20));   // around 1
    result.push_back(sign * std::exp2(exponent(random) * 1000)); // everywhere
    result.push_back(exponent(random) * 40);
    result.push_back(1 + exponent(random) * 1e-3);
  }
  return result;
}

struct Worst {
  double ulp = 0, at = 0, found = 0, truth = 0;
};

class UnaryMath : public testing::TestWithParam<Unary> {};

TEST_P(UnaryMath, SinglePrecision) {
  const Unary &unary = GetParam();
  std::vector<float> in = everyFloat(4001);
  std::vector<float> out = evaluate(unary.op, testTargets()[0], in, 16);
  Worst worst;
  for (size_t i = 0; i < in.size(); ++i) {
    if (std::abs(in[i]) > unary.limit)
      continue;
    double truth = unary.truth(in[i]);
    if (double error = ulpDistance(out[i], truth); error > worst.ulp)
      worst = {error, in[i], out[i], truth};
  }
  EXPECT_LE(worst.ulp, unary.singleUlp)
      << unary.op << "(" << worst.at << ") = " << worst.found << ", expected " << worst.truth;
  RecordProperty("ulp", std::to_string(worst.ulp));
}

TEST_P(UnaryMath, DoublePrecision) {
  const Unary &unary = GetParam();
  std::vector<double> in = someDoubles();
  std::vector<double> out = evaluate(unary.op, testTargets()[0], in, 8);
  Worst worst;
  for (size_t i = 0; i < in.size(); ++i) {
    if (std::abs(in[i]) > unary.limit)
      continue;
    long double truth = unary.longTruth(in[i]);
    if (double error = ulpDistance(out[i], truth); error > worst.ulp)
      worst = {error, in[i], out[i], static_cast<double>(truth)};
  }
  EXPECT_LE(worst.ulp, unary.doubleUlp)
      << unary.op << "(" << worst.at << ") = " << worst.found << ", expected " << worst.truth;
}

// The expansions are the same arithmetic for every level and every length.
TEST_P(UnaryMath, AgreesAcrossLevelsAndLengths) {
  const Unary &unary = GetParam();
  std::vector<float> in = everyFloat(1000003);
  std::vector<CpuTarget> targets = testTargets();
  std::vector<float> expected = evaluate(unary.op, targets[0], in, 16);
  for (const CpuTarget &target : targets)
    for (unsigned lanes : {1u, 8u, 33u}) {
      std::vector<float> out = evaluate(unary.op, target, in, lanes);
      for (size_t i = 0; i < in.size(); ++i)
        ASSERT_TRUE(std::bit_cast<uint32_t>(out[i]) == std::bit_cast<uint32_t>(expected[i]) ||
                    (std::isnan(out[i]) && std::isnan(expected[i])))
            << unary.op << "(" << in[i] << ") for " << target.name << ", " << lanes << " lanes: " << out[i]
            << ", with 16 " << expected[i];
    }
}

TEST(ExpAtMostZero, IsNearWhereItCounts) {
  std::vector<float> in;
  for (float x : everyFloat(4001))
    if (!(x > 0))
      in.push_back(x);
  in.resize(in.size() / 16 * 16, 0.0F);
  for (const CpuTarget &target : testTargets()) {
    std::vector<float> out(in.size());
    ASSERT_EQ(runKernel(elementwiseKernel(1, 16, "f32", "f32",
                                          "%r = math.exp %a {tenon.at_most_zero} : vector<16xf32>"),
                        target, {in.data(), out.data()}, in.size() / 16),
              "");
    for (size_t i = 0; i < in.size(); ++i) {
      if (std::isnan(in[i])) {
        ASSERT_TRUE(std::isnan(out[i]));
        continue;
      }
      double truth = std::exp(double(in[i])), ulp = in[i] > -20 ? 1.5 : 6;
      if (in[i] < -87.3365F)
        ASSERT_EQ(out[i], 0) << in[i];
      else
        ASSERT_LE(ulpDistance(out[i], truth), ulp) << "exp(" << in[i] << ") = " << out[i];
    }
  }
}

TEST(Gate, OfAnInfinityThatItDoesNotComeFrom) {
  std::vector<float> h(16, INFINITY), z(16, -0.5F);
  for (const CpuTarget &target : testTargets()) {
    std::vector<float> out(16);
    ASSERT_EQ(runKernel(elementwiseKernel(2, 16, "f32", "f32",
                                          R"(%ones = arith.constant dense<1.0> : vector<16xf32>
    %t = math.tanh %b : vector<16xf32>
    %s = arith.addf %t, %ones : vector<16xf32>
    %r = arith.mulf %a, %s : vector<16xf32>)"),
                        target, {h.data(), z.data(), out.data()}, 1),
              "");
    EXPECT_EQ(out[0], INFINITY) << target.name;
  }
}

TEST(UnaryMathZero, KeepsItsSign) {
  for (const char *op : {"sin", "tan", "asin", "atan", "sinh", "asinh", "tanh", "atanh", "erf", "expm1",
                         "log1p", "cbrt", "sqrt"})
    for (const CpuTarget &target : testTargets()) {
      std::vector<float> single = evaluate<float>(op, target, {0.0F, -0.0F}, 8);
      EXPECT_TRUE(single[0] == 0 && !std::signbit(single[0])) << op;
      EXPECT_TRUE(single[1] == 0 && std::signbit(single[1])) << op;
      std::vector<double> wide = evaluate<double>(op, target, {0.0, -0.0}, 8);
      EXPECT_TRUE(wide[1] == 0 && std::signbit(wide[1])) << op;
    }
}

INSTANTIATE_TEST_SUITE_P(All, UnaryMath, testing::ValuesIn(kUnary),
                         [](const testing::TestParamInfo<Unary> &info) { return info.param.op; });

} // namespace
} // namespace tenon::cpu::test
