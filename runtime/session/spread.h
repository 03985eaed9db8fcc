// Which dispatches of a function are spread over workers, by what runs have taken.
//
// What it costs to hand work to another core is not known beforehand: it is under a microsecond where cores
// share a cache and several where they do not, and on a shared host it changes from one minute to the next.
// So a function that runs often tries, from time to time, to spread fewer dispatches, or none, and keeps to
// what was fastest, twice in a row: what else a host does can disturb one trial. Results do not depend on it.
#pragma once

#include <cstdint>

namespace tenon::runtime {

class Spread {
public:
  /// Dispatches are spread from `threshold` ns of estimated cost on; with `adapts`, possibly fewer of them.
  void start(int64_t threshold, bool adapts);
  /// Forgets what was measured: sizes have changed.
  void restart();
  /// Whether runs are to be measured: `run` wants their times.
  bool measures() const { return adapts_ && state_ != State::Settled; }
  /// The estimated cost from which the dispatches of the next run are spread.
  int64_t threshold() const { return thresholds_[choice_]; }
  /// The last run took `ns`.
  void ran(uint64_t ns);

private:
  // All, the larger ones, none.
  static constexpr uint32_t kChoices = 3;
  enum class State : uint8_t { Using, Trying, Settled };
  void beginTrial();
  void endTrial();

  int64_t thresholds_[kChoices] = {};
  uint64_t least_[kChoices] = {};
  uint64_t leastUsed_ = 0; // since the last trial
  uint32_t choice_ = 0;    // of the next run
  uint32_t kept_ = 0;      // between trials
  uint32_t found_ = 0;     // by the last trial
  uint32_t runs_ = 0;      // with this choice
  uint32_t period_ = 0;    // runs until the next trial
  State state_ = State::Using;
  bool adapts_ = false;
};

} // namespace tenon::runtime
