// Copies whose registers do not interfere become one register, those of inner loops first (Chaitin's
// aggressive coalescing).

#include "compiler/emit/mortise/vector/Liveness.h"

#include <algorithm>
#include <numeric>

namespace tenon::npu {

namespace {

class Coalescer {
public:
  explicit Coalescer(MachineFunction &function)
      : function_(function), graph_(interferenceOf(function)), leader_(function.registers.size()) {
    std::iota(leader_.begin(), leader_.end(), 0);
  }

  void run() {
    collect(function_.body, 0);
    std::sort(copies_.begin(), copies_.end());
    for (const Copy &copy : copies_)
      join(find(copy.to), find(copy.from));
    rewrite(function_.body);
  }

private:
  struct Copy {
    int around; ///< loops, negated: inner ones first
    size_t order;
    RegisterId to, from;
    auto operator<=>(const Copy &) const = default;
  };

  RegisterId find(RegisterId r) {
    while (leader_[r] != r)
      r = leader_[r] = leader_[leader_[r]];
    return r;
  }

  void collect(const std::vector<Node> &nodes, int depth) {
    for (const Node &node : nodes) {
      if (node.isLoop())
        collect(node.loop.front().body, depth + 1);
      for (const Bundle &bundle : node.bundles)
        for (const MachineOp &op : bundle)
          if (auto copy = op.copy(); copy && copy->second != kAlwaysRegister)
            copies_.push_back({-depth, copies_.size(), copy->first, copy->second});
    }
  }

  void join(RegisterId to, RegisterId from) {
    std::vector<RegisterInfo> &registers = function_.registers;
    bool pinned = registers[to].pinned >= 0 && registers[from].pinned >= 0;
    bool kept = registers[to].keep || registers[from].keep;
    if (to == from || pinned || kept || graph_.between(to, from))
      return;
    leader_[from] = to;
    registers[to].pinned = std::max(registers[to].pinned, registers[from].pinned);
    registers[to].constant.reset();
    for (RegisterId r = 0; r < leader_.size(); ++r)
      if (graph_.with[from][r])
        graph_.with[to][r] = graph_.with[r][to] = true;
  }

  void rewrite(std::vector<Node> &nodes) {
    for (Node &node : nodes) {
      for (MachineLoop &loop : node.loop) {
        if (loop.countRegister)
          loop.countRegister = find(*loop.countRegister);
        rewrite(loop.body);
      }
      for (Bundle &bundle : node.bundles)
        for (MachineOp &op : bundle)
          for (unsigned k = 0; k < op.row().operandCount; ++k)
            if (classOf(op.row().operands[k].kind))
              op.operands[k] = int32_t(find(RegisterId(op.operands[k])));
      std::erase_if(node.bundles, [](const Bundle &bundle) {
        auto copy = bundle.front().copy();
        return copy && copy->first == copy->second;
      });
    }
    std::erase_if(nodes, [](const Node &node) {
      return node.isLoop() ? node.loop.front().body.empty() : node.bundles.empty();
    });
  }

  MachineFunction &function_;
  Interference graph_;
  std::vector<RegisterId> leader_;
  std::vector<Copy> copies_;
};

} // namespace

void coalesce(MachineFunction &function) { Coalescer(function).run(); }

} // namespace tenon::npu
