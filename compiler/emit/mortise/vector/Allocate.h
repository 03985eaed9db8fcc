// Physical registers.
#pragma once

#include "compiler/emit/mortise/vector/CompileKernel.h"
#include "compiler/emit/mortise/vector/MachineCode.h"

namespace tenon::npu {

struct Allocation {
  std::vector<int> physical;                     ///< of each register; -1: it got none, or is never live
  std::vector<RegisterId> failed;                ///< registers that found none free
  std::array<unsigned, kRegisterClasses> used{}; ///< physical registers in use
};

/// Graph colouring (Chaitin and Briggs: what has few neighbours last, the rest optimistically). `costs`: what
/// it would cost to spill a register's origin; the cheapest are coloured last.
Allocation allocate(const MachineFunction &function, const std::vector<double> &costs);

/// Uses and definitions, weighted by ten for each loop around them.
std::vector<double> spillCosts(const MachineFunction &function);

/// Rewrites code that is not scheduled yet so that registers live in the scratchpad, or are made again from
/// their constants where they are used.
class Spiller {
public:
  Spiller(MachineFunction &function, const SpillRange &area, int64_t lanes)
      : function_(function), area_(area), lanes_(lanes) {}
  bool canSpill(RegisterId r) const;
  /// TN1351 where the area is full.
  void spill(RegisterId r);
  unsigned stored() const { return stored_; }
  unsigned remade() const { return remade_; }

private:
  void rewrite(std::vector<Node> &nodes, RegisterId r, int64_t slot);
  void reload(std::vector<Bundle> &to, RegisterId r, RegisterId fresh, int64_t slot);
  RegisterId base();

  MachineFunction &function_;
  const SpillRange &area_;
  int64_t lanes_;
  std::optional<RegisterId> base_;
  unsigned stored_ = 0, remade_ = 0;
};

} // namespace tenon::npu
