// A DMA channel: descriptors are set up one after the other, their bursts share the memory with other
// channels, data arrives after the latency and takes the banks of the scratchpad word by word.
#pragma once

#include "sim/timing/Bursts.h"
#include "sim/timing/Simulation.h"

#include <deque>

namespace tenon::sim {

class DmaChannel : public Unit {
public:
  DmaChannel(Simulation &simulation, unsigned core, unsigned engine);
  void step(uint64_t now) override;
  uint64_t quietAt() const override { return queue.empty() && transfers_.empty() ? complete_ : kNever; }

private:
  struct Transfer {
    Command command;
    BurstIterator bursts;
    uint64_t begin = 0, readyAt = 0, last = 0;
    unsigned outstanding = 0;      ///< bursts between the two stages
    std::vector<Command> releases; ///< when it is complete
    std::vector<Clock> releaseClocks;
    bool fill = false;
  };
  struct Piece {
    Burst burst;
    uint64_t at = 0; ///< in: the data is there
    int64_t element = 0, offset = 0;
    Transfer *transfer = nullptr;
  };

  void takeCommands(uint64_t now);
  void startTransfer(const Command &command, uint64_t now);
  void check(const Command &command);
  bool request(uint64_t now);
  bool moveLocal(uint64_t now);
  bool moveWord(Piece &piece, uint64_t now);
  bool writeOut(uint64_t now);
  bool takeBus(int64_t address, uint64_t now, uint64_t &done);
  void completeTransfers(uint64_t now);
  Transfer *requesting();
  uint64_t nextEvent(uint64_t now);

  const bool isInput_;
  std::deque<Transfer> transfers_;
  std::deque<Piece> pieces_; ///< in: requested, not yet in the scratchpad; out: read, not yet in memory
  Piece reading_;            ///< out: being read
  uint64_t setupUntil_ = 0, complete_ = 0, busyUntil_ = 0;
  Activity waiting_ = Activity::Idle;
  unsigned scratchpadAction_;
};

} // namespace tenon::sim
