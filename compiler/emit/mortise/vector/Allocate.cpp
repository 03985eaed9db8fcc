#include "compiler/emit/mortise/vector/Allocate.h"

#include "compiler/emit/mortise/vector/Liveness.h"

#include <algorithm>

namespace tenon::npu {

namespace {

void addCosts(const std::vector<Node> &nodes, double weight, std::vector<double> &costs) {
  constexpr double kIterations = 10; // what a loop is taken to run
  for (const Node &node : nodes) {
    if (node.isLoop()) {
      const MachineLoop &loop = node.loop.front();
      if (loop.countRegister)
        costs[*loop.countRegister] += weight;
      addCosts(loop.body, weight * kIterations, costs);
    }
    for (const Bundle &bundle : node.bundles)
      for (const MachineOp &op : bundle) {
        visitReads(op, [&](RegisterId r) { costs[r] += weight; });
        visitWrites(op, [&](RegisterId r) { costs[r] += weight; });
      }
  }
}

class Colouring {
public:
  Colouring(const MachineFunction &function, const std::vector<double> &costs)
      : function_(function), costs_(costs), graph_(interferenceOf(function)),
        neighbours_(graph_.with.size()) {
    for (RegisterId a = 0; a < neighbours_.size(); ++a)
      for (RegisterId b = 0; b < neighbours_.size(); ++b)
        if (graph_.with[a][b])
          neighbours_[a].push_back(b);
    mark(function.body);
  }

  Allocation run() {
    Allocation result;
    result.physical.assign(neighbours_.size(), -1);
    result.physical[kAlwaysRegister] = 0;
    std::vector<RegisterId> stack = order();
    for (RegisterId r = 1; r < neighbours_.size(); ++r)
      if (function_.registers[r].pinned >= 0)
        result.physical[r] = function_.registers[r].pinned;
    for (; !stack.empty(); stack.pop_back())
      if (!colour(stack.back(), result.physical))
        result.failed.push_back(stack.back());
    for (unsigned c = 0; c < kRegisterClasses; ++c)
      result.used[c] = countUsed(c, result.physical);
    return result;
  }

private:
  static unsigned size(RegisterClass c) {
    return c == RegisterClass::Predicate ? mortise::kPredicates - 1 : mortise::kRegisters;
  }

  void mark(const std::vector<Node> &nodes) {
    appears_.resize(neighbours_.size(), false);
    for (const Node &node : nodes) {
      for (const MachineLoop &loop : node.loop) {
        if (loop.countRegister)
          appears_[*loop.countRegister] = true;
        mark(loop.body);
      }
      for (const Bundle &bundle : node.bundles)
        for (const MachineOp &op : bundle) {
          visitReads(op, [&](RegisterId r) { appears_[r] = true; });
          visitWrites(op, [&](RegisterId r) { appears_[r] = true; });
        }
    }
  }

  double costOf(RegisterId r) const {
    RegisterId origin = function_.registers[r].origin;
    return function_.registers[r].keep ? 1e30 : origin < costs_.size() ? costs_[origin] : 1e9;
  }

  /// The last is coloured first.
  std::vector<RegisterId> order() const {
    std::vector<RegisterId> left, order;
    std::vector<unsigned> degree(neighbours_.size(), 0);
    for (RegisterId r = 1; r < neighbours_.size(); ++r) {
      degree[r] = unsigned(neighbours_[r].size());
      if (appears_[r] && function_.registers[r].pinned < 0)
        left.push_back(r);
    }
    while (!left.empty()) {
      auto simple = std::find_if(left.begin(), left.end(), [&](RegisterId r) {
        return degree[r] < size(function_.registers[r].registerClass);
      });
      if (simple == left.end())
        simple = std::min_element(left.begin(), left.end(), [&](RegisterId a, RegisterId b) {
          return costOf(a) / degree[a] < costOf(b) / degree[b];
        });
      for (RegisterId other : neighbours_[*simple])
        --degree[other];
      order.push_back(*simple);
      left.erase(simple);
    }
    return order;
  }

  bool colour(RegisterId r, std::vector<int> &physical) const {
    std::array<bool, mortise::kRegisters> taken{};
    for (RegisterId other : neighbours_[r])
      if (physical[other] >= 0)
        taken[size_t(physical[other])] = true;
    bool isPredicate = function_.registers[r].registerClass == RegisterClass::Predicate;
    for (unsigned p = isPredicate ? 1 : 0; p < (isPredicate ? mortise::kPredicates : mortise::kRegisters);
         ++p)
      if (!taken[p]) {
        physical[r] = int(p);
        return true;
      }
    return false;
  }

  unsigned countUsed(unsigned registerClass, const std::vector<int> &physical) const {
    std::array<bool, mortise::kRegisters> used{};
    for (RegisterId r = 1; r < physical.size(); ++r)
      if (unsigned(function_.registers[r].registerClass) == registerClass && physical[r] >= 0 && appears_[r])
        used[size_t(physical[r])] = true;
    return unsigned(std::count(used.begin(), used.end(), true));
  }

  const MachineFunction &function_;
  const std::vector<double> &costs_;
  Interference graph_;
  std::vector<std::vector<RegisterId>> neighbours_;
  std::vector<bool> appears_;
};

} // namespace

std::vector<double> spillCosts(const MachineFunction &function) {
  std::vector<double> costs(function.registers.size(), 0);
  addCosts(function.body, 1, costs);
  return costs;
}

Allocation allocate(const MachineFunction &function, const std::vector<double> &costs) {
  return Colouring(function, costs).run();
}

} // namespace tenon::npu
