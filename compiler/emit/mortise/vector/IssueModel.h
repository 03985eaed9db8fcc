// When bundles issue: in order, each waits for the results that it reads. The rules are those of the
// simulator's vector core but for its banks.
#pragma once

#include "compiler/emit/mortise/vector/MachineCode.h"

namespace tenon::npu {

class IssueModel {
public:
  IssueModel(const mortise::Hardware &hardware, size_t registers)
      : hardware_(hardware), ready_(registers, 0) {}
  /// The cycle in which the bundle issues.
  uint64_t issue(const Bundle &bundle);
  /// Cycles that pass without a bundle.
  void pass(uint64_t cycles) { now_ += cycles; }
  uint64_t now() const { return now_; } ///< the first cycle in which the next bundle may issue

private:
  const mortise::Hardware &hardware_;
  std::vector<uint64_t> ready_;
  uint64_t now_ = 0, specialFree_ = 0;
};

/// Cycles of one more iteration of that body, once the loop is under way.
uint64_t cyclesPerIteration(const std::vector<Bundle> &body, const mortise::Hardware &hardware,
                            size_t registers);

} // namespace tenon::npu
