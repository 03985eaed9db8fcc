#include "sim/timing/Unit.h"

#include "sim/timing/Simulation.h"

namespace tenon::sim {

const char *activityName(Activity activity) {
  constexpr const char *names[] = {"idle",       "busy",     "semaphore", "bank",    "weights",
                                   "shadow",     "pipeline", "dram",      "latency", "descriptor",
                                   "dependency", "queue",    "fence"};
  return names[size_t(activity)];
}

Unit::Unit(Simulation &simulation, unsigned core, unsigned engine, size_t queueDepth)
    : wake(simulation.addWake()), core(core), engine(engine), index(core * mortise::kEngines + engine),
      queue(queueDepth), simulation(simulation) {
  clock.epochs[index] = 1;
}

void Unit::become(Activity activity, uint64_t now) {
  // An engine that runs ahead while it is alone has given its time away up to `since_`.
  if (now > since_) {
    simulation.statistics.engines[statistics].cycles[size_t(activity_)] += now - since_;
    if (simulation.options.trace && activity_ > Activity::Busy)
      simulation.recordStall(*this, activity_, since_, now);
    since_ = now;
  }
  activity_ = activity;
}

void Unit::learn(const Command &command) {
  clock.join(simulation.knowledge[command.knowledge], simulation.clocks());
}

void Unit::popCommand(uint64_t now) {
  queue.pop();
  simulation.cores[core]->units[unsigned(mortise::Engine::Control)]->wakeAt(now + 1);
}

bool Unit::takeSemaphores(uint64_t now, uint64_t completion) {
  while (!queue.empty()) {
    const Command &command = queue.front();
    if (command.id != Id::Acq && command.id != Id::Rel)
      return true;
    learn(command);
    if (command.id == Id::Rel)
      simulation.release(*this, command, std::max(now, completion));
    else if (!simulation.acquire(*this, command))
      return false;
    popCommand(now);
  }
  return true;
}

std::string Unit::waitingFor() const {
  if (queue.empty())
    return "";
  const Command &command = queue.front();
  std::string text = "instruction " + std::to_string(command.instruction) + " '" +
                     toText(simulation.program.code[command.instruction]) + "'";
  if (command.id == Id::Acq)
    text +=
        " (the semaphore is at " + std::to_string(simulation.semaphoreValue(unsigned(command.flags))) + ")";
  return text;
}

} // namespace tenon::sim
