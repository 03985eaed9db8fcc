// Random valid programs for tests: every engine works on shared buffers of the scratchpad, semaphores order
// what must be ordered, and the contents of all buffers end up in memory.
#pragma once

#include "isa/mortise/Program.h"

#include <cstdint>

namespace tenon::sim {

/// `broken`: one acquire or release is missing, so that the program may race, wait for ever, or end with a
/// semaphore that is not as it began. Runs on any machine with edge-512k's sizes.
mortise::Program randomProgram(uint64_t seed, bool broken);

} // namespace tenon::sim
