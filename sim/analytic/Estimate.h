// The analytic tier: a layer's time from its cut and the machine's description, one recurrence for each tile
// instead of a simulation of cycles. Microseconds for each layer; docs/mortise.md has its error against the
// cycle tier.
#pragma once

#include "sim/workloads/Layer.h"

#include <algorithm>

namespace tenon::sim {

struct Estimate {
  double cycles = 0;
  double matrixBusy = 0, vectorBusy = 0, dramBusy = 0, l2Busy = 0; ///< cycles
  double dramRead = 0, dramWrite = 0, l2Read = 0, l2Write = 0;     ///< bytes, whole bursts
  double macs = 0, picojoules = 0;
  /// The resource with the largest busy time.
  const char *limit() const {
    double most = std::max({dramBusy, l2Busy, matrixBusy, vectorBusy});
    return most == dramBusy ? "dram" : most == l2Busy ? "l2" : most == matrixBusy ? "matrix" : "vector";
  }
};

/// TN1221 where the layer does not fit the machine.
Estimate estimateLayer(const Layer &layer, const mortise::Hardware &hardware);

/// What the test over 500 random layers and machines holds the tier to; measured values are lower.
constexpr double kMedianError = 0.05, kPercentile95Error = 0.15;

} // namespace tenon::sim
