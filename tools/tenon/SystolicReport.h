// `tenon sim --gemm`: the timing law of a systolic array.
#pragma once

#include <cstdint>
#include <string>

namespace CLI {
class App;
}

namespace tenon::command {

struct SystolicFlags {
  std::string gemm, array = "32x32", dataflow = "ws";
  int64_t sramKilobytes = 0;
};

void addSystolicFlags(CLI::App &sub, SystolicFlags &flags);
/// Prints the figures; writes them as JSON where a file is named.
void printSystolic(const SystolicFlags &flags, const std::string &json);

} // namespace tenon::command
