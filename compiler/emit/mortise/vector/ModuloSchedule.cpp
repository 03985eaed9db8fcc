// B. R. Rau, "Iterative Modulo Scheduling" (1994), with modulo variable expansion (Lam, 1988): the machine
// has no rotating registers.

#include "compiler/emit/mortise/vector/Schedule.h"

#include <algorithm>
#include <unordered_map>

namespace tenon::npu {

namespace {

/// Who holds a resource in each cycle of the interval.
class Reservations {
public:
  Reservations(unsigned interval, unsigned specialCycles)
      : interval_(interval), specialCycles_(specialCycles),
        holders_(size_t(interval) * (kResources + 1), -1) {}

  /// Instructions that hold what the instruction wants in that cycle.
  std::vector<int> conflicts(Id id, unsigned time) const {
    std::vector<int> found;
    visit(id, time, [&](size_t cell) {
      if (holders_[cell] >= 0)
        found.push_back(holders_[cell]);
    });
    return found;
  }
  void set(Id id, unsigned time, int holder) {
    visit(id, time, [&](size_t cell) { holders_[cell] = holder; });
  }

private:
  template <typename Visit> void visit(Id id, unsigned time, Visit visit) const {
    unsigned resources = resourcesOf(id);
    for (unsigned r = 0; r < kResources; ++r)
      if (resources >> r & 1)
        visit(size_t(time % interval_) * (kResources + 1) + r);
    if (isSpecial(id))
      for (unsigned c = 0; c < std::min(specialCycles_, interval_); ++c)
        visit(size_t((time + c) % interval_) * (kResources + 1) + kResources);
  }
  unsigned interval_, specialCycles_;
  std::vector<int> holders_;
};

class Scheduler {
public:
  Scheduler(const std::vector<MachineOp> &ops, const DependenceOptions &options,
            const LoopRegisters &registers, const ModuloLimits &limits)
      : ops_(ops), hardware_(*options.hardware), registers_(registers), limits_(limits),
        edges_(dependencesOf(ops, options)), in_(ops.size()), out_(ops.size()) {
    for (unsigned e = 0; e < edges_.size(); ++e) {
      in_[edges_[e].to].push_back(e);
      out_[edges_[e].from].push_back(e);
    }
    for (size_t k = 0; k < registers.renamable.size(); ++k)
      renamableAt_.emplace(registers.renamable[k], k);
  }

  std::optional<ModuloSchedule> run() {
    unsigned first = std::max({resourceBound(), limits_.minimumInterval, 1U});
    // Where an interval is long, one that is a little longer costs little, and trying all takes long.
    for (interval_ = first; interval_ <= limits_.maximumInterval; interval_ += 1 + interval_ / 16) {
      if (!computeHeights() || !place())
        continue;
      shorten();
      if (auto schedule = finish())
        return schedule;
    }
    return std::nullopt;
  }

private:
  unsigned resourceBound() const {
    std::array<unsigned, kResources + 1> uses{};
    for (const MachineOp &op : ops_) {
      for (unsigned r = 0; r < kResources; ++r)
        uses[r] += resourcesOf(op.id) >> r & 1;
      if (isSpecial(op.id))
        uses[kResources] += unsigned(hardware_.vector.specialCycles);
    }
    return *std::max_element(uses.begin(), uses.end());
  }

  /// Longest paths to any end; false where a cycle of dependences needs a larger interval.
  bool computeHeights() {
    heights_.assign(ops_.size(), 0);
    for (size_t round = 0; round <= ops_.size(); ++round) {
      bool changed = false;
      for (const Dependence &e : edges_) {
        int64_t height = heights_[e.to] + int64_t(e.latency) - int64_t(interval_) * e.distance;
        if (height > heights_[e.from]) {
          heights_[e.from] = height;
          changed = true;
        }
      }
      if (!changed)
        return true;
    }
    return false;
  }

  unsigned earliest(unsigned op) const {
    int64_t time = 0;
    for (unsigned e : in_[op])
      if (const Dependence &d = edges_[e]; times_[d.from] >= 0)
        time = std::max(time, times_[d.from] + int64_t(d.latency) - int64_t(interval_) * d.distance);
    return unsigned(time);
  }

  void remove(unsigned op, Reservations &table) {
    table.set(ops_[op].id, unsigned(times_[op]), -1);
    times_[op] = -1;
    ++left_;
  }

  void put(unsigned op, unsigned time, Reservations &table) {
    for (int other : table.conflicts(ops_[op].id, time))
      if (times_[size_t(other)] >= 0)
        remove(unsigned(other), table);
    table.set(ops_[op].id, time, int(op));
    times_[op] = time;
    last_[op] = time;
    --left_;
    for (unsigned e : out_[op]) {
      const Dependence &d = edges_[e];
      bool late = d.to != op && times_[d.to] >= 0 &&
                  times_[d.to] + int64_t(interval_) * d.distance < int64_t(time) + d.latency;
      if (late)
        remove(d.to, table);
    }
  }

  bool place() {
    Reservations table(interval_, unsigned(hardware_.vector.specialCycles));
    times_.assign(ops_.size(), -1);
    last_.assign(ops_.size(), -1);
    left_ = ops_.size();
    for (size_t budget = ops_.size() * 8; left_; --budget) {
      if (!budget)
        return false;
      int best = -1;
      for (unsigned i = 0; i < ops_.size(); ++i)
        if (times_[i] < 0 && (best < 0 || heights_[i] > heights_[size_t(best)]))
          best = int(i);
      auto op = unsigned(best);
      unsigned from = earliest(op), time = from;
      while (time < from + interval_ && !table.conflicts(ops_[op].id, time).empty())
        ++time;
      if (time == from + interval_)
        time = last_[op] < 0 || int64_t(from) > last_[op] ? from : unsigned(last_[op]) + 1;
      put(op, time, table);
    }
    table_ = table;
    return true;
  }

  /// Moves what reads no register of this iteration, and so only lengthens a lifetime, as late as it may be.
  void shorten() {
    for (size_t round = 0; round < 2; ++round)
      for (unsigned op = unsigned(ops_.size()); op-- > 0;) {
        bool reads = false;
        visitReads(ops_[op], [&](RegisterId r) { reads |= renamable(r) >= 0; });
        int64_t latest = INT64_MAX;
        for (unsigned e : out_[op])
          if (edges_[e].to != op)
            latest = std::min(latest, times_[edges_[e].to] + int64_t(interval_) * edges_[e].distance -
                                          int64_t(edges_[e].latency));
        if (reads || latest == INT64_MAX)
          continue;
        table_.set(ops_[op].id, unsigned(times_[op]), -1);
        while (latest > times_[op] && !table_.conflicts(ops_[op].id, unsigned(latest)).empty())
          --latest;
        times_[op] = std::max(times_[op], latest);
        table_.set(ops_[op].id, unsigned(times_[op]), int(op));
      }
  }

  int renamable(RegisterId r) const {
    auto found = renamableAt_.find(r);
    return found == renamableAt_.end() ? -1 : int(found->second);
  }

  std::optional<ModuloSchedule> finish() const {
    ModuloSchedule schedule;
    schedule.interval = interval_;
    schedule.registers = registers_;
    int64_t least = *std::min_element(times_.begin(), times_.end());
    least -= least % interval_;
    for (int64_t time : times_) {
      schedule.times.push_back(unsigned(time - least));
      schedule.stages = std::max(schedule.stages, schedule.times.back() / interval_ + 1);
    }
    return expandVariables(schedule) ? std::optional(schedule) : std::nullopt;
  }

  /// A register needs a copy for each iteration that is under way while it is alive.
  bool expandVariables(ModuloSchedule &schedule) const {
    size_t count = registers_.renamable.size();
    std::vector<unsigned> begin(count, UINT32_MAX), end(count, 0);
    for (size_t i = 0; i < ops_.size(); ++i) {
      auto touch = [&](RegisterId r, unsigned until) {
        if (int k = renamable(r); k >= 0) {
          begin[size_t(k)] = std::min(begin[size_t(k)], schedule.times[i]);
          end[size_t(k)] = std::max(end[size_t(k)], until);
        }
      };
      // The next iteration's write may share a bundle with a read, but not with a write.
      visitReads(ops_[i], [&](RegisterId r) { touch(r, schedule.times[i]); });
      visitWrites(ops_[i], [&](RegisterId r) { touch(r, schedule.times[i] + 1); });
    }
    std::vector<unsigned> needed(count, 1);
    for (size_t k = 0; k < count; ++k) {
      needed[k] = std::max(1U, (end[k] - begin[k] + interval_ - 1) / interval_);
      schedule.copies = std::max(schedule.copies, needed[k]);
    }
    if (schedule.copies > limits_.maximumCopies)
      return false;
    std::vector<unsigned> classes;
    for (RegisterId r : registers_.renamable)
      classes.push_back(classOfRegister(r));
    std::array<unsigned, kRegisterClasses> most{};
    for (unsigned cycle = 0; cycle < interval_; ++cycle) {
      std::array<unsigned, kRegisterClasses> alive{};
      for (size_t k = 0; k < count; ++k)
        for (unsigned at = cycle; at < end[k]; at += interval_)
          if (at >= begin[k])
            ++alive[classes[k]];
      for (unsigned c = 0; c < kRegisterClasses; ++c)
        most[c] = std::max(most[c], alive[c]);
    }
    for (unsigned c = 0; c < kRegisterClasses; ++c)
      if (most[c] > limits_.available[c])
        return false;
    for (unsigned n : needed) {
      while (schedule.copies % n)
        ++n;
      schedule.registerCopies.push_back(n);
    }
    return true;
  }

  unsigned classOfRegister(RegisterId r) const {
    for (const MachineOp &op : ops_)
      for (unsigned k = 0; k < op.row().operandCount; ++k)
        if (auto c = classOf(op.row().operands[k].kind); c && RegisterId(op.operands[k]) == r)
          return unsigned(*c);
    return 0;
  }

  const std::vector<MachineOp> &ops_;
  const mortise::Hardware &hardware_;
  const LoopRegisters &registers_;
  const ModuloLimits &limits_;
  std::vector<Dependence> edges_;
  std::vector<std::vector<unsigned>> in_, out_;
  std::vector<int64_t> heights_, times_, last_;
  std::unordered_map<RegisterId, size_t> renamableAt_;
  Reservations table_{1, 1};
  unsigned interval_ = 1;
  size_t left_ = 0;
};

} // namespace

std::optional<ModuloSchedule> moduloSchedule(const std::vector<MachineOp> &ops,
                                             const DependenceOptions &options, const LoopRegisters &registers,
                                             const ModuloLimits &limits) {
  return Scheduler(ops, options, registers, limits).run();
}

LoopRegisters loopRegisters(const std::vector<MachineOp> &ops, const RegisterSet &after,
                            const RegisterSet &atHead) {
  LoopRegisters found;
  std::vector<RegisterId> written;
  for (const MachineOp &op : ops)
    visitWrites(op, [&](RegisterId r) {
      if (std::find(written.begin(), written.end(), r) == written.end())
        written.push_back(r);
    });
  for (RegisterId r : written) {
    bool isPointer = true;
    unsigned moves = 0;
    for (const MachineOp &op : ops) {
      bool isBase = hasOffset(op.id) && op.reg('a') == r;
      visitReads(op, [&](RegisterId read) { isPointer &= read != r || isBase || movement(op, r) != 0; });
      visitWrites(op, [&](RegisterId w) { isPointer &= w != r || movement(op, r) != 0; });
      moves += movement(op, r) != 0;
    }
    if (isPointer && moves == 1)
      found.pointers.push_back(r);
    else if (!after[r] && !atHead[r])
      found.renamable.push_back(r);
  }
  return found;
}

} // namespace tenon::npu
