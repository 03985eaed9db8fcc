#include "sim/Hazards.h"

namespace tenon::sim {

std::vector<Shadow::Entry> &Shadow::line(int64_t index) {
  int64_t page = index / kPageLines;
  if (page != lastIndex_) {
    std::unique_ptr<Page> &slot = pages_[page];
    if (!slot)
      slot = std::make_unique<Page>();
    lastIndex_ = page;
    last_ = slot.get();
  }
  return (*last_)[size_t(index % kPageLines)];
}

const Shadow::Entry *Shadow::touchLine(std::vector<Entry> &entries, uint64_t mask, const Access &access,
                                       const Clock &clock) {
  // Most lines are used as a whole by one engine after the other.
  if (entries.size() == 1 && (entries[0].mask & ~mask) == 0) {
    const Access &before = entries[0].access;
    bool own = before.engine == access.engine;
    if ((own || clock.epochs[before.engine] >= before.epoch) && (access.write || (own && !before.write))) {
      entries[0] = {mask, access};
      return nullptr;
    }
  }
  size_t kept = 0;
  for (Entry &entry : entries) {
    bool ordered =
        entry.access.engine == access.engine || clock.epochs[entry.access.engine] >= entry.access.epoch;
    if (!ordered && (entry.mask & mask) && (access.write || entry.access.write))
      return &entry;
    // A read makes only this engine's own earlier reads superfluous; a write whatever is ordered before it.
    bool covers = ordered && (access.write || (!entry.access.write && entry.access.engine == access.engine));
    if (covers)
      entry.mask &= ~mask;
    if (entry.mask)
      entries[kept++] = entry;
  }
  entries.resize(kept);
  entries.push_back({mask, access});
  return nullptr;
}

Race Shadow::touchRun(int64_t address, int64_t bytes, const Access &access, const Clock &clock) {
  int64_t end = address + bytes;
  for (int64_t at = address; at < end;) {
    int64_t lineIndex = at / kLine, lineEnd = std::min(end, (lineIndex + 1) * kLine);
    auto width = unsigned(lineEnd - at);
    uint64_t mask = (width == 64 ? ~uint64_t(0) : (uint64_t(1) << width) - 1) << (at % kLine);
    if (const Entry *entry = touchLine(line(lineIndex), mask, access, clock)) {
      int64_t first = 0;
      for (uint64_t both = entry->mask & mask; !(both & 1); both >>= 1)
        ++first;
      return {true, entry->access, lineIndex * kLine + first};
    }
    at = lineEnd;
  }
  return {};
}

Race Shadow::touch(const Region &region, const Access &access, const Clock &clock) {
  Region merged = region;
  merged.collapse();
  Race race;
  merged.forEachRun([&](int64_t address) {
    if (!race.found)
      race = touchRun(address, merged.run, access, clock);
  });
  return race;
}

} // namespace tenon::sim
