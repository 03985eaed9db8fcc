// From instructions in a row to bundles.
#pragma once

#include "compiler/emit/mortise/vector/Dependences.h"
#include "compiler/emit/mortise/vector/Liveness.h"

namespace tenon::npu {

/// Packs straight code: cycle by cycle, of what is ready the longest path to the end first. `inOrder`: the
/// order of the code decides instead, which keeps fewer values alive.
std::vector<Bundle> listSchedule(const std::vector<MachineOp> &ops, const DependenceOptions &options,
                                 bool inOrder);

/// Packs straight bundles anew, where that takes fewer cycles: those that pipelined loops leave at their ends
/// together with what is before and after.
std::vector<Bundle> repack(std::vector<Bundle> bundles, const DependenceOptions &options, size_t registers);

/// A software pipeline: instruction `i` of iteration `n` issues at `n * interval + times[i]`.
struct ModuloSchedule {
  unsigned interval = 0, stages = 0;
  unsigned copies = 1; ///< of the kernel: the most iterations that a register is alive in
  std::vector<unsigned> times;
  LoopRegisters registers;
  std::vector<unsigned> registerCopies; ///< of each renamable register; divide `copies`
};

/// What modulo scheduling may use.
struct ModuloLimits {
  unsigned minimumInterval = 1, maximumInterval = 0;
  unsigned maximumCopies = 8;
  std::array<unsigned, kRegisterClasses> available{}; ///< registers beside those alive across the loop
};

/// Iterative modulo scheduling (Rau, 1994); nothing where no interval within the limits is found.
std::optional<ModuloSchedule> moduloSchedule(const std::vector<MachineOp> &ops,
                                             const DependenceOptions &options, const LoopRegisters &registers,
                                             const ModuloLimits &limits);

/// The registers of an innermost loop that may be renamed or are pointers.
LoopRegisters loopRegisters(const std::vector<MachineOp> &ops, const RegisterSet &after,
                            const RegisterSet &atHead);

/// A pipelined loop's code, by windows of `interval` cycles: window w holds stage s of iteration w - s.
class PipelineExpansion {
public:
  PipelineExpansion(MachineFunction &function, const std::vector<MachineOp> &ops,
                    const ModuloSchedule &schedule);
  /// Whether every offset stays within 16 bits.
  bool fits() const;
  /// Prologue, kernel repeated `repeats` times (or as often as the register says), then `rest` more windows
  /// of the kernel, and the epilogue. Iterations: repeats * copies + rest + stages - 1.
  std::vector<Node> expand(int64_t repeats, std::optional<RegisterId> repeatRegister, unsigned rest,
                           unsigned loopNumber);

private:
  std::vector<Bundle> window(int64_t index, int64_t iterations);
  MachineOp instance(unsigned op, int64_t iteration, int64_t iterations);
  int64_t offsetChange(unsigned op, int64_t iteration, int64_t iterations) const;

  const std::vector<MachineOp> &ops_;
  const ModuloSchedule &schedule_;
  std::vector<std::vector<RegisterId>> names_; ///< of each renamable register, by copy
};

/// A minimum interval that no schedule has.
constexpr unsigned kRefused = UINT32_MAX;

struct ScheduleOptions {
  bool bundles = true;                   ///< list scheduling; off: one instruction a bundle
  bool pipeline = true;                  ///< modulo scheduling
  bool inOrder = false;                  ///< see listSchedule
  std::vector<unsigned> minimumInterval; ///< by loop; kRefused: not pipelined
};

struct LoopReport {
  unsigned number = 0;
  unsigned plainCycles = 0; ///< of an iteration without overlap
  unsigned interval = 0;    ///< initiation interval; 0: not pipelined
  unsigned stages = 0, copies = 0;
};

/// Schedules all code in place.
std::vector<LoopReport> schedule(MachineFunction &function, const mortise::Hardware &hardware,
                                 const ScheduleOptions &options);

} // namespace tenon::npu
