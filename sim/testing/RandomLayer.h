// Random layers and machines for tests of time.
#pragma once

#include "sim/workloads/Layer.h"

#include <random>

namespace tenon::sim {

Layer randomLayer(std::mt19937_64 &random);
/// edge-512k with other sizes, bandwidths and latencies.
mortise::Hardware randomMachine(std::mt19937_64 &random);
/// Both, so that the layer fits the machine and is simulated in milliseconds.
std::pair<Layer, mortise::Hardware> randomLayerOnMachine(std::mt19937_64 &random);

} // namespace tenon::sim
