//===- ActivationTest.cpp - activations' decompositions against closed forms -===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "reference/ReferenceTest.h"
#include <cmath>

using namespace tenon::reference;

namespace {

class ActivationTest : public ReferenceTest {
protected:
  /// Compares at every x, as a dynamic tensor; `attributes` is "{alpha = 0.5 : f64}" or empty.
  void expectClosedForm(const std::string &op, const std::string &attributes,
                        const std::vector<double> &points, double (*f)(double)) {
    SCOPED_TRACE(op);
    Tensor x = f32({static_cast<int64_t>(points.size())}, points);
    std::vector<double> expected;
    for (double v : x.doubles())
      expected.push_back(f(v));
    const std::string type = "tensor<?xf32>";
    Tensor y = value("%x: " + type, "tenon." + op + " %x " + attributes + " : " + type, type, {x});
    expectFloats(y, x.dims(), expected, 1e-6);
  }
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double softplus(double x) { return std::log1p(std::exp(x)); }

const std::vector<double> kPoints = {-4, -3.5, -2.5, -1, -0.5, -0.25, 0, 0.25, 0.5, 1, 1.5, 3, 3.5, 4};
const std::vector<double> kInsideOne = {-0.9, -0.5, -0.1, 0, 0.3, 0.8};

TEST_F(ActivationTest, PiecewiseLinear) {
  expectClosedForm("relu", "", kPoints, [](double x) { return std::max(x, 0.0); });
  expectClosedForm("leaky_relu", "{alpha = 0.25 : f64}", kPoints,
                   [](double x) { return x < 0 ? 0.25 * x : x; });
  expectClosedForm("clip", "{low = -1.0 : f64, high = 2.0 : f64}", kPoints,
                   [](double x) { return std::min(std::max(x, -1.0), 2.0); });
  expectClosedForm("hard_sigmoid", "{alpha = 0.25 : f64, beta = 0.5 : f64}", kPoints,
                   [](double x) { return std::min(std::max(0.25 * x + 0.5, 0.0), 1.0); });
  expectClosedForm("hard_swish", "", kPoints,
                   [](double x) { return x * std::min(std::max(x / 6 + 0.5, 0.0), 1.0); });
  expectClosedForm("thresholded_relu", "{alpha = 1.0 : f64}", kPoints,
                   [](double x) { return x > 1 ? x : 0; });
}

TEST_F(ActivationTest, Smooth) {
  expectClosedForm("sigmoid", "", kPoints, sigmoid);
  expectClosedForm("silu", "{alpha = 1.5 : f64}", kPoints, [](double x) { return x * sigmoid(1.5 * x); });
  expectClosedForm("gelu", "", kPoints, [](double x) { return x / 2 * (1 + std::erf(x / std::sqrt(2.0))); });
  expectClosedForm("gelu", "{tanh_approximation}", kPoints, [](double x) {
    return x / 2 * (1 + std::tanh(std::sqrt(2 / 3.14159265358979) * (x + 0.044715 * x * x * x)));
  });
  expectClosedForm("elu", "{alpha = 0.5 : f64}", kPoints,
                   [](double x) { return x < 0 ? 0.5 * std::expm1(x) : x; });
  expectClosedForm("selu", "{alpha = 1.6 : f64, gamma = 1.05 : f64}", kPoints,
                   [](double x) { return 1.05 * (x <= 0 ? 1.6 * std::expm1(x) : x); });
  expectClosedForm("celu", "{alpha = 2.0 : f64}", kPoints,
                   [](double x) { return std::max(x, 0.0) + std::min(0.0, 2 * std::expm1(x / 2)); });
  expectClosedForm("softsign", "", kPoints, [](double x) { return x / (1 + std::fabs(x)); });
  expectClosedForm("mish", "", kPoints, [](double x) { return x * std::tanh(softplus(x)); });
}

TEST_F(ActivationTest, SoftplusDoesNotOverflow) {
  expectClosedForm("softplus", "", kPoints, softplus);
  expectClosedForm("softplus", "", {200, -200}, [](double x) { return std::max(x, 0.0); });
}

TEST_F(ActivationTest, TrigonometryAndHyperbolas) {
  expectClosedForm("tan", "", {-1, -0.5, 0, 0.5, 1}, [](double x) { return std::tan(x); });
  expectClosedForm("acos", "", kInsideOne, [](double x) { return std::acos(x); });
  expectClosedForm("sinh", "", {-2, -0.5, 0, 0.5, 2}, [](double x) { return std::sinh(x); });
  expectClosedForm("cosh", "", {-2, -0.5, 0, 0.5, 2}, [](double x) { return std::cosh(x); });
  expectClosedForm("asinh", "", kPoints, [](double x) { return std::asinh(x); });
  expectClosedForm("acosh", "", {1, 1.5, 4, 20}, [](double x) { return std::acosh(x); });
  expectClosedForm("atanh", "", kInsideOne, [](double x) { return std::atanh(x); });
  expectClosedForm("reciprocal", "", {-4, -0.5, 0.25, 8}, [](double x) { return 1 / x; });
}

TEST_F(ActivationTest, ModHasTheSignOfTheDivisor) {
  const std::string type = "tensor<4xi64>";
  expectInts(value("%a: " + type + ", %b: " + type, "tenon.mod %a, %b : " + type, type,
                   {i64({4}, {7, -7, 7, -7}), i64({4}, {3, 3, -3, -3})}),
             {4}, {1, 2, -2, -1});
}

TEST_F(ActivationTest, IntegersHaveRelu) {
  const std::string type = "tensor<3xi64>";
  expectInts(value("%a: " + type, "tenon.relu %a : " + type, type, {i64({3}, {-7, 0, 7})}), {3}, {0, 0, 7});
}

} // namespace
