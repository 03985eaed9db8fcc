// The simulator: a program on a machine.
//
//   Machine machine(hardware, program, {});
//   machine.bind("x", bytes); machine.setParameter("length", 17);
//   Statistics cost = machine.run();     // then the outputs are in machine.tensor("y")
//
// Data and time are apart: `functional` executes data, the timing does not depend on it, except through
// instructions that bring data into control (lds, slds, vlane), which are refused without it; a gather
// without it reads rows in order.
//
// Errors (mortise::Error) name engine, instruction, cycle and node: TN1201 race, TN1202 deadlock, TN1203
// semaphore misused, TN1204 access out of range, TN1205 beyond the machine's limits, TN1206 instruction out
// of place, TN1207 cycle limit reached, TN1208 data needed without functional execution, TN1209 unknown
// tensor or parameter.
#pragma once

#include "sim/Statistics.h"

#include <memory>
#include <span>

namespace tenon::sim {

struct Options {
  bool functional = true;
  bool hazards = true;    ///< look for races
  bool trace = false;     ///< keep events
  bool occupancy = false; ///< follow what is live in the scratchpads
  uint64_t maxCycles = uint64_t(1) << 42;
};

/// Sees the run as it happens (the debugger). All functions are called before the effect.
class Observer {
public:
  virtual ~Observer() = default;
  /// An instruction of a processor, or a command that an engine starts.
  virtual void onInstruction(unsigned core, unsigned engine, uint32_t instruction, uint64_t cycle) {}
  /// Scratchpad (and accumulator) bytes that an engine touches.
  virtual void onAccess(unsigned core, unsigned engine, uint32_t instruction, const Region &region,
                        bool write, uint64_t cycle) {}
};

class Simulation;

class Machine {
public:
  /// `hardware` and `program` must live as long as the machine. TN1205 where the program asks for more than
  /// there is.
  Machine(const mortise::Hardware &hardware, const mortise::Program &program, const Options &options);
  ~Machine();
  Machine(Machine &&) noexcept;

  void setParameter(const std::string &name, int64_t value);
  /// Uses the caller's memory for a tensor, or gives the tensor's own. Memory may be smaller than the tensor
  /// (a dynamic size): accesses beyond it are TN1204. TN1209 where it is larger.
  void bind(const std::string &name, std::span<uint8_t> memory);
  std::span<uint8_t> tensor(const std::string &name);
  void observe(Observer *observer);

  /// Runs to the end; once for each machine.
  Statistics run();

  /// For debuggers, while running.
  int64_t scalarRegister(unsigned core, bool vectorCore, unsigned index) const;
  std::span<const int32_t> vectorRegister(unsigned core, unsigned index) const;
  int64_t semaphore(unsigned index) const;
  std::span<const uint8_t> scratchpad(unsigned core, int64_t address, int64_t bytes) const;
  std::string queues(unsigned core) const;

private:
  std::unique_ptr<Simulation> simulation_;
};

} // namespace tenon::sim
