#include "tools/tenon/CompileFlags.h"

#include <CLI/CLI.hpp>

namespace tenon::command {

void CompileFlags::addText(CLI::App &command, const char *name, const char *help, const char *type) {
  size_t index = values_.size();
  values_.push_back({name, {}});
  // The vector of values may move: the flag finds its place by index.
  command
      .add_option_function<std::vector<std::string>>(
          std::string("--") + name,
          [this, index](const std::vector<std::string> &given) { values_[index].second = given; }, help)
      ->type_name(type)
      ->allow_extra_args(false);
}

void CompileFlags::addSwitch(CLI::App &command, const char *name, const char *help) {
  size_t index = values_.size();
  values_.push_back({name, {}});
  command.add_flag_callback(std::string("--") + name, [this, index] { values_[index].second = {""}; }, help);
}

void CompileFlags::add(CLI::App &command) {
  addText(command, "target", "what to compile for: native, x86-64-v3, x86-64-v4, reference, ...", "T[,T..]");
  addText(command, "symbol", "range of a dynamic dimension", "NAME=MIN:MAX[:MULTIPLE[:LIKELY,..]]");
  addText(command, "state", "make an input and an output session state", "INPUT=OUTPUT[,..]");
  addText(command, "optimize-for", "latency, memory or energy", "GOAL");
  addText(command, "precision", "f32 or bf16", "TYPE");
  addText(command, "winograd", "on or off", "ON|OFF");
  addText(command, "cascades", "on or off: tensors that stay in a machine's scratchpad", "ON|OFF");
  addText(command, "int8-saturate", "on or off", "ON|OFF");
  addText(command, "jobs", "threads of the compiler", "N");
  addText(command, "cache", "keep compiled kernels there for the next time", "DIR");
  addSwitch(command, "emulate-isa", "let any CPU run the target's schedules");
}

void CompileFlags::addOutputFlags(CLI::App &command) {
  addText(command, "dump-ir", "write each phase's IR", "DIR");
  addText(command, "explain", "write why something was not fused, placed or vectorized", "FILE");
  addText(command, "emit", "package or static", "KIND");
  addSwitch(command, "assembly",
            "also keep the kernels' vector code and assembly text for `tenon inspect --asm`");
  addSwitch(command, "strip", "leave out the debug section");
  command.add_option("--compile-to", compileTo, "stop after a phase and print its IR")
      ->type_name("PHASE")
      ->check(CLI::IsMember({"import", "graph", "place", "kernel", "schedule", "memory", "emit"}));
}

std::vector<CompilerOption> CompileFlags::options(const std::vector<std::string> &shapes) const {
  std::vector<CompilerOption> result;
  for (const auto &[name, values] : values_)
    for (const std::string &value : values)
      result.emplace_back(name, value);
  for (const std::string &shape : shapes)
    result.emplace_back("shape", shape);
  if (!compileTo.empty())
    result.emplace_back("compile-to", compileTo);
  return result;
}

bool CompileFlags::isReference() const {
  return values_.front().second == std::vector<std::string>{"reference"};
}

bool CompileFlags::any() const { return !options({}).empty(); }

} // namespace tenon::command
