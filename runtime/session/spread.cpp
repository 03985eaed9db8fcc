#include "runtime/session/spread.h"

namespace tenon::runtime {

namespace {

/// Runs that a choice is tried for; those before have to find workers awake and memory in caches.
constexpr uint32_t kTried = 6, kNotCounted = 2;
/// Runs before the first trial and between trials, more of them as long as the choice stays.
constexpr uint32_t kFirst = 8, kShortest = 256, kLongest = 4096;
/// Runs before a trial that has to confirm a change.
constexpr uint32_t kConfirming = 32;
/// Longer runs gain from workers whatever handing work over costs.
constexpr uint64_t kLongNs = 5000000;

} // namespace

void Spread::start(int64_t threshold, bool adapts) {
  thresholds_[0] = threshold;
  thresholds_[1] = threshold < INT64_MAX / 8 ? threshold * 8 : INT64_MAX;
  thresholds_[2] = INT64_MAX;
  adapts_ = adapts;
  restart();
}

void Spread::restart() {
  choice_ = kept_ = found_ = runs_ = 0;
  period_ = kFirst;
  leastUsed_ = UINT64_MAX;
  state_ = State::Using;
}

void Spread::beginTrial() {
  state_ = State::Trying;
  for (uint64_t &least : least_)
    least = UINT64_MAX;
  choice_ = runs_ = 0;
}

void Spread::endTrial() {
  uint32_t best = kept_;
  for (uint32_t c = 0; c < kChoices; ++c)
    if (least_[c] < least_[best] / 20 * 19) // not for a twentieth
      best = c;
  if (best != kept_ && best != found_)
    period_ = kConfirming;
  else if (best != kept_ || period_ < kShortest)
    period_ = kShortest;
  else
    period_ = period_ * 2 < kLongest ? period_ * 2 : kLongest;
  if (best == found_)
    kept_ = best;
  found_ = best;
  choice_ = kept_;
  runs_ = 0;
  leastUsed_ = UINT64_MAX;
  state_ = State::Using;
}

void Spread::ran(uint64_t ns) {
  ++runs_;
  if (state_ == State::Using) {
    leastUsed_ = ns < leastUsed_ ? ns : leastUsed_;
    if (runs_ < period_)
      return;
    if (leastUsed_ >= kLongNs)
      state_ = State::Settled;
    else
      beginTrial();
    return;
  }
  if (runs_ > kNotCounted && ns < least_[choice_])
    least_[choice_] = ns;
  if (runs_ < kTried)
    return;
  runs_ = 0;
  if (++choice_ == kChoices)
    endTrial();
}

} // namespace tenon::runtime
