#include "sim/analytic/Tier.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tenon::sim {

double burstsOf(int64_t runs, int64_t bytes, int64_t stride, int64_t local, int64_t burst) {
  if (runs == 1 || (bytes == stride && bytes == local))
    return std::ceil(double(runs * bytes) / double(burst));
  // A run that begins anywhere in a burst touches (bytes - 1) / burst + 1 of them on average; aligned ones
  // fewer.
  if (stride % burst == 0)
    return double(runs) * ceilDiv(bytes, burst);
  int64_t unit = std::gcd(std::gcd(bytes, stride), burst);
  return double(runs) * (double(bytes - unit) / double(burst) + 1);
}

double Transfers::take(double begin, double cost) {
  double end = begin;
  std::array<Gap, kGaps + 3> left;
  size_t count = 0;
  auto keep = [&](double from, double to) {
    if (count == left.size()) // the oldest is before every later request
      std::move(left.begin() + 1, left.end(), left.begin()), --count;
    left[count++] = {from, to};
  };
  for (size_t i = 0; i < gapCount_; ++i) {
    auto [from, to] = gaps_[i];
    double at = std::max(from, begin), used = std::clamp(to - at, 0.0, cost);
    if (used <= 0) {
      keep(from, to);
      continue;
    }
    cost -= used;
    end = at + used;
    if (at > from)
      keep(from, at);
    if (to > at + used)
      keep(at + used, to);
  }
  if (cost > 0) {
    double at = std::max(bus_, begin);
    if (at > bus_)
      keep(bus_, at);
    bus_ = end = at + cost;
  }
  size_t dropped = count > kGaps ? count - kGaps : 0;
  gapCount_ = count - dropped;
  std::copy_n(left.begin() + dropped, gapCount_, gaps_.begin());
  return end;
}

void Tier::finish(double end, double scratchpadWords, double sums, double arithmetic) {
  result.cycles = end;
  result.macs = double(layer.macs());
  result.dramBusy = transfers.busy;
  result.picojoules =
      result.dramRead * action("dram.read") + result.dramWrite * action("dram.write") +
      scratchpadWords * action("scratchpad.read") +
      (result.dramRead + result.dramWrite) / double(h.scratchpad.width) * action("scratchpad.write") +
      sums * (action("accumulator.read") + action("accumulator.write")) + end * h.energy.staticPerCycle +
      arithmetic;
}

} // namespace tenon::sim
