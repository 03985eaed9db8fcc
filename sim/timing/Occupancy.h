// How many bytes of the scratchpads are live over time: from a write to the last read before the next write.
#pragma once

#include "sim/Command.h"

#include <unordered_map>

namespace tenon::sim {

class Occupancy {
public:
  void touch(unsigned core, const Region &region, bool write, uint64_t now);
  /// Mean live bytes in each of the windows of a run of `cycles`.
  std::vector<double> windows(uint64_t cycles, uint64_t window);

private:
  static constexpr int64_t kLine = 64;
  struct Life {
    uint64_t born = kNever, lastRead = 0;
  };
  void live(uint64_t from, uint64_t to);

  std::unordered_map<int64_t, Life> lines_;
  std::vector<std::pair<uint64_t, int64_t>> changes_; ///< cycle, bytes
};

} // namespace tenon::sim
