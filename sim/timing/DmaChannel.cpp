#include "sim/timing/DmaChannel.h"

#include <bit>
#include <utility>

namespace tenon::sim {

namespace {

/// Bursts that an output channel holds between scratchpad and memory, and an input channel while it fills.
constexpr size_t kStaged = 8;

uint64_t cyclesOf(uint64_t parts) { return (parts + 255) / 256; }

} // namespace

DmaChannel::DmaChannel(Simulation &simulation, unsigned core, unsigned engine)
    : Unit(simulation, core, engine, size_t(simulation.hardware.queueDepth)),
      isInput_(mortise::isInChannel(engine)),
      scratchpadAction_(simulation.actions.number(isInput_ ? "scratchpad.write" : "scratchpad.read")) {}

void DmaChannel::check(const Command &command) {
  const Descriptor &d = command.descriptor;
  const auto &dma = simulation.hardware.dma;
  auto limit = [&](Field field, int64_t low, int64_t high) {
    int64_t value = d[field];
    if (value < low || value > high)
      simulation.fail("TN1205", *this, command.instruction,
                      std::string("field ") + mortise::fieldName(unsigned(field)) + " must be from " +
                          std::to_string(low) + " to " + std::to_string(high) + ", found " +
                          std::to_string(value));
  };
  for (unsigned i = 0; i < 4; ++i) {
    auto at = [i](Field first) { return Field(unsigned(first) + i); };
    limit(at(Field::N0), 1, int64_t(i) < dma.dimensions ? dma.maxCount : 1);
    if (d[at(Field::N0)] > 1) {
      limit(at(Field::L0), -dma.maxStride, dma.maxStride);
      limit(at(Field::G0), -dma.maxStride, dma.maxStride);
    }
  }
  limit(Field::Mode, 0, 2);
  for (int64_t address : {command.a, command.b, d[Field::Index]})
    simulation.requireNear(*this, command.instruction, address);
  int64_t size = d[Field::Esize];
  if (size != 1 && size != 2 && size != 4)
    simulation.fail("TN1205", *this, command.instruction,
                    "field esize must be 1, 2 or 4, found " + std::to_string(size));
  // Every word of the scratchpad takes a cycle: what cannot end in time is not begun.
  double bytes = double(size);
  for (Field field : {Field::N0, Field::N1, Field::N2, Field::N3})
    bytes *= double(d[field]);
  if (bytes / double(simulation.hardware.scratchpad.width) > double(simulation.options.maxCycles))
    simulation.fail("TN1207", *this, command.instruction,
                    "the transfer takes longer than the limit of " +
                        std::to_string(simulation.options.maxCycles) + " cycles");
  if (d[Field::Mode] == int64_t(mortise::DmaMode::Fill) && !isInput_)
    simulation.fail("TN1205", *this, command.instruction, "only channels into the scratchpad fill");
}

void DmaChannel::startTransfer(const Command &command, uint64_t now) {
  check(command);
  const Descriptor &d = command.descriptor;
  CoreState &state = simulation.cores[core]->state;
  auto mode = mortise::DmaMode(d[Field::Mode]);
  int64_t size = d[Field::Esize];
  std::vector<int64_t> indices;
  if (mode == mortise::DmaMode::Gather) {
    simulation.touchLocal(*this, command.instruction, {d[Field::Index], d[Field::N1] * 4}, false, now);
    if (simulation.options.functional)
      indices = gatherIndices(command, state);
  }
  // A dimension is folded into the run where it can be: four dimensions and the run are five.
  auto region = [&](int64_t base, Field first) {
    auto stride = [&](unsigned i) { return d.values[size_t(first) + i]; };
    Region r{base, size, {d[Field::N1], d[Field::N2], d[Field::N3]}, {stride(1), stride(2), stride(3)}};
    if (stride(0) == size || d[Field::N0] == 1)
      r.run = size * d[Field::N0];
    return r;
  };
  auto touch = [&](int64_t base, Field first, bool local, bool write) {
    Region r = region(base, first);
    bool strided = r.run == size && d[Field::N0] > 1;
    int64_t step = d.values[size_t(first)], steps = strided ? d[Field::N0] : 1;
    bool rows = !local && !indices.empty();
    for (int64_t i = 0; i < steps; ++i)
      for (size_t k = 0; k < (rows ? indices.size() : 1); ++k) {
        Region part = r;
        part.base += i * step;
        if (rows) {
          part.base += indices[k] * r.stride[0];
          part.count[0] = 1;
        }
        local ? simulation.touchLocal(*this, command.instruction, part, write, now)
              : simulation.touchMemory(*this, command.instruction, part, write);
      }
  };
  touch(command.a, Field::L0, true, isInput_);
  if (mode != mortise::DmaMode::Fill)
    touch(command.b, Field::G0, false, !isInput_);
  if (simulation.options.functional)
    executeDma(command, isInput_, state, simulation.memory);
  uint64_t bytes = uint64_t(size * d[Field::N0]) * uint64_t(d[Field::N1] * d[Field::N2] * d[Field::N3]);
  if (mode != mortise::DmaMode::Fill) {
    simulation.statistics.dramUseful += bytes;
    if (NodeCost *cost = simulation.nodeCost(command.instruction))
      cost->dramBytes += bytes;
  }
  simulation.count(simulation.descriptorAction);
  if (simulation.observer)
    simulation.observer->onInstruction(core, engine, command.instruction, now);
  setupUntil_ = std::max(setupUntil_, now) + uint64_t(simulation.hardware.dma.setup);
  ++simulation.descriptorsInFlight;
  Transfer transfer;
  transfer.bursts = BurstIterator(command, simulation.bus(command.b).burst, std::move(indices));
  transfer.command = command;
  transfer.begin = now;
  transfer.readyAt = setupUntil_;
  transfer.fill = mode == mortise::DmaMode::Fill;
  transfers_.push_back(std::move(transfer));
}

void DmaChannel::takeCommands(uint64_t now) {
  waiting_ = Activity::Idle;
  while (!queue.empty()) {
    const Command &command = queue.front();
    if (command.id == Id::Dma &&
        simulation.descriptorsInFlight >= unsigned(simulation.hardware.dma.inFlight)) {
      waiting_ = Activity::Descriptor;
      simulation.descriptorWaiters |= uint64_t(1) << index;
      return;
    }
    // The list of a gather may come from the transfer before.
    bool gathers =
        command.id == Id::Dma && command.descriptor[Field::Mode] == int64_t(mortise::DmaMode::Gather);
    if (gathers && !transfers_.empty())
      return;
    learn(command);
    if (command.id == Id::Acq) {
      if (!simulation.acquire(*this, command)) {
        waiting_ = Activity::Semaphore;
        return;
      }
    } else if (command.id == Id::Dma) {
      startTransfer(command, now);
    } else if (transfers_.empty()) {
      simulation.release(*this, command, std::max(now, complete_));
    } else {
      transfers_.back().releases.push_back(command);
      transfers_.back().releaseClocks.push_back(clock);
      ++clock.epochs[index];
    }
    popCommand(now);
  }
}

DmaChannel::Transfer *DmaChannel::requesting() {
  for (Transfer &transfer : transfers_)
    if (!transfer.bursts.done())
      return &transfer;
  return nullptr;
}

/// Takes the memory for a burst; false while it is taken, or another channel's turn.
bool DmaChannel::takeBus(int64_t address, uint64_t now, uint64_t &done) {
  Bus &bus = simulation.bus(address);
  uint64_t bit = uint64_t(1) << index;
  if (bus.free >= (now + 1) * 256) {
    bus.waiting |= bit;
    return false;
  }
  // Turns: who had the last burst lets another go first.
  if (bus.lastChannel == int(index) && (bus.waiting & ~bit)) {
    bus.lastChannel = -1;
    bus.waiting |= bit;
    return false;
  }
  bus.waiting &= ~bit;
  bus.lastChannel = int(index);
  bus.free = std::max(bus.free, now * 256) + bus.burstCost;
  done = cyclesOf(bus.free) + uint64_t(bus.latency);
  simulation.count(isInput_ ? bus.readAction : bus.writeAction, uint64_t(bus.burst));
  (isInput_ ? bus.traffic->read : bus.traffic->write) += uint64_t(bus.burst);
  busyUntil_ = std::max(busyUntil_, cyclesOf(bus.free));
  return true;
}

/// In: asks the memory for bursts. Out: starts to read the next one from the scratchpad.
bool DmaChannel::request(uint64_t now) {
  bool acted = false;
  while (Transfer *transfer = requesting()) {
    if (transfer->readyAt > now)
      break;
    if (!isInput_) {
      if (reading_.transfer || pieces_.size() >= kStaged)
        break;
      reading_ = {transfer->bursts.next(), 0, 0, 0, transfer};
      ++transfer->outstanding;
      acted = true;
      break;
    }
    uint64_t at = now;
    if (transfer->fill) {
      if (pieces_.size() >= kStaged)
        break;
      Burst burst = transfer->bursts.next();
      pieces_.push_back({burst, at, 0, 0, transfer});
    } else {
      if (!takeBus(transfer->bursts.address(), now, at))
        break;
      pieces_.push_back({transfer->bursts.next(), at, 0, 0, transfer});
    }
    ++transfer->outstanding;
    acted = true;
  }
  return acted;
}

/// One word between the channel and the scratchpad; true when the burst is done with it.
bool DmaChannel::moveWord(Piece &piece, uint64_t now) {
  Banks &banks = simulation.cores[core]->banks;
  const Burst &burst = piece.burst;
  int64_t address = burst.local + piece.element * burst.stride + piece.offset;
  if (!banks.take(banks.bankOf(address), now, *this)) {
    waiting_ = Activity::Bank;
    return false;
  }
  simulation.count(scratchpadAction_);
  (isInput_ ? simulation.statistics.l1.write : simulation.statistics.l1.read) += uint64_t(banks.width());
  int64_t wordEnd = (address / banks.width() + 1) * banks.width();
  // Elements that lie in the same word go together.
  for (;;) {
    int64_t here = burst.local + piece.element * burst.stride + piece.offset;
    if (here < wordEnd - banks.width() || here >= wordEnd)
      return false;
    int64_t take = std::min(burst.size - piece.offset, wordEnd - here);
    piece.offset += take;
    if (piece.offset < burst.size)
      return false;
    piece.offset = 0;
    if (++piece.element == burst.elements)
      return true;
  }
}

bool DmaChannel::moveLocal(uint64_t now) {
  if (isInput_) {
    if (pieces_.empty() || pieces_.front().at > now)
      return false;
    bool finished = moveWord(pieces_.front(), now);
    if (waiting_ == Activity::Bank)
      return false;
    if (finished) {
      Transfer &transfer = *pieces_.front().transfer;
      --transfer.outstanding;
      transfer.last = now + 1;
      pieces_.pop_front();
    }
    return true;
  }
  if (!reading_.transfer)
    return false;
  bool finished = moveWord(reading_, now);
  if (waiting_ == Activity::Bank)
    return false;
  if (finished) {
    pieces_.push_back(reading_);
    reading_.transfer = nullptr;
  }
  return true;
}

/// Out: bursts to the memory.
bool DmaChannel::writeOut(uint64_t now) {
  bool acted = false;
  uint64_t done = 0;
  while (!isInput_ && !pieces_.empty() && takeBus(pieces_.front().burst.address, now, done)) {
    Transfer &transfer = *pieces_.front().transfer;
    --transfer.outstanding;
    transfer.last = std::max(transfer.last, done);
    pieces_.pop_front();
    acted = true;
  }
  return acted;
}

void DmaChannel::completeTransfers(uint64_t now) {
  while (!transfers_.empty()) {
    Transfer &transfer = transfers_.front();
    if (!transfer.bursts.done() || transfer.outstanding || transfer.last > now)
      return;
    complete_ = std::max(complete_, transfer.last);
    for (size_t i = 0; i < transfer.releases.size(); ++i) {
      // The clock of the time when the release was queued.
      std::swap(clock, transfer.releaseClocks[i]);
      simulation.release(*this, transfer.releases[i], std::max(now, transfer.last));
      std::swap(clock, transfer.releaseClocks[i]);
    }
    simulation.lastsUntil(transfer.last);
    simulation.record(*this, transfer.command, transfer.begin, transfer.last);
    transfers_.pop_front();
    --simulation.descriptorsInFlight;
    for (uint64_t waiters = std::exchange(simulation.descriptorWaiters, 0); waiters; waiters &= waiters - 1) {
      auto waiter = unsigned(std::countr_zero(waiters));
      simulation.cores[waiter / mortise::kEngines]->units[waiter % mortise::kEngines]->wakeAt(now + 1);
    }
  }
}

uint64_t DmaChannel::nextEvent(uint64_t now) {
  uint64_t next = kNever;
  if (Transfer *transfer = requesting()) {
    bool room = isInput_ ? !transfer->fill || pieces_.size() < kStaged
                         : !reading_.transfer && pieces_.size() < kStaged;
    uint64_t at = transfer->readyAt;
    if (isInput_ && !transfer->fill)
      at = std::max(at, simulation.bus(transfer->command.b).free / 256);
    if (room)
      next = std::min(next, at);
  }
  if (isInput_ && !pieces_.empty())
    next = std::min(next, pieces_.front().at);
  if (!isInput_ && reading_.transfer)
    next = std::min(next, now + 1);
  if (!isInput_ && !pieces_.empty())
    next = std::min(next, simulation.bus(pieces_.front().burst.address).free / 256);
  if (!transfers_.empty() && transfers_.front().bursts.done() && !transfers_.front().outstanding)
    next = std::min(next, transfers_.front().last);
  return next == kNever ? kNever : std::max(next, now + 1);
}

void DmaChannel::step(uint64_t now) {
  completeTransfers(now);
  takeCommands(now);
  bool moved = moveLocal(now);
  bool wrote = writeOut(now);
  bool requested = request(now);
  completeTransfers(now);
  if (waiting_ == Activity::Descriptor)
    takeCommands(now);
  wake = nextEvent(now);
  bool setUp = now < setupUntil_ && !transfers_.empty();
  Activity activity = waiting_;
  if (moved || wrote || requested || setUp || now < busyUntil_) {
    activity = Activity::Busy;
    uint64_t until = now + 1;
    if (setUp)
      until = std::max(until, setupUntil_);
    if (now < busyUntil_)
      until = std::max(until, busyUntil_);
    wake = std::min(wake, until);
  } else if (waiting_ != Activity::Bank && !transfers_.empty()) {
    const Transfer *transfer = requesting();
    bool blocked = (isInput_ ? transfer && transfer->readyAt <= now : !pieces_.empty());
    activity = blocked ? Activity::Dram : Activity::Latency;
  }
  become(activity, now);
}

} // namespace tenon::sim
