// What the control processor and the vector core share: scalar registers, branches and loops.
#pragma once

#include "sim/functional/Lanes.h"
#include "sim/timing/Simulation.h"

namespace tenon::sim {

/// An instruction with its operands by name and the machine's latency.
Operation toOperation(const mortise::Instruction &instruction, const Simulation &simulation);

class ScalarState {
public:
  std::array<int64_t, mortise::kRegisters> registers{};

  /// Where execution goes after the instruction at [pc, next): branches, loops, loop ends. `result`: of a
  /// scalar row, not stored. False where loops are nested too deep.
  struct Outcome {
    uint32_t pc;
    bool taken, writes;
    int64_t result;
    bool tooDeep;
  };
  Outcome execute(const Operation &op, uint32_t next, unsigned lanes);
  /// The instruction after one that does not branch: a loop may end there.
  uint32_t advance(uint32_t next);
  void clearLoops() { depth_ = 0; }

private:
  struct Loop {
    uint32_t begin, end;
    int64_t left;
  };
  bool enterLoop(uint32_t begin, uint32_t end, int64_t count);
  std::array<Loop, mortise::kLoopDepth> loops_{};
  unsigned depth_ = 0;
};

class ControlProcessor : public Unit {
public:
  ControlProcessor(Simulation &simulation, unsigned core);
  void step(uint64_t now) override;
  uint64_t quietAt() const override { return halted_ ? resumeAt_ : kNever; }
  std::string waitingFor() const override;
  bool halted() const { return halted_; }
  ScalarState scalars;

private:
  enum class Result { Continue, Dispatched, Blocked };
  Result execute(const Operation &op, uint64_t now);
  Result dispatch(const Operation &op, uint64_t now);
  Result synchronize(const Operation &op, uint64_t now);
  bool fence(uint64_t now);
  void setField(const Operation &op);
  int64_t loadWord(const Operation &op, uint64_t now);
  Unit &target(const Operation &op);
  void publish();

  std::vector<Operation> code_;
  std::array<Descriptor, mortise::kDescriptors> descriptors_;
  uint32_t pc_ = 0, knowledge_ = 0;
  uint64_t resumeAt_ = 0;
  bool halted_ = false;
};

} // namespace tenon::sim
