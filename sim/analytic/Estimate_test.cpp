#include "sim/analytic/Estimate.h"

#include "sim/Machine.h"
#include "sim/testing/RandomLayer.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace tenon::sim;

namespace {

TEST(Estimate, errorAgainstTheCycleTier) {
  std::mt19937_64 random(11);
  std::vector<double> errors;
  while (errors.size() < 500) {
    auto [layer, h] = randomLayerOnMachine(random);
    Options options;
    options.functional = options.hazards = false;
    auto measured = double(Machine(h, layerProgram(layer, h), options).run().cycles);
    double estimated = estimateLayer(layer, h).cycles;
    errors.push_back(std::abs(estimated - measured) / measured);
  }
  std::sort(errors.begin(), errors.end());
  double median = errors[errors.size() / 2], percentile = errors[errors.size() * 95 / 100];
  std::printf("error of the analytic tier: median %.2f %%, 95th percentile %.2f %%, largest %.2f %%\n",
              100 * median, 100 * percentile, 100 * errors.back());
  EXPECT_LT(median, kMedianError);
  EXPECT_LT(percentile, kPercentile95Error);
}

} // namespace
