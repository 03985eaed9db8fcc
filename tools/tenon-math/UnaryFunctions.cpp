#include "tools/tenon-math/UnaryFunctions.h"

#include <cmath>
#include <limits>
#include <numbers>

namespace tenon::math {

static double rsqrt(double x) { return 1 / std::sqrt(x); }
static double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
static double silu(double x) { return x / (1 + std::exp(-x)); }

// x/2 * (1 + erf(x / sqrt 2)) without its cancellation.
static double gelu(double x) { return x / 2 * std::erfc(-x / std::numbers::sqrt2); }

// x/2 * (1 + tanh u) without its cancellation.
static double geluTanh(double x) {
  double u = std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x);
  return x / (1 + std::exp(-2 * u));
}

const std::vector<UnaryFunction> &unaryFunctions() {
  // 1 / (1 + exp(-x)) is 0 once exp(-x) is infinite.
  constexpr double leastSigmoid = 0x1p-128, finite = std::numeric_limits<float>::max();
  static const std::vector<UnaryFunction> functions = {
      {"exp", "tenon.exp %x", std::exp, 1.7},
      {"log", "tenon.log %x", std::log, 1},
      {"tanh", "tenon.tanh %x", std::tanh, 5.1},
      {"erf", "tenon.erf %x", std::erf, 6.3},
      {"sin", "tenon.sin %x", std::sin, 1.7, Unit::Result, 1e15},
      {"cos", "tenon.cos %x", std::cos, 1.7, Unit::Result, 1e15},
      {"asin", "tenon.asin %x", std::asin, 0.51},
      {"atan", "tenon.atan %x", std::atan, 0.51},
      {"sqrt", "tenon.sqrt %x", std::sqrt, 0.51},
      {"rsqrt", "tenon.rsqrt %x", rsqrt, 1.5},
      {"sigmoid", "tenon.sigmoid %x", sigmoid, 3.2, Unit::Result, 0, leastSigmoid},
      {"silu", "tenon.silu %x {alpha = 1.0 : f64}", silu, 4.3, Unit::Result, finite, 0x1p-121},
      {"gelu", "tenon.gelu %x", gelu, 2.6, Unit::Argument, finite},
      {"gelu_tanh", "tenon.gelu %x {tanh_approximation}", geluTanh, 2.7, Unit::Argument, finite},
  };
  return functions;
}

} // namespace tenon::math
