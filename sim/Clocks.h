// Vector clocks of the engines: what happens before what, through queues and semaphores, whatever the timing.
#pragma once

#include "isa/mortise/Isa.h"

#include <algorithm>

namespace tenon::sim {

constexpr unsigned kMaxEngines = mortise::kMaxCores * mortise::kEngines;

/// For each engine (core * kEngines + engine) the last of its epochs that is known to be complete.
struct Clock {
  std::array<uint32_t, kMaxEngines> epochs{};

  void join(const Clock &other, unsigned engines) {
    for (unsigned i = 0; i < engines; ++i)
      epochs[i] = std::max(epochs[i], other.epochs[i]);
  }
};

} // namespace tenon::sim
