// What the estimates of all kinds of layers share: the memory behind the channels, traffic and energy.
#pragma once

#include "sim/analytic/Estimate.h"

#include <array>
#include <cmath>

namespace tenon::sim {

inline double ceilDiv(int64_t a, int64_t b) {
  int64_t whole = (a + b - 1) / b;
  return double(whole);
}

/// Bursts of `runs` runs of `bytes`, `stride` apart in memory and `local` in the scratchpad; contiguous ones
/// are one run.
double burstsOf(int64_t runs, int64_t bytes, int64_t stride, int64_t local, int64_t burst);

/// The channels and the memory behind them.
class Transfers {
public:
  explicit Transfers(const mortise::Hardware &h) : h_(h) {}
  /// When the last byte is there. `local`: words of the scratchpad that the channel moves one a cycle.
  double move(unsigned channel, double request, double bursts, double words) {
    double &setUp = setUp_[channel], &port = port_[channel];
    setUp = std::max(setUp, request) + double(h_.dma.setup);
    double cost = bursts * double(h_.dram.burst) / h_.dram.bytesPerCycle;
    double begin = std::max(setUp, port), end = take(begin, cost);
    busy += cost;
    port = std::max(end, begin + words);
    return port + double(h_.dram.latency) + 1;
  }
  double busy = 0;

private:
  /// Takes the memory for `cost` cycles from `begin` on; bursts of others that were asked for later, but come
  /// earlier in this program's order, leave gaps that are used. Returns the end.
  double take(double begin, double cost);

  struct Gap {
    double from, to;
  };
  static constexpr size_t kGaps = 8;
  const mortise::Hardware &h_;
  double setUp_[3] = {}, port_[3] = {};
  double bus_ = 0;
  std::array<Gap, kGaps> gaps_{};
  size_t gapCount_ = 0;
};

/// A layer on a machine, with the functions that book its transfers.
struct Tier {
  Tier(const Layer &layer, const mortise::Hardware &h)
      : layer(layer), h(h), cut(cutLayer(layer, h)), transfers(h) {}
  int64_t rowsOf(int64_t tile) const { return std::min(cut.rows, layer.outputHeight() - tile * cut.rows); }
  int64_t inputBytes(int64_t tile) const {
    return ((rowsOf(tile) - 1) * layer.stride + layer.kernelHeight) * layer.width * layer.channels *
           layer.elementBytes();
  }
  double load(unsigned channel, double request, int64_t bytes) {
    double bursts = std::ceil(double(bytes) / double(h.dram.burst));
    result.dramRead += bursts * double(h.dram.burst);
    return transfers.move(channel, request, bursts,
                          ceilDiv(bytes, std::min(h.scratchpad.width, h.dram.burst)));
  }
  double store(double request, int64_t runs, int64_t bytes, int64_t stride, int64_t local) {
    double bursts = burstsOf(runs, bytes, stride, local, h.dram.burst);
    result.dramWrite += bursts * double(h.dram.burst);
    return transfers.move(2, request, bursts, std::max(bursts, ceilDiv(runs * bytes, h.scratchpad.width)));
  }
  double action(const char *name) const {
    auto found = h.energy.actions.find(name);
    return found == h.energy.actions.end() ? 0 : found->second;
  }
  /// `scratchpadWords`: read by the engines; `sums`: of accumulators, read and written; `arithmetic`: pJ.
  void finish(double end, double scratchpadWords, double sums, double arithmetic);

  const Layer &layer;
  const mortise::Hardware &h;
  Cut cut;
  Transfers transfers;
  Estimate result;
};

Estimate estimateConvolution(const Layer &layer, const mortise::Hardware &hardware);
Estimate estimateDepthwise(const Layer &layer, const mortise::Hardware &hardware);
Estimate estimateAttention(const Layer &layer, const mortise::Hardware &hardware);

} // namespace tenon::sim
