#include "compiler/emit/mortise/vector/IssueModel.h"

#include <algorithm>

namespace tenon::npu {

uint64_t IssueModel::issue(const Bundle &bundle) {
  uint64_t at = now_;
  for (const MachineOp &op : bundle) {
    const mortise::Row &row = op.row();
    uint64_t latency = latencyOf(op.id, hardware_);
    for (unsigned k = 0; k < row.operandCount; ++k) {
      if (!classOf(row.operands[k].kind) || RegisterId(op.operands[k]) == kAlwaysRegister)
        continue;
      uint64_t ready = ready_[size_t(op.operands[k])];
      // A result must not overtake an older one of the same register.
      if (!isRead(row, k))
        ready = ready > latency ? ready - latency : 0;
      at = std::max(at, ready);
    }
    if (isSpecial(op.id))
      at = std::max(at, specialFree_);
  }
  for (const MachineOp &op : bundle) {
    const mortise::Row &row = op.row();
    if (isSpecial(op.id))
      specialFree_ = at + uint64_t(hardware_.vector.specialCycles);
    for (unsigned k = 0; k < row.operandCount; ++k)
      if (classOf(row.operands[k].kind) && !isRead(row, k))
        ready_[size_t(op.operands[k])] = at + latencyOf(op.id, hardware_);
  }
  now_ = at + 1;
  return at;
}

uint64_t cyclesPerIteration(const std::vector<Bundle> &body, const mortise::Hardware &hardware,
                            size_t registers) {
  IssueModel model(hardware, registers);
  constexpr int kWarm = 3;
  uint64_t before = 0;
  for (int round = 0; round <= kWarm; ++round) {
    before = model.now();
    for (const Bundle &bundle : body)
      model.issue(bundle);
  }
  return model.now() - before;
}

} // namespace tenon::npu
