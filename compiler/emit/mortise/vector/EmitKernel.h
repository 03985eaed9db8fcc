// Bundles and loops as words.
#pragma once

#include "compiler/emit/mortise/vector/MachineCode.h"

namespace tenon::npu {

/// `physical`: of each register. The code ends in `ret`.
std::vector<mortise::Instruction> emit(const MachineFunction &function, const std::vector<int> &physical);

} // namespace tenon::npu
