// Finds accesses of two engines to the same bytes, one of them a write, that nothing orders. The result does
// not depend on timing: each semaphore has one releasing and one acquiring engine, so that the order that it
// gives is fixed.
//
// For each line of 64 bytes the last accesses of each engine are kept, with masks of bytes: exact, and cheap
// for the whole lines that transfers touch. (FastTrack's observation applies: an access that is ordered
// before a later one to the same bytes need not be kept, since whatever races with it races with the later
// one too, or is ordered after it.)
#pragma once

#include "sim/Clocks.h"
#include "sim/Command.h"

#include <memory>
#include <unordered_map>

namespace tenon::sim {

/// One side of a race.
struct Access {
  uint16_t engine = 0; ///< core * kEngines + engine
  bool write = false;
  uint32_t epoch = 0;
  uint32_t instruction = 0;
};

struct Race {
  bool found = false;
  Access earlier;
  int64_t address = 0;
};

class Shadow {
public:
  static constexpr int64_t kLine = 64;

  /// Notes an access of `clock`'s engine; `clock` orders it after what it knows.
  Race touch(const Region &region, const Access &access, const Clock &clock);
  Race touchRun(int64_t address, int64_t bytes, const Access &access, const Clock &clock);

private:
  struct Entry {
    uint64_t mask;
    Access access;
  };
  static constexpr int64_t kPageLines = 64, kPageBytes = kPageLines * kLine;
  /// Accesses to whole pages are kept once, those to parts by line.
  struct Page {
    std::vector<Entry> wholes;
    bool hasParts = false;
    std::array<std::vector<Entry>, kPageLines> lines;
  };

  Page &page(int64_t index);
  static bool isOrdered(const Access &before, const Access &access, const Clock &clock) {
    return before.engine == access.engine || clock.epochs[before.engine] >= before.epoch;
  }
  /// Whether `before` need not be kept: whatever races with it races with `access`, too, or comes after both.
  static bool covers(const Access &access, const Access &before) {
    return access.write || (!before.write && before.engine == access.engine);
  }
  static const Entry *findRace(const std::vector<Entry> &entries, uint64_t mask, const Access &access,
                               const Clock &clock);
  static Race touchPage(Page &page, int64_t address, const Access &access, const Clock &clock);
  static Race touchLines(Page &page, int64_t address, int64_t bytes, const Access &access,
                         const Clock &clock);
  static const Entry *touchLine(std::vector<Entry> &entries, uint64_t mask, const Access &access,
                                const Clock &clock);

  std::unordered_map<int64_t, std::unique_ptr<Page>> pages_;
  int64_t lastIndex_ = -1;
  Page *last_ = nullptr;
};

} // namespace tenon::sim
