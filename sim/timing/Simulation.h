// The state of a run: cores, memory, semaphores, and the loop over events.
#pragma once

#include "sim/Hazards.h"
#include "sim/Machine.h"
#include "sim/functional/Lanes.h"
#include "sim/timing/Banks.h"
#include "sim/timing/Occupancy.h"
#include "sim/timing/Unit.h"

#include <queue>

namespace tenon::sim {

class ControlProcessor;
class WeightLoader;
class MatrixArray;
class VectorCore;

/// A memory behind the DMA channels. Times are in 1/256 cycle, so that any bandwidth is exact enough.
struct Bus {
  uint64_t burstCost = 256, free = 0;
  int64_t latency = 0, burst = 64;
  unsigned readAction = 0, writeAction = 0;
  Traffic *traffic = nullptr;
  int lastChannel = -1;
  uint64_t waiting = 0; ///< channels that found it taken, a bit each
};

/// Numbers of energy actions.
class Actions {
public:
  Actions();
  unsigned number(std::string_view name) const;
  size_t size() const { return names_.size(); }
  const std::string &name(unsigned number) const { return names_[number]; }

private:
  std::vector<std::string> names_;
};

struct Core {
  Core(const mortise::Hardware &hardware, bool allocate) : state(hardware, allocate), banks(hardware) {}
  CoreState state;
  Banks banks;
  Shadow shadow;
  std::array<Unit *, mortise::kEngines> units{}; ///< null: the machine has no such engine
  ControlProcessor *control = nullptr;
  WeightLoader *weights = nullptr;
  MatrixArray *matrix = nullptr;
  VectorCore *vector = nullptr;
};

class Simulation {
public:
  Simulation(const mortise::Hardware &hardware, const mortise::Program &program, const Options &options);
  ~Simulation();
  Statistics run();

  [[noreturn]] void fail(const char *code, const Unit &unit, uint32_t instruction,
                         const std::string &message) const;
  void count(unsigned action, uint64_t times = 1) { actionCounts[action] += times; }

  /// Notes an access for races, occupancy and watchpoints; fails on a race, or outside of the memory.
  void touchLocal(Unit &unit, uint32_t instruction, const Region &region, bool write, uint64_t now);
  void touchMemory(Unit &unit, uint32_t instruction, const Region &region, bool write);

  /// Fails where the address is beyond everything, before anything is added to it.
  void requireNear(const Unit &unit, uint32_t instruction, int64_t address) const {
    if (!isNear(address))
      fail("TN1204", unit, instruction,
           "address " + std::to_string(address) + " lies outside of every memory");
  }

  bool acquire(Unit &unit, const Command &command);
  void release(Unit &unit, const Command &command, uint64_t when);
  void initialise(Unit &unit, uint32_t instruction, unsigned semaphore, int64_t count);

  /// A unit's slot for the cycle in which it acts next. Units are added before the run begins.
  uint64_t &addWake() { return wakes_[wakeCount_++] = kNever; }
  /// The first cycle in which any other unit or event acts; a unit may run alone until then.
  uint64_t horizon(const Unit &self) const { return std::min(nextSample_, nextEvent(self)); }
  /// As above, without the ends of the power curve's windows.
  uint64_t nextEvent(const Unit &self) const;
  void record(const Unit &unit, const Command &command, uint64_t begin, uint64_t end);
  void recordStall(const Unit &unit, Activity activity, uint64_t begin, uint64_t end);
  /// The run lasts at least until then.
  void lastsUntil(uint64_t cycle) { end = std::max(end, cycle); }
  Bus &bus(int64_t address) { return address >= int64_t(mortise::kL2Base) ? l2 : dram; }
  unsigned clocks() const { return unsigned(hardware.cores) * mortise::kEngines; }
  NodeCost *nodeCost(uint32_t instruction) {
    return nodeOf.empty() || nodeOf[instruction] < 0 ? nullptr : &nodeCosts[size_t(nodeOf[instruction])];
  }
  int64_t semaphoreValue(unsigned index) const { return semaphores_[index].value; }

  const mortise::Hardware &hardware;
  const mortise::Program &program;
  const Options options;
  Observer *observer = nullptr;
  TensorMemory memory;
  std::vector<std::unique_ptr<Core>> cores;
  std::vector<int64_t> parameters;
  std::vector<Clock> knowledge; ///< of control processors, by number
  Bus dram, l2;
  unsigned descriptorsInFlight = 0;
  uint64_t descriptorWaiters = 0; ///< channels that wait for a descriptor, a bit each
  Actions actions;
  std::vector<uint64_t> actionCounts;
  Statistics statistics;
  uint64_t now = 0, end = 0;
  const unsigned semaphoreAction, descriptorAction, loadAction, issueAction, drainAction;
  std::vector<int32_t> nodeOf; ///< by instruction; -1: none
  std::vector<NodeCost> nodeCosts;

private:
  struct Token {
    int64_t count;
    Clock clock;
  };
  struct Semaphore {
    int64_t value = 0, initial = 0;
    bool initialised = false;
    std::vector<Token> tokens; ///< oldest first
    int releaser = -1, acquirer = -1;
    Unit *waiter = nullptr;
  };
  struct Release {
    uint64_t when, order;
    unsigned semaphore;
    int64_t count;
    Clock clock;
  };
  struct Later {
    bool operator()(const Release &a, const Release &b) const {
      return a.when != b.when ? a.when > b.when : a.order > b.order;
    }
  };

  void addUnits(unsigned core);
  void setUpBus(Bus &bus, const mortise::MemoryTiming &timing, const char *name, Traffic &traffic);
  void deliver();
  void sample();
  void raced(const Unit &unit, uint32_t instruction, const Race &race, bool write, const char *where) const;
  std::string describe(const Access &access) const;
  double dynamicPicojoules() const;
  [[noreturn]] void deadlock() const;
  void checkSemaphores() const;
  Statistics collect();

  std::array<uint64_t, kMaxEngines> wakes_{}; ///< by place in `units_`
  size_t wakeCount_ = 0;
  std::vector<std::unique_ptr<Unit>> units_; ///< in the order in which they get banks
  Shadow memoryShadow_;
  Occupancy occupancy_;
  std::array<Semaphore, mortise::kSemaphores> semaphores_;
  std::priority_queue<Release, std::vector<Release>, Later> releases_;
  uint64_t releaseOrder_ = 0, nextSample_ = 0;
  double sampled_ = 0;
  std::vector<double> picojoulesOf_; ///< by action
};

} // namespace tenon::sim
