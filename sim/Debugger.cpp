#include "sim/Debugger.h"

#include <bit>
#include <iomanip>
#include <istream>
#include <ostream>
#include <sstream>

namespace tenon::sim {

Debugger::Debugger(Machine &machine, const mortise::Program &program, std::istream &in, std::ostream &out)
    : machine_(machine), program_(program), in_(in), out_(out) {}

void Debugger::onInstruction(unsigned core, unsigned engine, uint32_t instruction, uint64_t cycle) {
  instruction_ = instruction;
  bool stepped = steps_ && --steps_ == 0;
  if (!stepped && !breakpoints_.contains(instruction))
    return;
  core_ = core;
  std::string node = program_.nodeOf(instruction);
  stop("cycle " + std::to_string(cycle) + ", " + mortise::engineName(engine) + ", " +
       std::to_string(instruction) + ": " + toText(program_.code[instruction]) +
       (node.empty() ? "" : " (node '" + node + "')"));
}

void Debugger::onAccess(unsigned core, unsigned engine, uint32_t instruction, const Region &region,
                        bool write, uint64_t cycle) {
  bool hit = false;
  for (auto [low, high] : watches_)
    region.forEachRun([&, low = low, high = high](int64_t address) {
      hit |= address < high && address + region.run > low;
    });
  if (!hit)
    return;
  core_ = core;
  instruction_ = instruction;
  stop("cycle " + std::to_string(cycle) + ", " + mortise::engineName(engine) +
       (write ? " writes" : " reads") + " a watched byte, " + std::to_string(instruction) + ": " +
       toText(program_.code[instruction]));
}

void Debugger::stop(const std::string &why) {
  out_ << why << "\n";
  for (;;) {
    out_ << "> " << std::flush;
    std::string line;
    if (!std::getline(in_, line)) {
      steps_ = 0;
      breakpoints_.clear();
      watches_.clear();
      return;
    }
    if (!execute(line))
      return;
  }
}

bool Debugger::execute(const std::string &line) {
  std::istringstream words(line);
  std::string verb, option;
  words >> verb;
  int64_t a = 0, b = 0;
  if (verb == "break") {
    if (words >> a)
      breakpoints_.insert(uint32_t(a));
    else
      breakpoints_.clear();
  } else if (verb == "watch") {
    if (words >> std::setbase(0) >> a >> b && b > 0 && isNear(a) && isNear(b))
      watches_.emplace_back(a, a + b);
    else
      out_ << "watch needs an address and a number of bytes\n";
  } else if (verb == "step") {
    steps_ = words >> a && a > 0 ? uint64_t(a) : 1;
    return false;
  } else if (verb == "continue") {
    steps_ = 0;
    return false;
  } else if (verb == "regs") {
    words >> option;
    printRegisters(option == "vector");
  } else if (verb == "v" && words >> a && a >= 0 && a < int64_t(mortise::kRegisters)) {
    printVector(unsigned(a));
  } else if (verb == "sems") {
    printSemaphores();
  } else if (verb == "mem" && words >> std::setbase(0) >> a >> b) {
    printMemory(a, b);
  } else if (verb == "queues") {
    out_ << machine_.queues(core_);
  } else if (verb == "list") {
    printCode();
  } else if (verb == "core" && words >> a && a >= 0 && a < int64_t(mortise::kMaxCores)) {
    core_ = unsigned(a);
  } else if (verb == "quit") {
    throw mortise::Error("TN1212", "the debugger ended the run");
  } else if (!verb.empty()) {
    out_ << "commands: break N, watch ADDRESS BYTES, step [N], continue, regs [vector], v N, sems, mem "
            "ADDRESS BYTES, "
            "queues, list, core N, quit\n";
  }
  return true;
}

void Debugger::printRegisters(bool vectorCore) {
  for (unsigned i = 0; i < mortise::kRegisters; ++i)
    out_ << "r" << i << " = " << machine_.scalarRegister(core_, vectorCore, i) << (i % 4 == 3 ? "\n" : "\t");
}

void Debugger::printVector(unsigned index) {
  std::span<const int32_t> lanes = machine_.vectorRegister(core_, index);
  for (size_t l = 0; l < lanes.size(); ++l)
    out_ << lanes[l] << " (" << std::bit_cast<float>(lanes[l]) << ")" << (l % 4 == 3 ? "\n" : "\t");
}

void Debugger::printMemory(int64_t address, int64_t bytes) {
  std::span<const uint8_t> memory = machine_.scratchpad(core_, address, bytes);
  if (memory.empty()) {
    out_ << "no such bytes, or no data is computed\n";
    return;
  }
  constexpr const char *digits = "0123456789abcdef";
  for (size_t i = 0; i < memory.size(); ++i) {
    if (i % 16 == 0)
      out_ << (i ? "\n" : "") << address + int64_t(i) << ":";
    out_ << " " << digits[memory[i] >> 4] << digits[memory[i] & 15];
  }
  out_ << "\n";
}

void Debugger::printSemaphores() {
  for (unsigned i = 0; i < mortise::kSemaphores; ++i)
    if (machine_.semaphore(i))
      out_ << "s" << i << " = " << machine_.semaphore(i) << "\n";
}

void Debugger::printCode() {
  size_t first = instruction_ > 4 ? instruction_ - 4 : 0;
  for (size_t i = first; i < std::min(program_.code.size(), first + 9); ++i)
    out_ << (i == instruction_ ? "* " : "  ") << i << ": " << toText(program_.code[i]) << "\n";
}

} // namespace tenon::sim
