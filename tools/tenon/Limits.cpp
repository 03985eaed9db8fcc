#include "tools/tenon/Limits.h"

#include <algorithm>
#include <cmath>

namespace tenon::command {

/// The level whose bandwidth is nearest to that of the predicted traffic.
static const char *levelOf(double gigabytesPerSecond, const tenon_machine &machine) {
  const std::pair<double, const char *> levels[] = {
      {machine.l2_gbs, "l2"}, {machine.l3_gbs, "l3"}, {machine.dram_gbs, "dram"}};
  auto distance = [&](const std::pair<double, const char *> &level) {
    return std::abs(std::log(level.first / gigabytesPerSecond));
  };
  return std::min_element(std::begin(levels), std::end(levels),
                          [&](const auto &a, const auto &b) { return distance(a) < distance(b); })
      ->second;
}

std::string limitOf(const Predicted &command, const tenon_machine &machine) {
  if (command.ns < 0 || command.trafficNs < 0 || machine.dram_gbs <= 0)
    return "";
  double work = static_cast<double>(command.ns) - machine.dispatch_ns;
  if (work < machine.dispatch_ns)
    return "overhead";
  if (command.bytes <= 0 || static_cast<double>(command.trafficNs) < work)
    return "compute";
  return levelOf(static_cast<double>(command.bytes) / static_cast<double>(command.trafficNs), machine);
}

} // namespace tenon::command
