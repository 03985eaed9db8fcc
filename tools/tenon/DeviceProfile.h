// `tenon profile --device D`: what each command costs on a simulated device, in the device's own time.
#pragma once

#include "tools/tenon/Execution.h"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace tenon::command {

/// A run of a function, as its devices tell it.
class DeviceProfile {
public:
  using Json = nlohmann::ordered_json;

  /// Reads what the session's last run left; the session was made with profile. `device` is one of the
  /// package's.
  DeviceProfile(const LoadedModel &model, Execution &execution, const std::string &device);

  /// One row for each command of the plan: {command, kind, kernel, family, nodes, device, ns, flop, bytes,
  /// schedule, cycles, ideal_cycles, limit, limit_shares, stall_engine, stall, traffic, energy_pj,
  /// energy_total_pj, macs, by_node}. From `cycles` on null for commands of the CPU. `stall` counts the
  /// cycles in which `stall_engine` (the array, or the vector core where nothing is multiplied) waited, by
  /// reason; `by_node` has {node, begin, end, macs, dram_bytes, busy}.
  const Json &rows() const { return rows_; }
  /// {cycles, ns, ideal_cycles, macs, dram_bytes, energy_pj} of all dispatches on the device.
  const Json &total() const { return total_; }
  /// Two tables (commands, and nodes within them), and a line for all of them.
  std::string text() const;
  /// For ui.perfetto.dev: a process for each command, one after the other; a cycle is a microsecond. The
  /// session was made with profile 2, as for the page.
  std::string trace() const;
  std::string html() const;

private:
  void add(const tenon_profile_row &row, const Json &nodes, Execution &execution);
  std::string commandTable() const;
  std::string nodeTable() const;

  std::string title_, device_;
  Json rows_ = Json::array(), total_;
  std::vector<Json> reports_; // by row; null for commands of the CPU
};

} // namespace tenon::command
