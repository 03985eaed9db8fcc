#include "sim/Hazards.h"

#include <bit>

namespace tenon::sim {

Shadow::Page &Shadow::page(int64_t index) {
  if (index != lastIndex_) {
    std::unique_ptr<Page> &slot = pages_[index];
    if (!slot)
      slot = std::make_unique<Page>();
    lastIndex_ = index;
    last_ = slot.get();
  }
  return *last_;
}

const Shadow::Entry *Shadow::touchLine(std::vector<Entry> &entries, uint64_t mask, const Access &access,
                                       const Clock &clock) {
  // Most lines are used as a whole by one engine after the other.
  if (entries.size() == 1 && (entries[0].mask & ~mask) == 0) {
    const Access &before = entries[0].access;
    if (isOrdered(before, access, clock) && covers(access, before)) {
      entries[0] = {mask, access};
      return nullptr;
    }
  }
  size_t kept = 0;
  for (Entry &entry : entries) {
    bool ordered = isOrdered(entry.access, access, clock);
    if (!ordered && (entry.mask & mask) && (access.write || entry.access.write))
      return &entry;
    if (ordered && covers(access, entry.access))
      entry.mask &= ~mask;
    if (entry.mask)
      entries[kept++] = entry;
  }
  entries.resize(kept);
  entries.push_back({mask, access});
  return nullptr;
}

const Shadow::Entry *Shadow::findRace(const std::vector<Entry> &entries, uint64_t mask, const Access &access,
                                      const Clock &clock) {
  auto races = [&](const Entry &entry) {
    return (entry.mask & mask) && (access.write || entry.access.write) &&
           !isOrdered(entry.access, access, clock);
  };
  auto found = std::find_if(entries.begin(), entries.end(), races);
  return found == entries.end() ? nullptr : &*found;
}

Race Shadow::touchLines(Page &page, int64_t address, int64_t bytes, const Access &access,
                        const Clock &clock) {
  if (const Entry *entry = findRace(page.wholes, ~uint64_t(0), access, clock))
    return {true, entry->access, address};
  page.hasParts = true;
  int64_t end = address + bytes;
  for (int64_t at = address; at < end;) {
    int64_t lineIndex = at / kLine, lineEnd = std::min(end, (lineIndex + 1) * kLine);
    auto width = unsigned(lineEnd - at);
    uint64_t mask = (width == 64 ? ~uint64_t(0) : (uint64_t(1) << width) - 1) << (at % kLine);
    if (const Entry *entry = touchLine(page.lines[size_t(lineIndex % kPageLines)], mask, access, clock))
      return {true, entry->access, lineIndex * kLine + std::countr_zero(entry->mask & mask)};
    at = lineEnd;
  }
  return {};
}

Race Shadow::touchPage(Page &page, int64_t address, const Access &access, const Clock &clock) {
  if (const Entry *entry = touchLine(page.wholes, ~uint64_t(0), access, clock))
    return {true, entry->access, address};
  if (!page.hasParts)
    return {};
  for (int64_t i = 0; i < kPageLines; ++i)
    if (const Entry *entry = findRace(page.lines[size_t(i)], ~uint64_t(0), access, clock))
      return {true, entry->access, address + i * kLine + std::countr_zero(entry->mask)};
  if (access.write) {
    // All parts are ordered before: whatever races with one races with this, too.
    for (std::vector<Entry> &entries : page.lines)
      entries.clear();
    page.hasParts = false;
  }
  return {};
}

Race Shadow::touchRun(int64_t address, int64_t bytes, const Access &access, const Clock &clock) {
  int64_t end = address + bytes;
  Race race;
  for (int64_t at = address; at < end && !race.found;) {
    int64_t index = at / kPageBytes, next = std::min(end, (index + 1) * kPageBytes);
    Page &here = page(index);
    race = next - at == kPageBytes ? touchPage(here, at, access, clock)
                                   : touchLines(here, at, next - at, access, clock);
    at = next;
  }
  return race;
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
