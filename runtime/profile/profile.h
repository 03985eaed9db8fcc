// Times per command, in memory allocated beforehand.
#pragma once

#include "runtime/base/memory.h"

namespace tenon::runtime {

struct ProfileCell {
  uint64_t runs = 0;
  uint64_t totalNs = 0;
  uint64_t lastNs = 0; // of the last run of the function
};

class Profile {
public:
  [[nodiscard]] bool enable(const Allocator &allocator, size_t commands) {
    enabled_ = cells_.allocate(allocator, commands);
    return enabled_;
  }
  bool enabled() const { return enabled_; }
  size_t size() const { return cells_.size(); }
  const ProfileCell &cell(size_t command) const { return cells_[command]; }

  void beginRun() {
    for (ProfileCell &cell : cells_)
      cell.lastNs = 0;
  }
  void add(size_t command, uint64_t ns) {
    ProfileCell &cell = cells_[command];
    ++cell.runs;
    cell.totalNs += ns;
    cell.lastNs += ns;
  }
  void reset() {
    for (ProfileCell &cell : cells_)
      cell = {};
  }

private:
  Array<ProfileCell> cells_;
  bool enabled_ = false;
};

} // namespace tenon::runtime
