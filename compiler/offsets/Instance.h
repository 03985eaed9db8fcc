// A placement problem, prepared: time cut into sections, and who is alive with whom.
#pragma once

#include "compiler/offsets/AssignOffsets.h"

namespace tenon::offsets {

/// `value` rounded up to a multiple of `alignment`.
inline int64_t alignUp(int64_t value, int64_t alignment) {
  int64_t rest = value % alignment;
  return rest ? value + alignment - rest : value;
}

/// Buffers of size zero are left out: any offset does for them.
struct Instance {
  explicit Instance(std::span<const Buffer> buffers);

  struct Item {
    size_t buffer = 0;
    int64_t size = 0, alignment = 1;
    int64_t fixed = -1;          // offset, or -1
    int64_t length = 0;          // of the lifetime
    uint32_t first = 0, end = 0; // sections
    int64_t contention = 0;      // most bytes alive in one of its sections
  };
  std::vector<Item> items;
  /// A section is a time at which a largest set of items is alive: no other time has all of them and more.
  /// Two items share a section exactly if they are alive together. Sections are in order of time.
  std::vector<std::vector<uint32_t>> members;
  /// For each item the others that are alive together with it. Empty where listsNeighbours is false.
  std::vector<std::vector<uint32_t>> neighbours;
  /// False where the lists would need too much memory for a search.
  bool listsNeighbours = true;
  int64_t lowerBound = 0;
  std::vector<size_t> atBound; // see Assignment

  bool together(const Item &a, const Item &b) const { return a.first < b.end && b.first < a.end; }

private:
  void cutTime(std::span<const Buffer> buffers);
  void findBound();
  void findNeighbours();
};

} // namespace tenon::offsets
