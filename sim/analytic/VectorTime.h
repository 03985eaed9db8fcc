// Time of code on the vector core without simulating it: bundles issue in order, each waits for the results
// that it reads.
#pragma once

#include "isa/mortise/Hardware.h"

#include <functional>
#include <map>

namespace tenon::sim {

/// More cycles than one that an instruction takes to issue (words that come from one bank).
using ExtraCycles = std::function<double(const mortise::Instruction &)>;

struct VectorCost {
  double cycles = 0;
  double picojoules = 0; ///< of the instructions; the scratchpad's words come on top
};

class VectorTime {
public:
  explicit VectorTime(const mortise::Hardware &hardware, ExtraCycles extra = {})
      : hardware_(hardware), extra_(std::move(extra)) {}

  /// The cycles of [begin, end) after what was issued before. Loops with counts in the code (not nested) are
  /// taken in steady state from the fourth iteration on; `ret` ends.
  VectorCost issue(const std::vector<mortise::Instruction> &code, size_t begin, size_t end);

private:
  void issueBundle(const std::vector<mortise::Instruction> &code, size_t begin, size_t end);

  const mortise::Hardware &hardware_;
  ExtraCycles extra_;
  std::map<std::pair<mortise::OperandKind, int>, double> ready_;
  double now_ = 0, specialFree_ = 0, picojoules_ = 0;
};

/// One iteration of a loop body [begin, end), in steady state, without bank conflicts.
VectorCost loopBody(const std::vector<mortise::Instruction> &code, size_t begin, size_t end,
                    const mortise::Hardware &hardware);

} // namespace tenon::sim
