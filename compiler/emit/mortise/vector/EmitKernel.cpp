#include "compiler/emit/mortise/vector/EmitKernel.h"

#include <algorithm>

namespace tenon::npu {

using mortise::Instruction;

namespace {

class Emitter {
public:
  explicit Emitter(const std::vector<int> &physical) : physical_(physical) {}

  std::vector<Instruction> run(const MachineFunction &function) {
    nodes(function.body);
    Instruction end;
    end.id = Id::Ret;
    code_.push_back(end);
    return std::move(code_);
  }

private:
  Instruction word(const MachineOp &op) const {
    Instruction instruction;
    instruction.id = op.id;
    instruction.operands = op.operands;
    for (unsigned k = 0; k < op.row().operandCount; ++k)
      if (classOf(op.row().operands[k].kind))
        instruction.operands[k] = std::max(0, physical_[size_t(op.operands[k])]);
    return instruction;
  }

  /// Where the loop instruction of the next node may ride along: the scalar slot of the bundle before.
  void bundles(const std::vector<Bundle> &bundles, const MachineLoop *next, size_t &loopAt) {
    for (const Bundle &bundle : bundles) {
      bool shares = next && &bundle == &bundles.back() && slotOf(bundle.front().id) != 0;
      for (const MachineOp &op : bundle)
        visitWrites(op, [&](RegisterId r) { shares &= !(next && next->countRegister == r); });
      if (shares) {
        loopAt = code_.size();
        code_.push_back(loopWord(*next));
        code_.back().chained = true;
      }
      for (const MachineOp &op : bundle) {
        code_.push_back(word(op));
        code_.back().chained = true;
      }
      code_.back().chained = false;
    }
  }

  Instruction loopWord(const MachineLoop &loop) const {
    Instruction instruction;
    bool immediate = !loop.countRegister && loop.count < 1 << 20;
    instruction.id = immediate ? Id::Loopi : Id::Loop;
    instruction.operands[0] = immediate ? int32_t(loop.count) : physical_[*loop.countRegister];
    return instruction;
  }

  void nodes(const std::vector<Node> &nodes) {
    size_t loopAt = SIZE_MAX;
    for (size_t i = 0; i < nodes.size(); ++i) {
      if (!nodes[i].isLoop()) {
        loopAt = SIZE_MAX;
        const MachineLoop *next =
            i + 1 < nodes.size() && nodes[i + 1].isLoop() ? &nodes[i + 1].loop.front() : nullptr;
        bundles(nodes[i].bundles, next, loopAt);
        continue;
      }
      if (loopAt == SIZE_MAX) {
        loopAt = code_.size();
        code_.push_back(loopWord(nodes[i].loop.front()));
      }
      size_t at = loopAt;
      loopAt = SIZE_MAX;
      this->nodes(nodes[i].loop.front().body);
      code_[at].operands[1] = int32_t(code_.size());
    }
  }

  const std::vector<int> &physical_;
  std::vector<Instruction> code_;
};

} // namespace

std::vector<Instruction> emit(const MachineFunction &function, const std::vector<int> &physical) {
  return Emitter(physical).run(function);
}

} // namespace tenon::npu
