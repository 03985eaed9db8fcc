// Which registers are live at the same time.
#pragma once

#include "compiler/emit/mortise/vector/MachineCode.h"

namespace tenon::npu {

using RegisterSet = std::vector<bool>;

struct Interference {
  std::vector<RegisterSet> with; ///< symmetric
  /// By the loop's number: registers that hold a value across it, used in it or not, and at the head of its
  /// body.
  std::vector<RegisterSet> after, atHead;
  bool between(RegisterId a, RegisterId b) const { return with[a][b]; }
};

/// The source and target of a copy do not interfere for the sake of that copy.
Interference interferenceOf(const MachineFunction &function);

} // namespace tenon::npu
