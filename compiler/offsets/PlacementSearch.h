// Depth-first search for a placement below a given height.
//
// Every placement can be pushed down until each buffer lies at 0, or directly on another one that is alive
// with it, without becoming higher; only such placements are looked for. For every item that is not placed,
// `lowest` is an offset that it cannot be below. One item whose `lowest` is the least of all is placed there:
// all others that are alive with it then lie above it. When that leads nowhere the item is postponed: it must
// lie on one of the others that are not placed, which raises its `lowest` to the least end that they can
// have. So every choice has two sides, and a search that ends without a limit proves that there is no
// placement.
//
// Pruning: in each section the items that are not placed lie above each other, none below its `lowest`: the
// earliest end of jobs with release dates on one machine (Jackson 1955) must not be beyond the capacity.
// Where the items that are left fall apart into intervals of time, each interval is solved on its own, and
// the solution of one is not taken back because another has none.
#pragma once

#include "compiler/offsets/Instance.h"

#include <chrono>

namespace tenon::offsets {

using Deadline = std::chrono::steady_clock::time_point;

/// How the search chooses among the items that could lie lowest.
struct Rule {
  enum class Pick {
    Item,     // the item with the highest priority
    Earliest, // of the earliest section
    Fewest,   // of the section with the fewest such items
    Failing,  // of the section that ended most attempts so far
  };
  Pick pick = Pick::Item;
  std::vector<double> priority; // of items; within a section the highest comes first
};

class PlacementSearch {
public:
  enum class Outcome { Found, Impossible, GaveUp };

  /// Needs the lists of neighbours.
  PlacementSearch(const Instance &instance, int64_t capacity);

  /// Searches from nothing for at most `limit` steps. Counts steps into `steps`.
  Outcome run(const Rule &rule, uint64_t limit, Deadline deadline);

  /// After Found: the offsets of the items.
  const std::vector<int64_t> &offsets() const { return lowest; }
  uint64_t steps() const { return taken; }

private:
  struct Section {
    int64_t floor = 0;    // the least `lowest` of its items that are not placed; kDone without such
    uint32_t choices = 0; // how many have it
    uint32_t across = 0;  // items that are not placed and also live in the next section
    uint64_t failures = 0;
    std::vector<uint32_t> items; // by ascending `lowest`, placed ones last, when it was last updated
  };
  struct Choice {
    uint32_t item;
    size_t trail, floors;
    bool postponed;
  };
  /// Sections that are independent of all others; begun when so many choices were open.
  struct Interval {
    uint32_t first, end;
    size_t depth;
  };
  struct OldLowest {
    uint32_t item;
    int64_t value; // or kPlaced: the item was placed
  };
  struct OldSection {
    uint32_t section, choices;
    int64_t floor;
  };

  void reset();
  bool place(uint32_t item);
  bool postpone(uint32_t item);
  bool raise(uint32_t item, int64_t value);
  void touch(const Instance::Item &item);
  bool propagate();
  bool update(uint32_t section);
  void undo(const Choice &choice);
  bool backtrack();
  bool spent();
  std::optional<uint32_t> next(const Rule &rule);
  bool narrow(Interval &interval);
  uint32_t choose(const Rule &rule, const Interval &interval) const;
  uint32_t chooseSection(const Rule &rule, const Interval &interval) const;

  const Instance &instance;
  int64_t capacity;
  std::vector<int64_t> lowest;
  std::vector<char> placed, waiting;
  std::vector<uint32_t> queue; // sections to update
  std::vector<Section> sections;
  std::vector<OldLowest> trail;
  std::vector<OldSection> floors;
  std::vector<Choice> choices;
  std::vector<Interval> intervals;
  uint64_t taken = 0, end = 0, nextLook = 0;
  Deadline deadline;
};

} // namespace tenon::offsets
