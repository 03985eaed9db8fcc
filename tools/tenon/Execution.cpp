#include "tools/tenon/Execution.h"
#include "tools/tenon/Failure.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>

namespace tenon::command {

/// Bounds the memory for times, so that it does not show in the peak.
static constexpr size_t kMaxRuns = 20000;

void addThreadsFlag(CLI::App &command, uint32_t &threads) {
  command.add_option("--threads", threads, "workers; 0: one per CPU")
      ->type_name("N")
      ->check(CLI::Range(0, 1024));
}

Execution::Execution(LoadedModel &model, const std::string &function, const InputFlags &flags,
                     const tenon_session_options &options)
    : model_(model), function_(model.function(function)) {
  for (uint32_t i = 0; i < model.package.inputCount(function_); ++i)
    signatures_.push_back(inputSignature(model.package, function_, i));
  for (uint32_t i = 0; i < model.package.outputCount(function_); ++i)
    outputs_.push_back(outputSignature(model.package, function_, i));
  inputs_ = makeInputs(signatures_, flags);
  session_ = openSession(model, options);
  for (uint32_t i = 0; i < inputs_.size(); ++i)
    if (session_.bindInput(function_, i, inputs_[i].data(), inputs_[i].dtype, inputs_[i].shape.data(),
                           static_cast<uint32_t>(inputs_[i].shape.size())) != TENON_OK)
      failRuntime(session_.message());
}

uint64_t Execution::run() {
  uint64_t start = now();
  tenon_status status = session_.run(function_);
  uint64_t elapsed = now() - start;
  if (status != TENON_OK)
    failRuntime(session_.message());
  return elapsed;
}

std::vector<uint64_t> Execution::measure(size_t runs, double seconds) {
  std::vector<uint64_t> times;
  uint64_t end = now() + static_cast<uint64_t>(seconds * 1e9);
  while (times.size() < runs || (now() < end && times.size() < kMaxRuns))
    times.push_back(run());
  return times;
}

tenon_tensor Execution::output(uint32_t index) {
  tenon_tensor tensor = {};
  if (session_.output(function_, index, tensor) != TENON_OK)
    failRuntime(session_.message());
  return tensor;
}

uint64_t median(std::vector<uint64_t> values) {
  if (values.empty())
    return 0;
  auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

uint64_t peakMemory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmHWM:", 0) == 0)
      return std::stoull(line.substr(6)) * 1024;
  return 0;
}

} // namespace tenon::command
