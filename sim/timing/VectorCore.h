// The vector core: bundles of up to four instructions, issued in order; a bundle waits for the results that
// it reads and for the banks that it needs.
#pragma once

#include "sim/timing/Processor.h"

namespace tenon::sim {

class VectorCore : public Unit {
public:
  VectorCore(Simulation &simulation, unsigned core);
  void step(uint64_t now) override;
  uint64_t quietAt() const override { return queue.empty() && !running_ ? complete_ : kNever; }
  std::string waitingFor() const override;
  ScalarState scalars;

private:
  struct Bundle {
    std::array<Operation, 4> operations; ///< by slot: scalar, load, store, vector
    uint8_t slots = 0;                   ///< a bit for each
    uint32_t next = 0;                   ///< instruction after the bundle
    bool has(mortise::Unit unit) const { return slots >> slotOf(unit) & 1; }
    static unsigned slotOf(mortise::Unit unit) { return unsigned(unit) - unsigned(mortise::Unit::Scalar); }
    const Operation &at(mortise::Unit unit) const { return operations[slotOf(unit)]; }
  };
  void decode();
  bool takeCommand(uint64_t now);
  uint64_t readyAt(const Bundle &bundle) const;
  uint64_t operandsReady(const Operation &op) const;
  void prepareMemory(const Bundle &bundle, uint64_t now);
  void prepareAccess(const Operation &op, bool write, uint64_t now);
  void execute(const Bundle &bundle, uint64_t now);
  void executeLoadSlot(const Operation &op, uint64_t now);
  void executeVectorSlot(const Operation &op, uint64_t now);
  void executeScalarSlot(const Bundle &bundle, uint64_t now);
  void needData();
  int64_t addressOf(const Operation &op) const {
    return wrapping(scalars.registers[op.a], op.id == Id::Vgather || op.id == Id::Vscatter ? 0 : op.i);
  }

  std::vector<Bundle> bundles_;
  std::vector<int32_t> bundleAt_; ///< by instruction; -1: none starts here
  Command current_;
  PendingWords pending_;
  bool running_ = false, prepared_ = false;
  uint32_t pc_ = 0;
  uint64_t resumeAt_ = 0, complete_ = 0, started_ = 0, specialFree_ = 0;
  std::array<uint64_t, mortise::kRegisters> vectorReady_{}, scalarReady_{};
  std::array<uint64_t, mortise::kPredicates> predicateReady_{};
  unsigned lanes_, readAction_, writeAction_, specialAction_;
};

} // namespace tenon::sim
