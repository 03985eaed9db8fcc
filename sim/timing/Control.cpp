// The control processor: one instruction a cycle in order; it fills the queues of the engines.

#include "sim/functional/Numbers.h"
#include "sim/timing/Processor.h"

namespace tenon::sim {

using mortise::Engine;

ControlProcessor::ControlProcessor(Simulation &simulation, unsigned core)
    : Unit(simulation, core, unsigned(Engine::Control), 1) {
  for (const mortise::Instruction &instruction : simulation.program.code)
    code_.push_back(toOperation(instruction, simulation));
  publish();
  wake = 0;
}

void ControlProcessor::publish() {
  knowledge_ = uint32_t(simulation.knowledge.size());
  simulation.knowledge.push_back(clock);
}

std::string ControlProcessor::waitingFor() const {
  if (halted_ || pc_ >= code_.size())
    return "";
  return "instruction " + std::to_string(pc_) + " '" + toText(simulation.program.code[pc_]) + "'";
}

Unit &ControlProcessor::target(const Operation &op) {
  unsigned engine = 0;
  switch (op.id) {
  case Id::MmLoad:
    engine = unsigned(Engine::Weights);
    break;
  case Id::MmMul:
    engine = unsigned(Engine::Matrix);
    break;
  case Id::Drain:
    engine = unsigned(Engine::Drain);
    break;
  case Id::Vset:
  case Id::Vrun:
    engine = unsigned(Engine::Vector);
    break;
  default:
    engine = unsigned(op.j);
    break;
  }
  Unit *unit = simulation.cores[core]->units[engine];
  if (!unit)
    simulation.fail("TN1205", *this, pc_, "the machine has no engine " + mortise::engineName(engine));
  if (op.id == Id::Dma && engine < unsigned(Engine::In0))
    simulation.fail("TN1206", *this, pc_, "engine " + mortise::engineName(engine) + " is no DMA channel");
  return *unit;
}

ControlProcessor::Result ControlProcessor::dispatch(const Operation &op, uint64_t now) {
  Unit &unit = target(op);
  if (unit.queue.full()) {
    become(Activity::Queue, now);
    return Result::Blocked;
  }
  Command &command = unit.queue.push();
  command.id = op.id;
  command.instruction = pc_;
  command.knowledge = knowledge_;
  command.a = scalars.registers[op.a];
  command.b = scalars.registers[op.b];
  switch (op.id) {
  case Id::Acq:
  case Id::Rel:
    command.flags = op.g;
    command.a = op.i;
    break;
  case Id::Vset:
    command.flags = op.d;
    break;
  case Id::Vrun:
    command.flags = op.label;
    break;
  default:
    command.flags = op.c;
    command.descriptor = descriptors_[op.d];
  }
  unit.wakeAt(now + 1);
  return Result::Dispatched;
}

ControlProcessor::Result ControlProcessor::synchronize(const Operation &op, uint64_t now) {
  if (op.j != int(Engine::Control))
    return dispatch(op, now);
  Command command;
  command.id = op.id;
  command.instruction = pc_;
  command.flags = op.g;
  command.a = op.i;
  if (op.id == Id::Rel) {
    simulation.release(*this, command, now + 1);
  } else if (!simulation.acquire(*this, command)) {
    become(Activity::Semaphore, now);
    return Result::Blocked;
  }
  publish();
  return Result::Dispatched;
}

bool ControlProcessor::fence(uint64_t now) {
  uint64_t quiet = now;
  for (Unit *unit : simulation.cores[core]->units)
    if (unit && unit != this)
      quiet = std::max(quiet, unit->quietAt());
  if (quiet > now) {
    become(Activity::Fence, now);
    uint64_t next = simulation.nextEvent(*this);
    wake = next == kNever ? quiet : std::min(quiet, std::max(next, now + 1));
    return false;
  }
  for (Unit *unit : simulation.cores[core]->units)
    if (unit && unit != this) {
      clock.join(unit->clock, simulation.clocks());
      ++unit->clock.epochs[unit->index];
    }
  publish();
  return true;
}

void ControlProcessor::setField(const Operation &op) {
  int64_t value = op.id == Id::Dset ? scalars.registers[op.a] : op.i;
  descriptors_[op.d].values[op.c] = value;
}

int64_t ControlProcessor::loadWord(const Operation &op, uint64_t now) {
  if (!simulation.options.functional)
    simulation.fail("TN1208", *this, pc_,
                    "the program's course depends on data: run it with functional execution");
  int64_t address = wrapping(scalars.registers[op.a], op.i);
  // What was queued before does not know of this access.
  ++clock.epochs[index];
  simulation.touchLocal(*this, pc_, {address, 4}, false, now);
  publish();
  return loadAs<int32_t>(simulation.cores[core]->state.local.at(address));
}

ControlProcessor::Result ControlProcessor::execute(const Operation &op, uint64_t now) {
  Result result = Result::Continue;
  switch (op.id) {
  case Id::Halt:
    halted_ = true;
    resumeAt_ = now + 1;
    return Result::Dispatched;
  case Id::Fence:
    if (!fence(now))
      return Result::Blocked;
    break;
  case Id::Ldp:
    if (size_t(op.i) >= simulation.parameters.size())
      simulation.fail("TN1209", *this, pc_, "the program has no parameter " + std::to_string(op.i));
    scalars.registers[op.d] = simulation.parameters[size_t(op.i)];
    break;
  case Id::Core:
    scalars.registers[op.d] = core;
    break;
  case Id::Lds:
    scalars.registers[op.d] = loadWord(op, now);
    break;
  case Id::Mark:
    simulation.statistics.marks.emplace_back(now, uint32_t(op.i));
    break;
  case Id::SemInit:
    simulation.initialise(*this, pc_, op.g, op.i);
    break;
  case Id::Acq:
  case Id::Rel:
    result = synchronize(op, now);
    break;
  case Id::Dset:
  case Id::Dseti:
    setField(op);
    break;
  case Id::Dma:
  case Id::MmLoad:
  case Id::MmMul:
  case Id::Drain:
  case Id::Vset:
  case Id::Vrun:
    result = dispatch(op, now);
    break;
  default: {
    if (op.unit != mortise::Unit::Scalar || op.id == Id::Ret || simulation.program.code[pc_].chained)
      simulation.fail("TN1206", *this, pc_,
                      "the control processor cannot execute this; vector kernels run by vrun");
    ScalarState::Outcome outcome = scalars.execute(op, pc_ + 1, unsigned(simulation.hardware.vector.lanes));
    if (outcome.tooDeep)
      simulation.fail("TN1205", *this, pc_,
                      "loops are nested deeper than " + std::to_string(mortise::kLoopDepth));
    if (outcome.writes)
      scalars.registers[op.d] = outcome.result;
    pc_ = outcome.pc;
    resumeAt_ = now + op.latency + (outcome.taken ? 1 : 0);
    return Result::Continue;
  }
  }
  if (result == Result::Blocked)
    return result;
  pc_ = scalars.advance(pc_ + 1);
  resumeAt_ = now + (op.id == Id::Lds ? op.latency : 1);
  return result;
}

void ControlProcessor::step(uint64_t now) {
  if (now < resumeAt_ || halted_) {
    wake = halted_ ? kNever : resumeAt_;
    return;
  }
  uint64_t limit = simulation.horizon(*this);
  for (uint64_t t = now;;) {
    if (pc_ >= code_.size())
      simulation.fail("TN1206", *this, uint32_t(code_.size()) - 1, "the program ends without halt");
    if (t > simulation.options.maxCycles)
      simulation.fail("TN1207", *this, pc_, "the run has reached the limit of cycles");
    const Operation &op = code_[pc_];
    if (simulation.observer)
      simulation.observer->onInstruction(core, engine, pc_, t);
    Result result = execute(op, t);
    if (result == Result::Blocked)
      return;
    become(Activity::Busy, t);
    ++simulation.statistics.instructions;
    simulation.count(op.action);
    simulation.lastsUntil(resumeAt_);
    if (halted_) {
      become(Activity::Idle, resumeAt_);
      return;
    }
    t = resumeAt_;
    if (result == Result::Dispatched || t >= limit) {
      wake = t;
      return;
    }
  }
}

} // namespace tenon::sim
