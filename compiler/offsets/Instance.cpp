#include "compiler/offsets/Instance.h"

#include <algorithm>
#include <numeric>

namespace tenon::offsets {

/// Beyond so many pairs of items alive together, or items in sections, only first fit is tried.
static constexpr uint64_t kMostPairs = uint64_t(1) << 25;

Instance::Instance(std::span<const Buffer> buffers) {
  for (size_t i = 0; i < buffers.size(); ++i) {
    const Buffer &buffer = buffers[i];
    if (buffer.size == 0)
      continue;
    Item item;
    item.buffer = i;
    item.size = buffer.size;
    item.alignment = buffer.alignment;
    item.fixed = buffer.offset.value_or(-1);
    // Only compared and put into logarithms: a lifetime beyond int64 may be cut.
    item.length = int64_t(std::min(uint64_t(buffer.end) - uint64_t(buffer.begin), uint64_t(INT64_MAX)));
    items.push_back(item);
  }
  cutTime(buffers);
  findBound();
  if (listsNeighbours)
    findNeighbours();
}

void Instance::cutTime(std::span<const Buffer> buffers) {
  std::vector<int64_t> begins, ends;
  for (const Item &item : items) {
    begins.push_back(buffers[item.buffer].begin);
    ends.push_back(buffers[item.buffer].end);
  }
  std::sort(begins.begin(), begins.end());
  std::sort(ends.begin(), ends.end());
  // The set of live items is largest just before an end that follows a begin.
  std::vector<int64_t> cuts;
  size_t begun = 0;
  for (int64_t end : ends) {
    bool grew = false;
    for (; begun < begins.size() && begins[begun] < end; ++begun)
      grew = true;
    if (grew)
      cuts.push_back(end);
  }
  uint64_t total = 0;
  for (Item &item : items) {
    // A section with the cut c is the time just before c.
    const Buffer &buffer = buffers[item.buffer];
    item.first = uint32_t(std::upper_bound(cuts.begin(), cuts.end(), buffer.begin) - cuts.begin());
    item.end = uint32_t(std::upper_bound(cuts.begin(), cuts.end(), buffer.end) - cuts.begin());
    total += item.end - item.first;
  }
  members.resize(cuts.size());
  listsNeighbours = total <= kMostPairs;
}

void Instance::findBound() {
  // Differences of the bytes alive, so that long lists need no lists of members.
  std::vector<int64_t> alive(members.size() + 1, 0);
  for (const Item &item : items) {
    alive[item.first] += item.size;
    alive[item.end] -= item.size;
  }
  for (size_t s = 1; s < alive.size(); ++s)
    alive[s] += alive[s - 1];
  auto highest = std::max_element(alive.begin(), alive.end());
  lowerBound = *highest;
  auto section = uint32_t(highest - alive.begin());
  for (const Item &item : items)
    if (item.first <= section && section < item.end)
      atBound.push_back(item.buffer);
  for (const Item &item : items) {
    if (item.fixed >= 0 && item.fixed + item.size > lowerBound) {
      lowerBound = item.fixed + item.size;
      atBound = {item.buffer};
    }
  }
  if (listsNeighbours)
    for (Item &item : items)
      item.contention = *std::max_element(alive.begin() + item.first, alive.begin() + item.end);
}

void Instance::findNeighbours() {
  for (uint32_t i = 0; i < items.size(); ++i)
    for (uint32_t s = items[i].first; s < items[i].end; ++s)
      members[s].push_back(i);
  neighbours.resize(items.size());
  std::vector<uint32_t> byFirst(items.size());
  std::iota(byFirst.begin(), byFirst.end(), 0);
  std::sort(byFirst.begin(), byFirst.end(), [&](uint32_t a, uint32_t b) {
    return std::pair(items[a].first, a) < std::pair(items[b].first, b);
  });
  uint64_t pairs = 0;
  for (size_t a = 0; a < byFirst.size() && listsNeighbours; ++a) {
    const Item &item = items[byFirst[a]];
    for (size_t b = a + 1; b < byFirst.size() && items[byFirst[b]].first < item.end; ++b, ++pairs) {
      neighbours[byFirst[a]].push_back(byFirst[b]);
      neighbours[byFirst[b]].push_back(byFirst[a]);
    }
    listsNeighbours = pairs <= kMostPairs;
  }
}

} // namespace tenon::offsets
