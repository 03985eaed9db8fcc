// The rules of choice that the search tries in turn.
#pragma once

#include "compiler/offsets/PlacementSearch.h"

namespace tenon::offsets {

struct Attempt {
  Rule rule;
  uint64_t limit = 0; // steps
};

/// The attempt of this number, from 0. The first ones combine every way to choose with plain orders (long
/// lifetimes, crowded times, large areas first). Later ones draw exponents of lifetime, size and crowding,
/// and noise, from a generator seeded with the number; their limits follow Luby's sequence.
Attempt attempt(const Instance &instance, uint64_t number);

} // namespace tenon::offsets
