// Runs a VectorFunction directly, value by value, with the simulator's semantics of single instructions; and
// a compiled kernel on the simulator.
#pragma once

#include "compiler/emit/mortise/vector/CompileKernel.h"

namespace tenon::npu {

/// The first bytes of the scratchpad, before and after.
using Memory = std::vector<uint8_t>;

Memory interpret(const VectorFunction &function, const mortise::Hardware &hardware, Memory memory,
                 const std::vector<int64_t> &parameters);

struct Simulated {
  Memory memory;
  uint64_t cycles = 0; ///< of the vector engine: busy and stalled for itself
};
/// Copies the memory in, runs the kernel, copies it out.
Simulated simulate(const CompiledKernel &kernel, const mortise::Hardware &hardware, const Memory &memory,
                   const std::vector<int64_t> &parameters);

} // namespace tenon::npu
