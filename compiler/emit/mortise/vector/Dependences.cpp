#include "compiler/emit/mortise/vector/Dependences.h"

#include <algorithm>
#include <map>

namespace tenon::npu {

namespace {

class Search {
public:
  Search(const std::vector<MachineOp> &ops, const DependenceOptions &options)
      : ops_(ops), options_(options) {}

  std::vector<Dependence> run() {
    registers(0);
    if (options_.loop)
      registers(1);
    memory();
    return std::move(found_);
  }

private:
  struct Place {
    unsigned op, round;
  };
  struct History {
    std::optional<Place> definition;
    std::vector<Place> uses; ///< since then
  };

  bool contains(const std::vector<RegisterId> &set, RegisterId r) const {
    return std::find(set.begin(), set.end(), r) != set.end();
  }

  void add(Place from, Place to, unsigned latency) {
    if (from.round == to.round && (from.op == to.op || from.round != 0))
      return; // itself, or seen in the first round
    found_.push_back({from.op, to.op, latency, to.round - from.round});
  }

  /// The second round finds what the first iteration gives the next.
  void registers(unsigned round) {
    for (unsigned i = 0; i < ops_.size(); ++i) {
      Place here{i, round};
      auto counts = [&](RegisterId r) {
        if (options_.loop && contains(options_.loop->pointers, r))
          return false;
        return round == 0 || !contains(options_.loop->renamable, r);
      };
      visitReads(ops_[i], [&](RegisterId r) {
        if (!counts(r))
          return;
        History &history = histories_[r];
        if (history.definition)
          add(*history.definition, here, resultLatency(ops_[history.definition->op], r));
        history.uses.push_back(here);
      });
      visitWrites(ops_[i], [&](RegisterId r) {
        if (!counts(r))
          return;
        History &history = histories_[r];
        for (Place use : history.uses)
          add(use, here, ops_[use.op].id == Id::Slds ? 1 : 0);
        if (history.definition)
          add(*history.definition, here, 1);
        history.definition = here;
        history.uses.clear();
      });
    }
  }

  /// An advanced address is there at once.
  unsigned resultLatency(const MachineOp &op, RegisterId r) const {
    bool isAddress = op.advances() && op.reg('a') == r;
    return isAddress ? 1 : std::max(1U, latencyOf(op.id, *options_.hardware));
  }

  bool areDisjoint(const MachineOp &a, const MachineOp &b) const {
    int64_t lanes = options_.hardware->vector.lanes;
    int64_t sizeA = bytesTouched(a.id, lanes), sizeB = bytesTouched(b.id, lanes);
    if (!sizeA || !sizeB || a.base != b.base || a.base == Value::kNone)
      return false;
    int64_t atA = a.operand('i'), atB = b.operand('i');
    return atA + sizeA <= atB || atB + sizeB <= atA;
  }

  void memory() {
    for (unsigned i = 0; i < ops_.size(); ++i)
      for (unsigned k = 0; k < ops_.size() && isMemory(ops_[i].id); ++k) {
        const MachineOp &a = ops_[i], &b = ops_[k];
        if (!isMemory(b.id) || a.object != b.object || (isLoad(a.id) && isLoad(b.id)))
          continue;
        unsigned latency = isLoad(a.id) && a.id != Id::Slds && isStore(b.id) ? 0 : 1;
        if (i < k && !areDisjoint(a, b))
          found_.push_back({i, k, latency, 0});
        if (options_.loop && !(*options_.objects)[a.object].independentIterations)
          found_.push_back({i, k, latency, 1});
      }
  }

  const std::vector<MachineOp> &ops_;
  const DependenceOptions &options_;
  std::map<RegisterId, History> histories_;
  std::vector<Dependence> found_;
};

} // namespace

std::vector<Dependence> dependencesOf(const std::vector<MachineOp> &ops, const DependenceOptions &options) {
  return Search(ops, options).run();
}

int64_t movement(const MachineOp &op, RegisterId pointer) {
  if (op.advances() && op.reg('a') == pointer)
    return op.operand('j');
  if (op.id == Id::Addi && op.reg('d') == pointer && op.reg('a') == pointer)
    return op.operand('i');
  return 0;
}

unsigned resourcesOf(Id id) {
  unsigned taken = 1U << slotOf(id);
  return id == Id::Slds || id == Id::Vlane ? taken | 1U << kSlots : taken;
}

} // namespace tenon::npu
