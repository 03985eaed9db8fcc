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

double Memory::take(double begin, double cost) {
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
    double at = std::max(free_, begin);
    // The flow takes the idle time first, then every other turn.
    double idle = std::min(flowLeft_, std::max(0.0, at - std::max(free_, flowBegin_)));
    flowLeft_ -= idle;
    if (idle > 0)
      flowEnd_ = free_ = std::max(free_, flowBegin_) + idle;
    if (at > free_)
      keep(free_, at);
    double shared = at + cost > flowBegin_ ? std::min(flowLeft_, cost) : 0;
    flowLeft_ -= shared;
    if (shared > 0)
      flowEnd_ = at + 2 * shared;
    free_ = end = at + cost + shared;
  }
  size_t dropped = count > kGaps ? count - kGaps : 0;
  gapCount_ = count - dropped;
  std::copy_n(left.begin() + dropped, gapCount_, gaps_.begin());
  return end;
}

void Memory::flow(double begin, double cost) {
  settle();
  flowBegin_ = begin;
  flowLeft_ = cost;
  busy += cost;
}

double Memory::settle() {
  if (flowLeft_ > 0)
    flowEnd_ = free_ = std::max(free_, flowBegin_) + flowLeft_;
  flowLeft_ = 0;
  return flowEnd_;
}

void Tier::loadBeside(unsigned channel, Memory &from, double request, int64_t bytes) {
  double &setUp = setUp_[channel];
  setUp = std::max(setUp, request) + double(h.dma.setup);
  double begin = std::max(setUp, port_[channel]),
         bursts = std::ceil(double(bytes) / double(from.timing.burst));
  from.read += bursts * double(from.timing.burst);
  from.flow(begin, bursts * double(from.timing.burst) / from.timing.bytesPerCycle);
  besideWords_ = begin + ceilDiv(bytes, std::min(h.scratchpad.width, from.timing.burst));
}

double Tier::arrived(unsigned channel, Memory &from) {
  port_[channel] = std::max(from.settle(), besideWords_);
  return port_[channel] + double(from.timing.latency) + 1;
}

double Tier::move(unsigned channel, Memory &memory, double request, double bursts, double words) {
  double &setUp = setUp_[channel], &port = port_[channel];
  setUp = std::max(setUp, request) + double(h.dma.setup);
  double cost = bursts * double(memory.timing.burst) / memory.timing.bytesPerCycle;
  double begin = std::max(setUp, port), end = memory.take(begin, cost);
  memory.busy += cost;
  port = std::max(end, begin + words);
  return port + double(memory.timing.latency) + 1;
}

void Tier::finish(double end, double scratchpadWords, double sums, double arithmetic) {
  result.cycles = end;
  result.macs = double(layer.macs());
  result.dramBusy = dram.busy;
  result.l2Busy = l2.busy;
  result.dramRead = dram.read;
  result.dramWrite = dram.written;
  result.l2Read = l2.read;
  result.l2Write = l2.written;
  double moved = dram.read + dram.written + l2.read + l2.written;
  result.picojoules = dram.read * action("dram.read") + dram.written * action("dram.write") +
                      l2.read * action("l2.read") + l2.written * action("l2.write") +
                      scratchpadWords * action("scratchpad.read") +
                      moved / double(h.scratchpad.width) * action("scratchpad.write") +
                      sums * (action("accumulator.read") + action("accumulator.write")) +
                      end * h.energy.staticPerCycle + arithmetic;
}

} // namespace tenon::sim
