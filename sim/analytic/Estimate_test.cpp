#include "sim/analytic/Estimate.h"

#include "sim/Machine.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace tenon::sim;
using tenon::mortise::Error, tenon::mortise::Hardware, tenon::mortise::loadHardware;

namespace {

Layer randomLayer(std::mt19937_64 &random) {
  auto pick = [&](std::initializer_list<int64_t> values) { return values.begin()[random() % values.size()]; };
  int64_t kernel = pick({1, 1, 3, 3, 5}), size = pick({7, 14, 28, 56}) + kernel - 1;
  switch (random() % 4) {
  case 0:
    return Layer::gemm("gemm", pick({1, 16, 64, 128, 197, 384}), pick({32, 64, 100, 256, 768}),
                       pick({32, 64, 147, 256, 768}));
  case 1: {
    int64_t channels = pick({16, 32, 72, 128, 240});
    return {"depthwise", LayerKind::Depthwise, size + 2, size + 2, channels, channels, 3, 3, pick({1, 2})};
  }
  default:
    return {"conv",
            LayerKind::Convolution,
            size,
            size,
            pick({3, 16, 32, 64, 128, 256}),
            pick({16, 32, 64, 96, 256}),
            kernel,
            kernel,
            pick({1, 1, 2})};
  }
}

Hardware randomMachine(std::mt19937_64 &random) {
  auto pick = [&](auto... values) {
    int64_t all[] = {int64_t(values)...};
    return all[random() % sizeof...(values)];
  };
  Hardware h = loadHardware("edge-512k");
  h.matrix.rows = pick(16, 32, 64);
  h.matrix.columns = pick(16, 32, 64);
  h.matrix.weightTiles = pick(1, 2, 4);
  h.accumulators.bytes = h.matrix.columns * 4 * pick(256, 512, 1024);
  h.scratchpad.bytes = pick(262144, 524288, 1048576);
  h.vector.lanes = pick(16, 32, 64);
  h.dram.bytesPerCycle = double(pick(4, 8, 16, 32, 64));
  h.dram.latency = pick(50, 100, 200);
  h.dma.setup = pick(16, 32, 64);
  return h;
}

TEST(Estimate, errorAgainstTheCycleTier) {
  std::mt19937_64 random(11);
  std::vector<double> errors;
  while (errors.size() < 500) {
    Layer layer = randomLayer(random);
    Hardware h = randomMachine(random);
    try {
      cutLayer(layer, h);
    } catch (const Error &error) {
      ASSERT_EQ(error.code(), "TN1221");
      continue;
    }
    if (layer.macs() > 150'000'000)
      continue;
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
