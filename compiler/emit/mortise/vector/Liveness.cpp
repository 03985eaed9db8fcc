#include "compiler/emit/mortise/vector/Liveness.h"

namespace tenon::npu {

namespace {

class Walk {
public:
  explicit Walk(const MachineFunction &function) : function_(function) {
    result_.with.assign(function.registers.size(), RegisterSet(function.registers.size(), false));
    result_.after.resize(function.loops);
    result_.atHead.resize(function.loops);
  }

  Interference run() {
    RegisterSet live(function_.registers.size(), false);
    nodes(function_.body, live);
    // What is live at the start are parameters, all there at once.
    for (RegisterId a = 0; a < live.size(); ++a)
      for (RegisterId b = a + 1; b < live.size(); ++b)
        if (live[a] && live[b])
          add(a, b);
    return std::move(result_);
  }

private:
  void add(RegisterId a, RegisterId b) {
    if (a == b || function_.registers[a].registerClass != function_.registers[b].registerClass)
      return;
    result_.with[a][b] = result_.with[b][a] = true;
  }

  void bundle(const Bundle &ops, RegisterSet &live) {
    std::vector<RegisterId> written;
    for (const MachineOp &op : ops)
      visitWrites(op, [&](RegisterId r) {
        auto copy = op.copy();
        for (RegisterId other = 0; other < live.size(); ++other)
          if (live[other] && !(copy && copy->second == other && ops.size() == 1))
            add(r, other);
        for (RegisterId other : written)
          add(r, other);
        written.push_back(r);
      });
    for (RegisterId r : written)
      live[r] = false;
    for (const MachineOp &op : ops)
      visitReads(op, [&](RegisterId r) { live[r] = true; });
  }

  void loop(const MachineLoop &loop, RegisterSet &live) {
    RegisterSet after = live;
    // Two rounds reach the fixed point: the second sees what the head of the body needs.
    for (int round = 0; round < 2; ++round) {
      RegisterSet inside = after;
      for (size_t r = 0; r < live.size(); ++r)
        inside[r] = inside[r] || (round && live[r]);
      nodes(loop.body, inside);
      live = inside;
    }
    if (loop.number < function_.loops) {
      result_.after[loop.number] = after;
      result_.atHead[loop.number] = live;
    }
    bool mayBeSkipped = !loop.runs && (loop.countRegister || loop.count <= 0);
    for (size_t r = 0; mayBeSkipped && r < live.size(); ++r)
      live[r] = live[r] || after[r];
    if (loop.countRegister)
      live[*loop.countRegister] = true;
  }

  void nodes(const std::vector<Node> &nodes, RegisterSet &live) {
    for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) {
      if (node->isLoop()) {
        loop(node->loop.front(), live);
        continue;
      }
      for (auto ops = node->bundles.rbegin(); ops != node->bundles.rend(); ++ops)
        bundle(*ops, live);
    }
  }

  const MachineFunction &function_;
  Interference result_;
};

} // namespace

Interference interferenceOf(const MachineFunction &function) { return Walk(function).run(); }

} // namespace tenon::npu
