// From a kernel in virtual registers to bundles of the vector core.
//
//   CompiledKernel kernel = compile(function, hardware, {});
//   uint32_t start = kernel.appendTo(program);   // `vrun` goes there
//
// The launcher sets parameter k in scalar register k + 1 by `vset` before every `vrun`: kernels change
// registers.
#pragma once

#include "compiler/emit/mortise/vector/VectorFunction.h"

#include "isa/mortise/Hardware.h"
#include "isa/mortise/Program.h"

namespace tenon::npu {

/// Where vectors go that find no register: bytes from the value of a parameter on, or from an address.
struct SpillRange {
  std::optional<Value> base; ///< a parameter
  int64_t address = 0;       ///< of the scratchpad, where there is no parameter
  int64_t bytes = 0;         ///< 0: spilling is an error
};

/// Passes can be left out, to measure them.
struct VectorOptions {
  bool combine = true;  ///< instruction combiner: folding, common subexpressions, hoisting, increments
  bool coalesce = true; ///< copies of carried values share registers
  bool schedule = true; ///< list scheduling into bundles
  bool pipeline = true; ///< modulo scheduling of innermost loops (needs `schedule`)
  bool unroll =
      true; ///< short loops within loops become straight code where the loop around is pipelined then
  SpillRange spill;
};

struct LoopStatistics {
  unsigned number = 0;      ///< in the order of beginnings
  unsigned plainCycles = 0; ///< cycles of an iteration without overlap
  unsigned interval = 0;    ///< initiation interval; 0: not pipelined
  unsigned stages = 0;      ///< iterations that are under way at once
  unsigned copies = 0;      ///< iterations that the kernel of the pipeline holds
};

struct KernelStatistics {
  unsigned instructions = 0, bundles = 0;
  unsigned spilled = 0;                               ///< vectors that live in the spill area
  unsigned remade = 0;                                ///< constants that are made again where they are used
  std::array<unsigned, kRegisterClasses> registers{}; ///< scalar, vector, predicate
  std::vector<LoopStatistics> loops;                  ///< innermost ones
};

struct CompiledKernel {
  std::string name;
  std::vector<mortise::Instruction> code; ///< ends in `ret`; labels count from its first instruction
  std::vector<std::string> parameters;    ///< parameter k is in scalar register k + 1
  KernelStatistics statistics;

  /// Appends the code with its labels moved; returns where it begins.
  uint32_t appendTo(mortise::Program &program) const;
};

/// TN1350, TN1352: see `verify`. TN1351 where the kernel needs more registers than there are and the spill
/// area (or what can be spilled: vectors and constants) does not suffice.
CompiledKernel compile(const VectorFunction &function, const mortise::Hardware &hardware,
                       const VectorOptions &options);

/// Cycles of one run with those parameters, from the first bundle to the end of `ret`, where no engine takes
/// a bank and no access conflicts with another of its bundle. TN1353 where a trip count depends on data.
uint64_t estimateCycles(const CompiledKernel &kernel, const mortise::Hardware &hardware,
                        std::span<const int64_t> parameters);

} // namespace tenon::npu
