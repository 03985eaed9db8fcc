#include "sim/Machine.h"

#include "sim/timing/Processor.h"
#include "sim/timing/VectorCore.h"

namespace tenon::sim {

Machine::Machine(const mortise::Hardware &hardware, const mortise::Program &program, const Options &options)
    : simulation_(std::make_unique<Simulation>(hardware, program, options)) {}
Machine::~Machine() = default;
Machine::Machine(Machine &&) noexcept = default;

void Machine::setParameter(const std::string &name, int64_t value) {
  const std::vector<std::string> &names = simulation_->program.parameters;
  auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end())
    throw mortise::Error("TN1209", "the program has no parameter '" + name + "'");
  simulation_->parameters[size_t(found - names.begin())] = value;
}

namespace {

int tensorIndex(const Simulation &simulation, const std::string &name) {
  const mortise::Tensor *tensor = simulation.program.findTensor(name);
  if (!tensor)
    throw mortise::Error("TN1209", "the program has no tensor '" + name + "'");
  return int(tensor - simulation.program.tensors.data());
}

} // namespace

void Machine::bind(const std::string &name, std::span<uint8_t> memory) {
  int index = tensorIndex(*simulation_, name);
  uint64_t bytes = simulation_->program.tensors[size_t(index)].bytes();
  if (memory.size() > bytes)
    throw mortise::Error("TN1209", "tensor '" + name + "' has " + std::to_string(bytes) +
                                       " bytes, the memory for it " + std::to_string(memory.size()));
  simulation_->memory.bind(index, memory);
}

std::span<uint8_t> Machine::tensor(const std::string &name) {
  return simulation_->memory.bytes(tensorIndex(*simulation_, name));
}

void Machine::observe(Observer *observer) { simulation_->observer = observer; }

Statistics Machine::run() { return simulation_->run(); }

int64_t Machine::scalarRegister(unsigned core, bool vectorCore, unsigned index) const {
  const Core &here = *simulation_->cores.at(core);
  return (vectorCore ? here.vector->scalars : here.control->scalars).registers.at(index);
}

std::span<const int32_t> Machine::vectorRegister(unsigned core, unsigned index) const {
  return {simulation_->cores.at(core)->state.vectors->vectors[index],
          size_t(simulation_->hardware.vector.lanes)};
}

int64_t Machine::semaphore(unsigned index) const { return simulation_->semaphoreValue(index); }

std::span<const uint8_t> Machine::scratchpad(unsigned core, int64_t address, int64_t bytes) const {
  LocalMemory &memory = simulation_->cores.at(core)->state.local;
  if (!simulation_->options.functional || bytes <= 0 || bytes > kFarthest || !memory.holds(address, bytes))
    return {};
  return {memory.at(address), size_t(bytes)};
}

std::string Machine::queues(unsigned core) const {
  std::string text;
  for (const Unit *unit : simulation_->cores.at(core)->units) {
    if (!unit)
      continue;
    std::string front = unit->waitingFor();
    text += mortise::engineName(unit->engine) + ": " + std::to_string(unit->queue.size()) + " queued" +
            (front.empty() ? "" : ", at " + front) + "\n";
  }
  return text;
}

} // namespace tenon::sim
