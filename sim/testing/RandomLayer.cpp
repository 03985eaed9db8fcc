#include "sim/testing/RandomLayer.h"

namespace tenon::sim {

Layer randomLayer(std::mt19937_64 &random) {
  auto pick = [&](std::initializer_list<int64_t> values) { return values.begin()[random() % values.size()]; };
  int64_t kernel = pick({1, 1, 3, 3, 5}), size = pick({7, 14, 28, 56}) + kernel - 1;
  switch (random() % 5) {
  case 4:
    return Layer::attention("attention", pick({64, 128, 192, 256, 384, 512}), pick({1, 2}), pick({64, 128}));
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

mortise::Hardware randomMachine(std::mt19937_64 &random) {
  auto pick = [&](auto... values) {
    int64_t all[] = {int64_t(values)...};
    return all[random() % sizeof...(values)];
  };
  mortise::Hardware h = mortise::loadHardware("edge-512k");
  h.matrix.rows = pick(16, 32, 64);
  h.matrix.columns = pick(16, 32, 64);
  h.matrix.weightTiles = pick(1, 2, 4);
  h.accumulators.bytes = h.matrix.columns * 4 * pick(256, 512, 1024);
  h.scratchpad.bytes = pick(262144, 524288, 1048576);
  h.vector.lanes = pick(16, 32, 64);
  h.dram.bytesPerCycle = double(pick(1, 4, 8, 16, 32, 64));
  h.dram.latency = pick(50, 100, 200);
  h.dma.setup = pick(16, 32, 64);
  if (pick(0, 0, 1)) {
    h.l2 = {pick(262144, 4194304), double(pick(8, 16, 64)), 32, 32};
    h.energy.actions["l2.read"] = h.energy.actions["l2.write"] = 3;
  }
  return h;
}

std::pair<Layer, mortise::Hardware> randomLayerOnMachine(std::mt19937_64 &random) {
  for (;;) {
    Layer layer = randomLayer(random);
    mortise::Hardware h = randomMachine(random);
    if (layer.macs() > 150'000'000)
      continue;
    try {
      cutLayer(layer, h);
      return {layer, h};
    } catch (const mortise::Error &error) {
      if (error.code() != "TN1221")
        throw;
    }
  }
}

} // namespace tenon::sim
