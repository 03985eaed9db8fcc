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

/// A memory behind the channels.
class Memory {
public:
  explicit Memory(const mortise::MemoryTiming &timing) : timing(timing) {}
  /// Takes it for `cost` cycles from `begin` on; bursts of others that were asked for later, but come earlier
  /// in this program's order, leave gaps that are used. Returns the end.
  double take(double begin, double cost);
  /// A long transfer of another channel, which takes what is idle and turns with what `take` asks for until
  /// it is through. One at a time: an unfinished one is settled first.
  void flow(double begin, double cost);
  /// When the last one is through; from then on the memory is free.
  double settle();

  const mortise::MemoryTiming &timing;
  double busy = 0, read = 0, written = 0; ///< cycles; bytes

private:
  struct Gap {
    double from, to;
  };
  static constexpr size_t kGaps = 8;
  double free_ = 0;
  double flowBegin_ = 0, flowLeft_ = 0, flowEnd_ = 0;
  std::array<Gap, kGaps> gaps_{};
  size_t gapCount_ = 0;
};

/// A layer on a machine, with the functions that book its transfers.
struct Tier {
  Tier(const Layer &layer, const mortise::Hardware &h)
      : layer(layer), h(h), cut(cutLayer(layer, h)), dram(h.dram), l2(h.l2) {}
  int64_t rowsOf(int64_t tile) const { return std::min(cut.rows, layer.outputHeight() - tile * cut.rows); }
  int64_t inputBytes(int64_t tile) const {
    return ((rowsOf(tile) - 1) * layer.stride + layer.kernelHeight) * layer.width * layer.channels *
           layer.elementBytes();
  }
  /// Where input and output lie.
  Memory &activations() { return cut.onChip ? l2 : dram; }
  /// The next three: when the last byte is there. `words` of the scratchpad go one a cycle.
  double load(unsigned channel, Memory &from, double request, int64_t bytes) {
    const mortise::MemoryTiming &timing = from.timing;
    return loadBursts(channel, from, request, std::ceil(double(bytes) / double(timing.burst)),
                      ceilDiv(bytes, std::min(h.scratchpad.width, timing.burst)));
  }
  double loadBursts(unsigned channel, Memory &from, double request, double bursts, double words) {
    from.read += bursts * double(from.timing.burst);
    return move(channel, from, request, bursts, words);
  }
  /// Begins to load while other channels go on; `arrived` tells when the last byte is there.
  void loadBeside(unsigned channel, Memory &from, double request, int64_t bytes);
  double arrived(unsigned channel, Memory &from);
  double store(double request, int64_t runs, int64_t bytes, int64_t stride, int64_t local) {
    Memory &to = activations();
    double bursts = burstsOf(runs, bytes, stride, local, to.timing.burst);
    to.written += bursts * double(to.timing.burst);
    return move(2, to, request, bursts, std::max(bursts, ceilDiv(runs * bytes, h.scratchpad.width)));
  }
  double move(unsigned channel, Memory &memory, double request, double bursts, double words);
  double action(const char *name) const {
    auto found = h.energy.actions.find(name);
    return found == h.energy.actions.end() ? 0 : found->second;
  }
  /// `scratchpadWords`: read by the engines; `sums`: of accumulators, read and written; `arithmetic`: pJ.
  void finish(double end, double scratchpadWords, double sums, double arithmetic);

  const Layer &layer;
  const mortise::Hardware &h;
  Cut cut;
  Memory dram, l2;
  Estimate result;

private:
  double setUp_[3] = {}, port_[3] = {}; ///< by channel
  double besideWords_ = 0; ///< when the scratchpad has taken what is loaded beside, at the earliest
};

Estimate estimateConvolution(const Layer &layer, const mortise::Hardware &hardware);
Estimate estimateDepthwise(const Layer &layer, const mortise::Hardware &hardware);
Estimate estimateAttention(const Layer &layer, const mortise::Hardware &hardware);

} // namespace tenon::sim
