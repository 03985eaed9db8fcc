#include "sim/analytic/VectorTime.h"

#include <algorithm>

namespace tenon::sim {

using mortise::Id, mortise::Unit;

namespace {

constexpr int kIterations = 4;

size_t endOfBundle(const std::vector<mortise::Instruction> &code, size_t at) {
  while (code[at].chained)
    ++at;
  return at + 1;
}

} // namespace

void VectorTime::issueBundle(const std::vector<mortise::Instruction> &code, size_t begin, size_t end) {
  double at = now_, more = 0;
  std::vector<std::pair<std::pair<mortise::OperandKind, int>, double>> results;
  for (size_t i = begin; i < end; ++i) {
    const mortise::Row &row = code[i].row();
    auto changed = hardware_.vector.latency.find(row.mnemonic);
    double latency = changed == hardware_.vector.latency.end() ? row.latency : double(changed->second);
    auto action = hardware_.energy.actions.find(row.action);
    if (action != hardware_.energy.actions.end())
      picojoules_ += action->second;
    bool special = std::string_view(row.action) == "vector.special";
    if (special)
      at = std::max(at, specialFree_);
    if (extra_)
      more = std::max(more, extra_(code[i]));
    for (unsigned o = 0; o < row.operandCount; ++o) {
      std::pair key(row.operands[o].kind, code[i].operands[o]);
      auto pending = ready_.find(key);
      if (row.operands[o].name == 'd' && row.unit != Unit::Store)
        results.emplace_back(key, latency);
      else if (pending != ready_.end())
        at = std::max(at, pending->second);
    }
    if (special)
      specialFree_ = at + double(hardware_.vector.specialCycles);
  }
  at += more;
  for (const auto &[key, latency] : results)
    ready_[key] = at + latency;
  now_ = at + 1;
}

VectorCost VectorTime::issue(const std::vector<mortise::Instruction> &code, size_t begin, size_t end) {
  VectorCost before{now_, picojoules_};
  for (size_t i = begin; i < end && code[i].id != Id::Ret;) {
    size_t next = endOfBundle(code, i);
    issueBundle(code, i, next);
    if (code[i].id == Id::Loopi) {
      auto count = double(code[i].operands[0]);
      auto after = size_t(code[i].operands[1]);
      VectorCost last;
      for (int k = 0; k < kIterations && k < int(count); ++k)
        last = issue(code, next, after);
      double left = std::max(0.0, count - kIterations), skipped = left * last.cycles;
      picojoules_ += left * last.picojoules;
      now_ += skipped;
      specialFree_ += skipped;
      for (auto &[key, when] : ready_)
        when += skipped;
      next = after;
    }
    i = next;
  }
  return {now_ - before.cycles, picojoules_ - before.picojoules};
}

VectorCost loopBody(const std::vector<mortise::Instruction> &code, size_t begin, size_t end,
                    const mortise::Hardware &hardware) {
  VectorTime time(hardware);
  VectorCost last;
  for (int i = 0; i < kIterations; ++i)
    last = time.issue(code, begin, end);
  return last;
}

} // namespace tenon::sim
