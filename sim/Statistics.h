// What a run cost.
#pragma once

#include "sim/Command.h"

#include <map>

namespace tenon::sim {

/// What an engine does in a cycle; all but Idle and Busy are stalls, named after what is waited for.
enum class Activity : uint8_t {
  Idle,
  Busy,
  Semaphore,  ///< acquire
  Bank,       ///< another engine has the bank
  Weights,    ///< the matrix unit: the next weight tile
  Shadow,     ///< the weight loader: room for a tile
  Pipeline,   ///< the unit's own pipeline: issue gap, fill, drain
  Dram,       ///< the memory's bandwidth, taken by another channel
  Latency,    ///< data under way from or to memory
  Descriptor, ///< all descriptors are in flight
  Dependency, ///< the vector core: a result of an earlier bundle
  Queue,      ///< the control processor: a full queue
  Fence,      ///< the control processor: engines that are not done
  Count
};
const char *activityName(Activity activity);

struct EngineCycles {
  std::string name;
  std::array<uint64_t, size_t(Activity::Count)> cycles{};
  uint64_t operator[](Activity activity) const { return cycles[size_t(activity)]; }
};

struct Traffic {
  uint64_t read = 0, write = 0; ///< bytes
};

/// One command of an engine, or one stall, for the trace.
struct Event {
  uint16_t engine = 0; ///< index into Statistics::engines
  bool stall = false;
  Activity activity = Activity::Busy;
  Id id = Id::Nop;
  uint32_t instruction = 0;
  uint64_t begin = 0, end = 0;
};

/// What a node of the model cost.
struct NodeCost {
  uint64_t begin = kNever, end = 0, macs = 0, dramBytes = 0;
  std::map<std::string, uint64_t> busy; ///< by engine: cycles between begin and end of its commands
};

struct Statistics {
  uint64_t cycles = 0;
  std::vector<EngineCycles> engines;
  Traffic dram, l2, l1;              ///< with whole bursts and words of banks
  uint64_t dramUseful = 0;           ///< bytes that were asked for, both directions
  uint64_t macs = 0, arrayCells = 0; ///< useful ones; cell-cycles of products under way
  double peakMacs = 0;               ///< a cycle
  uint64_t instructions = 0, bundles = 0;
  std::map<std::string, uint64_t> actions;  ///< how often each energy action happened
  std::map<std::string, double> picojoules; ///< actions x the hardware's table; `static.leakage` is time
  uint64_t window = 0;                      ///< cycles between the samples below
  std::vector<double> power;                ///< pJ in each window
  std::vector<double> occupancy;            ///< live bytes of the scratchpads, mean of each window
  uint64_t peakLive = 0;                    ///< bytes, the largest window
  std::vector<Event> events;
  bool eventsCut = false;
  std::vector<std::pair<uint64_t, uint32_t>> marks;
  std::map<std::string, NodeCost> nodes;

  double totalPicojoules() const {
    double total = 0;
    for (const auto &[action, pj] : picojoules)
      total += pj;
    return total;
  }
};

} // namespace tenon::sim
