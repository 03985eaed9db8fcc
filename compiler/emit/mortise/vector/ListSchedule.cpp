#include "compiler/emit/mortise/vector/Schedule.h"

#include <algorithm>

namespace tenon::npu {

namespace {

class ListScheduler {
public:
  ListScheduler(const std::vector<MachineOp> &ops, const DependenceOptions &options, bool inOrder)
      : ops_(ops), options_(options), inOrder_(inOrder), edges_(dependencesOf(ops, options)),
        earliest_(ops.size(), 0), waiting_(ops.size(), 0), heights_(ops.size(), 0), after_(ops.size()) {
    for (unsigned e = 0; e < edges_.size(); ++e) {
      after_[edges_[e].from].push_back(e);
      ++waiting_[edges_[e].to];
    }
    // Edges go forward in the order of the code.
    for (size_t i = ops.size(); i-- > 0;)
      for (unsigned e : after_[i])
        heights_[i] = std::max(heights_[i], heights_[edges_[e].to] + edges_[e].latency);
  }

  std::vector<Bundle> run() {
    std::vector<Bundle> bundles;
    std::vector<bool> done(ops_.size(), false);
    size_t left = ops_.size();
    for (unsigned cycle = 0; left; ++cycle) {
      unsigned taken = 0;
      std::vector<unsigned> chosen;
      for (int next = pick(done, cycle, taken); next >= 0; next = pick(done, cycle, taken)) {
        done[size_t(next)] = true;
        --left;
        taken |= resourcesOf(ops_[size_t(next)].id);
        chosen.push_back(unsigned(next));
        if (isSpecial(ops_[size_t(next)].id))
          specialFree_ = cycle + unsigned(options_.hardware->vector.specialCycles);
        for (unsigned e : after_[size_t(next)]) {
          --waiting_[edges_[e].to];
          earliest_[edges_[e].to] = std::max(earliest_[edges_[e].to], cycle + edges_[e].latency);
        }
      }
      if (chosen.empty())
        continue;
      std::sort(chosen.begin(), chosen.end(),
                [&](unsigned a, unsigned b) { return slotOf(ops_[a].id) < slotOf(ops_[b].id); });
      Bundle &bundle = bundles.emplace_back();
      for (unsigned op : chosen)
        bundle.push_back(ops_[op]);
    }
    return bundles;
  }

private:
  int pick(const std::vector<bool> &done, unsigned cycle, unsigned taken) const {
    int best = -1;
    for (unsigned i = 0; i < ops_.size(); ++i) {
      bool free = !done[i] && waiting_[i] == 0 && earliest_[i] <= cycle && !(resourcesOf(ops_[i].id) & taken);
      if (inOrder_ && !done[i] && !free)
        return -1; // what comes later does not overtake
      if (free && isSpecial(ops_[i].id) && specialFree_ > cycle)
        free = false;
      if (free && (best < 0 || heights_[i] > heights_[size_t(best)]))
        best = int(i);
      if (inOrder_ && best >= 0)
        return best;
    }
    return best;
  }

  const std::vector<MachineOp> &ops_;
  const DependenceOptions &options_;
  bool inOrder_;
  std::vector<Dependence> edges_;
  std::vector<unsigned> earliest_, waiting_, heights_;
  std::vector<std::vector<unsigned>> after_;
  unsigned specialFree_ = 0;
};

} // namespace

std::vector<Bundle> listSchedule(const std::vector<MachineOp> &ops, const DependenceOptions &options,
                                 bool inOrder) {
  return ListScheduler(ops, options, inOrder).run();
}

} // namespace tenon::npu
