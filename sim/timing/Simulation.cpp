#include "sim/timing/Simulation.h"

#include "sim/timing/DmaChannel.h"
#include "sim/timing/Processor.h"
#include "sim/timing/Rows.h"
#include "sim/timing/VectorCore.h"

#include <cmath>

namespace tenon::sim {

using mortise::Engine;

namespace {

constexpr size_t kMaxEvents = 2'000'000, kMaxSamples = 1024;

} // namespace

Actions::Actions() {
  auto add = [&](const char *name) {
    if (std::find(names_.begin(), names_.end(), name) == names_.end())
      names_.emplace_back(name);
  };
  for (const auto &[name, meaning] : mortise::energyActions())
    add(name);
  for (const mortise::Row &row : mortise::rows())
    add(row.action);
}

unsigned Actions::number(std::string_view name) const {
  return unsigned(std::find(names_.begin(), names_.end(), name) - names_.begin());
}

Simulation::Simulation(const mortise::Hardware &hardware, const mortise::Program &program,
                       const Options &options)
    : hardware(hardware), program(program), options(options), memory(program, options.functional),
      parameters(program.parameters.size(), 0), actionCounts(actions.size(), 0),
      semaphoreAction(actions.number("semaphore.op")), descriptorAction(actions.number("dma.descriptor")),
      loadAction(actions.number("matrix.load")), issueAction(actions.number("matrix.issue")),
      drainAction(actions.number("drain.issue")) {
  setUpBus(dram, hardware.dram, "dram", statistics.dram);
  setUpBus(l2, hardware.l2.bytes ? hardware.l2 : hardware.dram, "l2", statistics.l2);
  for (const mortise::Tensor &tensor : program.tensors) {
    bool inL2 = tensor.address >= mortise::kL2Base;
    uint64_t end = tensor.address + tensor.bytes() - (inL2 ? mortise::kL2Base : 0);
    if (end > uint64_t(inL2 ? hardware.l2.bytes : hardware.dram.bytes))
      throw mortise::Error("TN1205", "tensor '" + tensor.name + "' ends at byte " + std::to_string(end) +
                                         " of " + (inL2 ? "the l2, which has " : "the memory, which has ") +
                                         std::to_string(inL2 ? hardware.l2.bytes : hardware.dram.bytes) +
                                         " on " + hardware.name);
  }
  for (double &pj : picojoulesOf_ = std::vector<double>(actions.size(), 0.0)) {
    auto found = hardware.energy.actions.find(actions.name(unsigned(&pj - picojoulesOf_.data())));
    pj = found == hardware.energy.actions.end() ? 0 : found->second;
  }
  if (!program.nodes.empty()) {
    nodeCosts.resize(program.nodes.size());
    nodeOf.assign(program.code.size(), -1);
    for (size_t i = 0; i < program.origins.size(); ++i) {
      size_t last = i + 1 < program.origins.size() ? program.origins[i + 1].instruction : program.code.size();
      std::fill(nodeOf.begin() + program.origins[i].instruction, nodeOf.begin() + ptrdiff_t(last),
                int32_t(program.origins[i].node));
    }
  }
  statistics.peakMacs = hardware.peakMacs();
  statistics.window = 1024;
  nextSample_ = statistics.window;
  for (unsigned core = 0; core < unsigned(hardware.cores); ++core)
    addUnits(core);
}

Simulation::~Simulation() = default;

void Simulation::setUpBus(Bus &bus, const mortise::MemoryTiming &timing, const char *name, Traffic &traffic) {
  bus.burst = timing.burst;
  bus.latency = timing.latency;
  bus.burstCost = uint64_t(std::max(1.0, std::round(double(timing.burst) / timing.bytesPerCycle * 256)));
  bus.traffic = &traffic;
  bus.readAction = actions.number(std::string(name) + ".read");
  bus.writeAction = actions.number(std::string(name) + ".write");
}

void Simulation::addUnits(unsigned core) {
  cores.push_back(std::make_unique<Core>(hardware, options.functional));
  Core &here = *cores.back();
  auto add = [&](auto unit) {
    auto *raw = unit.get();
    here.units[raw->engine] = raw;
    units_.push_back(std::move(unit));
    return raw;
  };
  // The order in which engines get banks: the array stalls most when it waits, channels have room to wait.
  here.matrix = add(std::make_unique<MatrixArray>(*this, core));
  here.weights = add(std::make_unique<WeightLoader>(*this, core));
  add(std::make_unique<DrainUnit>(*this, core));
  here.vector = add(std::make_unique<VectorCore>(*this, core));
  for (unsigned i = 0; i < unsigned(hardware.dma.inChannels); ++i)
    add(std::make_unique<DmaChannel>(*this, core, unsigned(Engine::In0) + i));
  for (unsigned i = 0; i < unsigned(hardware.dma.outChannels); ++i)
    add(std::make_unique<DmaChannel>(*this, core, unsigned(Engine::Out0) + i));
  here.control = add(std::make_unique<ControlProcessor>(*this, core));
  for (Unit *unit : here.units) {
    if (!unit)
      continue;
    unit->statistics = unsigned(statistics.engines.size());
    std::string prefix = hardware.cores > 1 ? "core" + std::to_string(core) + "." : "";
    statistics.engines.push_back({prefix + mortise::engineName(unit->engine), {}});
  }
}

void Simulation::fail(const char *code, const Unit &unit, uint32_t instruction,
                      const std::string &message) const {
  std::string where = "engine " + mortise::engineName(unit.engine);
  if (hardware.cores > 1)
    where += " of core " + std::to_string(unit.core);
  where += ", cycle " + std::to_string(now) + ", instruction " + std::to_string(instruction);
  if (instruction < program.code.size())
    where += " '" + toText(program.code[instruction]) + "'";
  std::string node = program.nodeOf(instruction);
  throw mortise::Error(code, where + (node.empty() ? "" : ", node '" + node + "'") + ": " + message);
}

std::string Simulation::describe(const Access &access) const {
  std::string node = program.nodeOf(access.instruction);
  return std::string(access.write ? "written" : "read") + " by engine " +
         mortise::engineName(access.engine % mortise::kEngines) + ", instruction " +
         std::to_string(access.instruction) + " '" + toText(program.code[access.instruction]) + "'" +
         (node.empty() ? "" : ", node '" + node + "'");
}

void Simulation::raced(const Unit &unit, uint32_t instruction, const Race &race, bool write,
                       const char *where) const {
  fail("TN1201", unit, instruction,
       std::string(write ? "writes " : "reads ") + where + " byte " + std::to_string(race.address) +
           ", which is also " + describe(race.earlier) + ", and no semaphore orders the two");
}

void Simulation::touchLocal(Unit &unit, uint32_t instruction, const Region &region, bool write,
                            uint64_t cycle) {
  Core &here = *cores[unit.core];
  requireNear(unit, instruction, region.base);
  auto [low, high] = region.bounds();
  if (!here.state.local.contains(low, high))
    fail("TN1204", unit, instruction,
         "accesses scratchpad bytes " + std::to_string(low) + " to " + std::to_string(high - 1) +
             ", the machine has " + std::to_string(hardware.scratchpad.bytes));
  if (observer)
    observer->onAccess(unit.core, unit.engine, instruction, region, write, cycle);
  if (options.occupancy && low < mortise::kAccumulatorBase)
    occupancy_.touch(unit.core, region, write, cycle);
  if (!options.hazards)
    return;
  Access access{uint16_t(unit.index), write, unit.clock.epochs[unit.index], instruction};
  if (Race race = here.shadow.touch(region, access, unit.clock); race.found)
    raced(unit, instruction, race, write, "scratchpad");
}

void Simulation::touchMemory(Unit &unit, uint32_t instruction, const Region &region, bool write) {
  requireNear(unit, instruction, region.base);
  auto [low, high] = region.bounds();
  int index = memory.find(low, high);
  if (index < 0)
    fail("TN1204", unit, instruction,
         "accesses memory bytes " + std::to_string(low) + " to " + std::to_string(high - 1) +
             ", which lie in no tensor of the program");
  mortise::Role role = memory.tensor(index).role;
  bool readOnly = role == mortise::Role::Input || role == mortise::Role::Constant;
  if (write && readOnly)
    fail("TN1204", unit, instruction,
         "writes to tensor '" + memory.tensor(index).name + "', which is an input or constant");
  if (!options.hazards || readOnly)
    return;
  Access access{uint16_t(unit.index), write, unit.clock.epochs[unit.index], instruction};
  if (Race race = memoryShadow_.touch(region, access, unit.clock); race.found)
    raced(unit, instruction, race, write, "memory");
}

bool Simulation::acquire(Unit &unit, const Command &command) {
  auto number = size_t(command.flags);
  if (command.flags >= hardware.semaphores)
    fail("TN1205", unit, command.instruction,
         "the machine has " + std::to_string(hardware.semaphores) + " semaphores");
  Semaphore &semaphore = semaphores_[number];
  if (semaphore.acquirer < 0)
    semaphore.acquirer = int(unit.index);
  if (semaphore.acquirer != int(unit.index))
    fail("TN1203", unit, command.instruction,
         "semaphore s" + std::to_string(number) + " is also acquired by engine " +
             mortise::engineName(unsigned(semaphore.acquirer) % mortise::kEngines) +
             ": the order would depend on timing; use one semaphore for each pair of engines");
  if (semaphore.value < command.a) {
    semaphore.waiter = &unit;
    return false;
  }
  semaphore.waiter = nullptr;
  semaphore.value -= command.a;
  size_t used = 0;
  for (int64_t left = command.a; left > 0;) {
    Token &token = semaphore.tokens[used];
    unit.clock.join(token.clock, clocks());
    int64_t taken = std::min(left, token.count);
    left -= taken;
    token.count -= taken;
    used += token.count == 0;
  }
  semaphore.tokens.erase(semaphore.tokens.begin(), semaphore.tokens.begin() + ptrdiff_t(used));
  count(semaphoreAction);
  return true;
}

void Simulation::release(Unit &unit, const Command &command, uint64_t when) {
  if (command.flags >= hardware.semaphores)
    fail("TN1205", unit, command.instruction,
         "the machine has " + std::to_string(hardware.semaphores) + " semaphores");
  Semaphore &semaphore = semaphores_[size_t(command.flags)];
  if (semaphore.releaser < 0)
    semaphore.releaser = int(unit.index);
  if (semaphore.releaser != int(unit.index))
    fail("TN1203", unit, command.instruction,
         "semaphore s" + std::to_string(command.flags) + " is also released by engine " +
             mortise::engineName(unsigned(semaphore.releaser) % mortise::kEngines) +
             ": the order would depend on timing; use one semaphore for each pair of engines");
  releases_.push({when, releaseOrder_++, unsigned(command.flags), command.a, unit.clock});
  ++unit.clock.epochs[unit.index];
  lastsUntil(when);
}

void Simulation::initialise(Unit &unit, uint32_t instruction, unsigned number, int64_t count) {
  if (int64_t(number) >= hardware.semaphores)
    fail("TN1205", unit, instruction,
         "the machine has " + std::to_string(hardware.semaphores) + " semaphores");
  Semaphore &semaphore = semaphores_[number];
  if (semaphore.initialised || semaphore.acquirer >= 0 || semaphore.releaser >= 0)
    fail("TN1203", unit, instruction,
         "semaphore s" + std::to_string(number) + " is initialised after its use, or twice");
  semaphore.initialised = true;
  semaphore.value = semaphore.initial = count;
  if (count)
    semaphore.tokens.push_back({count, unit.clock});
}

void Simulation::deliver() {
  while (!releases_.empty() && releases_.top().when <= now) {
    const Release &release = releases_.top();
    Semaphore &semaphore = semaphores_[release.semaphore];
    semaphore.value += release.count;
    if (release.count)
      semaphore.tokens.push_back({release.count, release.clock});
    if (semaphore.waiter)
      semaphore.waiter->wakeAt(now);
    releases_.pop();
  }
}

uint64_t Simulation::nextEvent(const Unit &self) const {
  uint64_t first = kNever;
  auto own = size_t(&self.wake - wakes_.data());
  for (size_t i = 0; i < wakeCount_; ++i)
    first = std::min(first, i == own ? kNever : wakes_[i]);
  return releases_.empty() ? first : std::min(first, releases_.top().when);
}

void Simulation::record(const Unit &unit, const Command &command, uint64_t begin, uint64_t finished) {
  if (NodeCost *cost = nodeCost(command.instruction)) {
    cost->begin = std::min(cost->begin, begin);
    cost->end = std::max(cost->end, finished);
    cost->busy[statistics.engines[unit.statistics].name] += finished - begin;
  }
  if (!options.trace)
    return;
  if (statistics.events.size() >= kMaxEvents)
    statistics.eventsCut = true;
  else
    statistics.events.push_back(
        {uint16_t(unit.statistics), false, Activity::Busy, command.id, command.instruction, begin, finished});
}

void Simulation::recordStall(const Unit &unit, Activity activity, uint64_t begin, uint64_t finished) {
  // Single cycles for a bank would drown the trace; the counters have them.
  if (finished - begin < 2)
    return;
  if (statistics.events.size() >= kMaxEvents)
    statistics.eventsCut = true;
  else
    statistics.events.push_back({uint16_t(unit.statistics), true, activity, Id::Nop, 0, begin, finished});
}

double Simulation::dynamicPicojoules() const {
  double total = 0;
  for (size_t i = 0; i < actionCounts.size(); ++i)
    total += double(actionCounts[i]) * picojoulesOf_[i];
  return total;
}

/// Ends a window of the power curve; when there are many, pairs of them become one.
void Simulation::sample() {
  double total = dynamicPicojoules();
  statistics.power.push_back(total - sampled_);
  sampled_ = total;
  if (statistics.power.size() == kMaxSamples) {
    for (size_t i = 0; i < kMaxSamples / 2; ++i)
      statistics.power[i] = statistics.power[2 * i] + statistics.power[2 * i + 1];
    statistics.power.resize(kMaxSamples / 2);
    statistics.window *= 2;
  }
  nextSample_ = (statistics.power.size() + 1) * statistics.window;
}

void Simulation::deadlock() const {
  std::string waiting;
  const Unit *first = nullptr;
  for (const auto &unit : units_) {
    std::string what = unit->waitingFor();
    if (what.empty())
      continue;
    if (!first || unit->engine != unsigned(Engine::Control))
      first = first && first->engine != unsigned(Engine::Control) ? first : unit.get();
    waiting += (waiting.empty() ? "" : "; ") + mortise::engineName(unit->engine) +
               (hardware.cores > 1 ? " of core " + std::to_string(unit->core) : "") + " at " + what;
  }
  throw mortise::Error("TN1202", "deadlock in cycle " + std::to_string(now) +
                                     ": nothing can go on; waiting: " + waiting);
}

void Simulation::checkSemaphores() const {
  for (size_t i = 0; i < semaphores_.size(); ++i)
    if (semaphores_[i].value != semaphores_[i].initial)
      throw mortise::Error("TN1203", "semaphore s" + std::to_string(i) + " is unmatched: it ends at " +
                                         std::to_string(semaphores_[i].value) + " and began at " +
                                         std::to_string(semaphores_[i].initial) +
                                         "; releases and acquires must be equal");
}

Statistics Simulation::run() {
  memory.allocate();
  for (;;) {
    uint64_t next = releases_.empty() ? kNever : releases_.top().when;
    for (size_t i = 0; i < wakeCount_; ++i)
      next = std::min(next, wakes_[i]);
    if (next == kNever)
      break;
    now = next;
    if (now > options.maxCycles)
      throw mortise::Error("TN1207", "the run has reached the limit of " + std::to_string(options.maxCycles) +
                                         " cycles");
    while (now >= nextSample_)
      sample();
    deliver();
    for (size_t i = 0; i < wakeCount_; ++i)
      if (wakes_[i] <= now) {
        wakes_[i] = kNever;
        units_[i]->step(now);
      }
  }
  for (const auto &unit : units_)
    if (unit->quietAt() == kNever)
      deadlock();
  checkSemaphores();
  return collect();
}

Statistics Simulation::collect() {
  statistics.cycles = end;
  for (const auto &unit : units_)
    unit->finish(end);
  sample();
  for (unsigned i = 0; i < actions.size(); ++i) {
    if (actionCounts[i] == 0)
      continue;
    statistics.actions[actions.name(i)] = actionCounts[i];
    statistics.picojoules[actions.name(i)] = double(actionCounts[i]) * picojoulesOf_[i];
  }
  statistics.picojoules["static.leakage"] = double(end) * hardware.energy.staticPerCycle;
  if (options.occupancy && end) {
    statistics.occupancy = occupancy_.windows(end, statistics.window);
    for (double bytes : statistics.occupancy)
      statistics.peakLive = std::max(statistics.peakLive, uint64_t(bytes));
  }
  for (size_t i = 0; i < nodeCosts.size(); ++i)
    if (nodeCosts[i].begin != kNever)
      statistics.nodes[program.nodes[i]] = std::move(nodeCosts[i]);
  return std::move(statistics);
}

} // namespace tenon::sim
