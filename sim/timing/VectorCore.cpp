#include "sim/timing/VectorCore.h"

#include "sim/functional/Numbers.h"

namespace tenon::sim {

using Slot = mortise::Unit;
using mortise::OperandKind;

VectorCore::VectorCore(Simulation &simulation, unsigned core)
    : Unit(simulation, core, unsigned(mortise::Engine::Vector), size_t(simulation.hardware.queueDepth)),
      lanes_(unsigned(simulation.hardware.vector.lanes)),
      readAction_(simulation.actions.number("scratchpad.read")),
      writeAction_(simulation.actions.number("scratchpad.write")),
      specialAction_(simulation.actions.number("vector.special")) {
  decode();
}

void VectorCore::decode() {
  const std::vector<mortise::Instruction> &code = simulation.program.code;
  bundleAt_.assign(code.size(), -1);
  for (size_t i = 0; i < code.size();) {
    Bundle bundle;
    size_t begin = i;
    bool vectorCode = true;
    do {
      Operation op = toOperation(code[i], simulation);
      vectorCode &= op.unit != Slot::Control;
      if (op.unit != Slot::Control) {
        bundle.operations[Bundle::slotOf(op.unit)] = op;
        bundle.slots |= uint8_t(1 << Bundle::slotOf(op.unit));
      }
    } while (code[i++].chained);
    bundle.next = uint32_t(i);
    if (vectorCode) {
      bundleAt_[begin] = int32_t(bundles_.size());
      bundles_.push_back(bundle);
    }
  }
}

std::string VectorCore::waitingFor() const {
  return running_ ? "instruction " + std::to_string(pc_) : Unit::waitingFor();
}

bool VectorCore::takeCommand(uint64_t now) {
  for (;;) {
    if (!takeSemaphores(now, complete_)) {
      become(Activity::Semaphore, now);
      return false;
    }
    if (queue.empty()) {
      become(Activity::Idle, now);
      return false;
    }
    const Command &command = queue.front();
    learn(command);
    if (command.id == Id::Vrun)
      break;
    scalars.registers[size_t(command.flags)] = command.a;
    scalarReady_[size_t(command.flags)] = now;
    popCommand(now);
  }
  current_ = queue.front();
  popCommand(now);
  pc_ = uint32_t(current_.flags);
  scalars.clearLoops();
  running_ = true;
  started_ = now;
  return true;
}

uint64_t VectorCore::operandsReady(const Operation &op) const {
  uint64_t ready = 0;
  const mortise::Row &row = mortise::row(op.id);
  for (unsigned k = 0; k < row.operandCount; ++k) {
    char name = row.operands[k].name;
    unsigned number = name == 'a'   ? op.a
                      : name == 'b' ? op.b
                      : name == 'c' ? op.c
                      : name == 'd' ? op.d
                                    : op.g;
    uint64_t at = 0;
    switch (row.operands[k].kind) {
    case OperandKind::VectorRegister:
      at = vectorReady_[number];
      break;
    case OperandKind::Register:
      at = scalarReady_[number];
      break;
    case OperandKind::Predicate:
      at = predicateReady_[number];
      break;
    default:
      break;
    }
    // A result must not overtake an older one of the same register.
    if (name == 'd' && op.unit != Slot::Store)
      at = at > op.latency ? at - op.latency : 0;
    ready = std::max(ready, at);
  }
  return op.action == specialAction_ ? std::max(ready, specialFree_) : ready;
}

uint64_t VectorCore::readyAt(const Bundle &bundle) const {
  uint64_t ready = 0;
  for (unsigned slot = 0; slot < 4; ++slot)
    if (bundle.slots >> slot & 1)
      ready = std::max(ready, operandsReady(bundle.operations[slot]));
  return ready;
}

void VectorCore::needData() {
  if (!simulation.options.functional)
    simulation.fail("TN1208", *this, pc_,
                    "the program's course depends on data: run it with functional execution");
}

void VectorCore::prepareAccess(const Operation &op, bool write, uint64_t now) {
  Core &here = *simulation.cores[core];
  int64_t address = addressOf(op);
  size_t before = pending_.size();
  if (op.id == Id::Vgather || op.id == Id::Vscatter) {
    const VectorRegisters &v = *here.state.vectors;
    for (unsigned l = 0; l < lanes_; ++l) {
      bool active = !simulation.options.functional || v.predicates[op.g][l];
      int64_t at = wrapping(address, simulation.options.functional ? v.vectors[op.b][l] : int64_t(l) * 4);
      if (!active)
        continue;
      if (simulation.options.functional)
        simulation.touchLocal(*this, pc_, {at, 4}, write, now);
      if (here.state.local.holds(at, 4))
        pending_.add(here.banks, at, 4);
    }
  } else {
    int64_t size = op.id == Id::Slds ? 4 : laneBytes(op.id), bytes = size;
    bool wide = op.id != Id::Slds && !isBroadcast(op.id);
    if (wide)
      bytes = size * lanes_;
    // Time does not depend on data: all lanes take their words. What is touched ends at the last active lane,
    // which is known where data is computed.
    // Without active lanes the address may be anything.
    if (here.state.local.holds(address, 1))
      pending_.add(here.banks, address, bytes);
    if (wide && op.g) {
      unsigned active = simulation.options.functional ? lanes_ : 0;
      while (active && !here.state.vectors->predicates[op.g][active - 1])
        --active;
      bytes = size * active;
    }
    if (bytes)
      simulation.touchLocal(*this, pc_, {address, bytes}, write, now);
  }
  size_t words = pending_.size() - before;
  simulation.count(write ? writeAction_ : readAction_, words);
  (write ? simulation.statistics.l1.write : simulation.statistics.l1.read) +=
      words * uint64_t(here.banks.width());
}

void VectorCore::prepareMemory(const Bundle &bundle, uint64_t now) {
  pending_.clear();
  if (bundle.has(Slot::Load))
    prepareAccess(bundle.at(Slot::Load), false, now);
  if (bundle.has(Slot::Store))
    prepareAccess(bundle.at(Slot::Store), true, now);
  prepared_ = true;
}

void VectorCore::executeLoadSlot(const Operation &op, uint64_t now) {
  CoreState &state = simulation.cores[core]->state;
  if (op.id == Id::Slds) {
    needData();
    return; // executeScalarSlot writes it
  }
  vectorReady_[op.d] = now + op.latency;
  if (!simulation.options.functional)
    return;
  // The result appears after the bundle: other slots still read the old value.
  Operation held = op;
  held.d = mortise::kRegisters;
  executeLoad(held, *state.vectors, state.local, addressOf(op), lanes_);
}

void VectorCore::executeVectorSlot(const Operation &op, uint64_t now) {
  if (op.action == specialAction_)
    specialFree_ = now + uint64_t(simulation.hardware.vector.specialCycles);
  switch (mortise::row(op.id).operands[0].kind) {
  case OperandKind::Register:
    needData();
    scalarReady_[op.d] = now + op.latency;
    break;
  case OperandKind::Predicate:
    predicateReady_[op.d] = now + op.latency;
    break;
  default:
    vectorReady_[op.d] = now + op.latency;
    break;
  }
  if (simulation.options.functional)
    executeVector(op, *simulation.cores[core]->state.vectors, scalars.registers, lanes_);
}

void VectorCore::executeScalarSlot(const Bundle &bundle, uint64_t now) {
  bool taken = false;
  ScalarState::Outcome outcome{0, false, false, 0, false};
  if (bundle.has(Slot::Scalar)) {
    const Operation &op = bundle.at(Slot::Scalar);
    if (op.id == Id::Ret) {
      running_ = false;
    } else {
      outcome = scalars.execute(op, bundle.next, lanes_);
      taken = outcome.taken;
      if (outcome.tooDeep)
        simulation.fail("TN1205", *this, pc_,
                        "loops are nested deeper than " + std::to_string(mortise::kLoopDepth));
    }
  } else {
    outcome.pc = scalars.advance(bundle.next);
  }
  // Vector instructions read the registers as they were; now they change.
  if (bundle.has(Slot::Vector))
    executeVectorSlot(bundle.at(Slot::Vector), now);
  for (Slot slot : {Slot::Load, Slot::Store}) {
    if (!bundle.has(slot))
      continue;
    const Operation &op = bundle.at(slot);
    if (op.id == Id::Slds) {
      scalars.registers[op.d] = loadAs<int32_t>(simulation.cores[core]->state.local.at(addressOf(op)));
      scalarReady_[op.d] = now + op.latency;
    }
    scalars.registers[op.a] = wrapping(scalars.registers[op.a], op.j);
  }
  if (outcome.writes) {
    const Operation &op = bundle.at(Slot::Scalar);
    scalars.registers[op.d] = outcome.result;
    scalarReady_[op.d] = now + op.latency;
  }
  pc_ = outcome.pc;
  resumeAt_ = now + 1 + (taken ? 1 : 0);
}

void VectorCore::execute(const Bundle &bundle, uint64_t now) {
  CoreState &state = simulation.cores[core]->state;
  if (simulation.observer)
    simulation.observer->onInstruction(core, engine, pc_, now);
  for (unsigned slot = 0; slot < 4; ++slot)
    if (bundle.slots >> slot & 1)
      simulation.count(bundle.operations[slot].action);
  if (bundle.has(Slot::Store) && simulation.options.functional) {
    const Operation &op = bundle.at(Slot::Store);
    // A load of the same bundle reads what was there before the store.
    if (bundle.has(Slot::Load))
      executeLoadSlot(bundle.at(Slot::Load), now);
    executeStore(op, *state.vectors, state.local, addressOf(op), lanes_);
  } else if (bundle.has(Slot::Load)) {
    executeLoadSlot(bundle.at(Slot::Load), now);
  }
  executeScalarSlot(bundle, now);
  if (bundle.has(Slot::Load) && bundle.at(Slot::Load).id != Id::Slds && simulation.options.functional)
    std::copy_n(state.vectors->vectors[mortise::kRegisters], lanes_,
                state.vectors->vectors[bundle.at(Slot::Load).d]);
  ++simulation.statistics.bundles;
}

void VectorCore::step(uint64_t now) {
  if (now < resumeAt_) {
    wake = resumeAt_;
    return;
  }
  if (!running_ && !takeCommand(now))
    return;
  uint64_t limit = simulation.horizon(*this);
  for (uint64_t t = now;;) {
    if (pc_ >= bundleAt_.size() || bundleAt_[pc_] < 0)
      simulation.fail("TN1206", *this, std::min(pc_, uint32_t(bundleAt_.size()) - 1),
                      "the vector core cannot execute this: a kernel consists of bundles and ends with ret");
    if (t > simulation.options.maxCycles)
      simulation.fail("TN1207", *this, pc_, "the run has reached the limit of cycles");
    const Bundle &bundle = bundles_[size_t(bundleAt_[pc_])];
    uint64_t ready = readyAt(bundle);
    if (ready > t) {
      become(Activity::Dependency, t);
      resumeAt_ = t = ready;
      if (t >= limit) {
        wake = t;
        return;
      }
    }
    if (!prepared_)
      prepareMemory(bundle, t);
    if (!pending_.advance(simulation.cores[core]->banks, t, *this)) {
      become(Activity::Bank, t);
      wake = resumeAt_ = t + 1;
      return;
    }
    become(Activity::Busy, t);
    prepared_ = false;
    execute(bundle, t);
    complete_ = resumeAt_;
    t = resumeAt_;
    simulation.lastsUntil(complete_);
    if (!running_) {
      simulation.record(*this, current_, started_, complete_);
      wake = t;
      return;
    }
    if (t >= limit) {
      wake = t;
      return;
    }
  }
}

} // namespace tenon::sim
