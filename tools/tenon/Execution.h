// One function of a session, its inputs bound, ready to be run many times.
#pragma once

#include "tools/tenon/Inputs.h"
#include "tools/tenon/LoadedModel.h"

#include <string>
#include <vector>

namespace tenon::command {

/// `--threads N`, checked: 1 to 1024, or 0 for one per CPU.
void addThreadsFlag(CLI::App &command, uint32_t &threads);

class Execution {
public:
  /// Binds inputs made from `flags`. `model` outlives this.
  Execution(LoadedModel &model, const std::string &function, const InputFlags &flags,
            const tenon_session_options &options);

  /// One run; returns its nanoseconds.
  uint64_t run();
  /// At least `runs` runs and at least `seconds` seconds: the nanoseconds of each.
  std::vector<uint64_t> measure(size_t runs, double seconds);

  uint32_t function() const { return function_; }
  uint32_t outputCount() const { return model_.package.outputCount(function_); }
  const char *outputName(uint32_t index) const { return outputs_[index].name.c_str(); }
  tenon_tensor output(uint32_t index);
  const std::vector<Signature> &signatures() const { return signatures_; }
  const std::vector<HostTensor> &inputs() const { return inputs_; }
  Session &session() { return session_; }

private:
  LoadedModel &model_;
  uint32_t function_;
  std::vector<Signature> signatures_, outputs_;
  std::vector<HostTensor> inputs_;
  Session session_;
};

/// The middle of the sorted values; 0 for none.
uint64_t median(std::vector<uint64_t> values);

/// Peak resident memory of this process in bytes; 0 where the system does not say.
uint64_t peakMemory();

} // namespace tenon::command
