// An engine in time: it is stepped in the cycles that it asks for and says what it does until then.
#pragma once

#include "sim/Clocks.h"
#include "sim/Statistics.h"

namespace tenon::sim {

class Simulation;

/// A queue of fixed depth.
class CommandQueue {
public:
  explicit CommandQueue(size_t depth) : ring_(depth) {}
  bool empty() const { return count_ == 0; }
  bool full() const { return count_ == ring_.size(); }
  size_t size() const { return count_; }
  const Command &front() const { return ring_[head_]; }
  const Command &operator[](size_t i) const { return ring_[(head_ + i) % ring_.size()]; }
  /// The slot of a new last command.
  Command &push() { return ring_[(head_ + count_++) % ring_.size()]; }
  void pop() {
    head_ = (head_ + 1) % ring_.size();
    --count_;
  }

private:
  std::vector<Command> ring_;
  size_t head_ = 0, count_ = 0;
};

class Unit {
public:
  Unit(Simulation &simulation, unsigned core, unsigned engine, size_t queueDepth);
  virtual ~Unit() = default;

  /// Acts in cycle `now`; sets `wake` to the next cycle in which it wants to be stepped.
  virtual void step(uint64_t now) = 0;
  /// The first cycle in which nothing of it is under way; kNever while it cannot say.
  virtual uint64_t quietAt() const = 0;
  /// What it waits for, for reports of deadlocks.
  virtual std::string waitingFor() const;

  /// From `now` on the unit does `activity`.
  void become(Activity activity, uint64_t now);
  void finish(uint64_t end) { become(activity_, end); }
  void wakeAt(uint64_t cycle) { wake = std::min(wake, cycle); }

  uint64_t &wake;                     ///< lies in a row with those of the other units
  const unsigned core, engine, index; ///< index = core * kEngines + engine
  unsigned statistics = 0;            ///< index of its EngineCycles
  CommandQueue queue;
  Clock clock;
  unsigned losses = 0; ///< cycles in a row in which a bank was refused

protected:
  /// Takes acquires and releases from the front of the queue; false when an acquire must wait. `completion`:
  /// the cycle by which all that was started is complete.
  bool takeSemaphores(uint64_t now, uint64_t completion);
  /// The command takes effect: what the control processor knew is known here.
  void learn(const Command &command);
  /// Takes the front off the queue; the control processor may wait for the room.
  void popCommand(uint64_t now);

  Simulation &simulation;
  Activity activity_ = Activity::Idle;
  uint64_t since_ = 0;
};

} // namespace tenon::sim
