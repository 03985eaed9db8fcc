// A debugger that reads commands from a stream and stops the simulation as an observer.
//
//   break N | break clear      stop before instruction N        watch ADDRESS BYTES   stop before an access
//   there step [N]                   N instructions on                continue              up to the next
//   stop regs [vector]              scalar registers                 v N                   a vector register,
//   bits and floats sems                       semaphores that are not 0        mem ADDRESS BYTES scratchpad
//   bytes queues                     what each engine has queued      list                  instructions
//   around this one core N                     whose state is shown             quit                  end the
//   run (TN1212)
#pragma once

#include "sim/Machine.h"

#include <iosfwd>
#include <set>

namespace tenon::sim {

class Debugger : public Observer {
public:
  /// All arguments must outlive the debugger. It stops before the first instruction; at the end of `in` it
  /// continues.
  Debugger(Machine &machine, const mortise::Program &program, std::istream &in, std::ostream &out);

  void onInstruction(unsigned core, unsigned engine, uint32_t instruction, uint64_t cycle) override;
  void onAccess(unsigned core, unsigned engine, uint32_t instruction, const Region &region, bool write,
                uint64_t cycle) override;

private:
  void stop(const std::string &why);
  /// False: go on with the simulation.
  bool execute(const std::string &line);
  void printRegisters(bool vectorCore);
  void printVector(unsigned index);
  void printMemory(int64_t address, int64_t bytes);
  void printSemaphores();
  void printCode();

  Machine &machine_;
  const mortise::Program &program_;
  std::istream &in_;
  std::ostream &out_;
  std::set<uint32_t> breakpoints_;
  std::vector<std::pair<int64_t, int64_t>> watches_; ///< [low, high)
  uint64_t steps_ = 1;                               ///< instructions until the next stop; 0: none is planned
  unsigned core_ = 0;
  uint32_t instruction_ = 0;
};

} // namespace tenon::sim
