#include "compiler/offsets/PlacementSearch.h"

#include <algorithm>

namespace tenon::offsets {

static constexpr int64_t kDone = INT64_MAX;
static constexpr int64_t kPlaced = -1;
/// How many steps pass between two looks at the clock.
static constexpr uint64_t kClockSteps = 64;

PlacementSearch::PlacementSearch(const Instance &instance, int64_t capacity)
    : instance(instance), capacity(capacity), sections(instance.members.size()) {
  for (size_t s = 0; s < sections.size(); ++s)
    sections[s].items = instance.members[s];
}

void PlacementSearch::reset() {
  const auto &items = instance.items;
  lowest.assign(items.size(), 0);
  placed.assign(items.size(), 0);
  waiting.assign(sections.size(), 1);
  trail.clear();
  floors.clear();
  choices.clear();
  queue.clear();
  intervals.assign(1, {0, uint32_t(sections.size()), 0});
  for (uint32_t s = 0; s < sections.size(); ++s) {
    sections[s].floor = 0;
    sections[s].choices = sections[s].across = 0;
    // So that equal items are met in the same order on every run.
    sections[s].items = instance.members[s];
    queue.push_back(s);
  }
  for (uint32_t i = 0; i < items.size(); ++i) {
    if (items[i].fixed >= 0)
      lowest[i] = items[i].fixed;
    for (uint32_t s = items[i].first; s + 1 < items[i].end; ++s)
      ++sections[s].across;
  }
}

void PlacementSearch::touch(const Instance::Item &item) {
  for (uint32_t s = item.first; s < item.end; ++s) {
    if (!waiting[s]) {
      waiting[s] = 1;
      queue.push_back(s);
    }
  }
}

bool PlacementSearch::raise(uint32_t i, int64_t value) {
  const Instance::Item &item = instance.items[i];
  value = alignUp(value, item.alignment);
  if (item.fixed >= 0 || value > capacity - item.size) {
    for (uint32_t s = item.first; s < item.end; ++s)
      ++sections[s].failures;
    return false;
  }
  trail.push_back({i, lowest[i]});
  lowest[i] = value;
  touch(item);
  return true;
}

bool PlacementSearch::place(uint32_t i) {
  const Instance::Item &item = instance.items[i];
  int64_t top = lowest[i] + item.size;
  placed[i] = 1;
  trail.push_back({i, kPlaced});
  for (uint32_t s = item.first; s + 1 < item.end; ++s)
    --sections[s].across;
  touch(item);
  for (uint32_t other : instance.neighbours[i])
    if (!placed[other] && lowest[other] < top && !raise(other, top))
      return false;
  return propagate();
}

bool PlacementSearch::postpone(uint32_t i) {
  int64_t least = kDone;
  for (uint32_t other : instance.neighbours[i])
    if (!placed[other])
      least = std::min(least, lowest[other] + instance.items[other].size);
  // Nothing is left that it could lie on.
  if (least == kDone)
    return false;
  return raise(i, std::max(least, lowest[i] + 1)) && propagate();
}

bool PlacementSearch::update(uint32_t s) {
  Section &section = sections[s];
  auto &items = section.items;
  auto key = [&](uint32_t i) { return placed[i] ? kDone : lowest[i]; };
  // Nearly sorted already.
  for (size_t i = 1; i < items.size(); ++i) {
    uint32_t item = items[i];
    int64_t value = key(item);
    size_t j = i;
    for (; j > 0 && key(items[j - 1]) > value; --j)
      items[j] = items[j - 1];
    items[j] = item;
  }
  int64_t floor = key(items.front()), top = 0;
  uint32_t count = 0;
  for (uint32_t i : items) {
    if (placed[i])
      break;
    top = std::max(top, lowest[i]) + instance.items[i].size;
    count += lowest[i] == floor;
  }
  if (top > capacity) {
    ++section.failures;
    return false;
  }
  if (floor != section.floor || count != section.choices) {
    floors.push_back({s, section.choices, section.floor});
    section.floor = floor;
    section.choices = count;
  }
  return true;
}

bool PlacementSearch::propagate() {
  bool fits = true;
  while (!queue.empty()) {
    uint32_t s = queue.back();
    queue.pop_back();
    waiting[s] = 0;
    fits = fits && update(s);
  }
  return fits;
}

void PlacementSearch::undo(const Choice &choice) {
  for (uint32_t s : queue)
    waiting[s] = 0;
  queue.clear();
  for (; floors.size() > choice.floors; floors.pop_back()) {
    const OldSection &old = floors.back();
    sections[old.section].floor = old.floor;
    sections[old.section].choices = old.choices;
  }
  for (; trail.size() > choice.trail; trail.pop_back()) {
    auto [i, value] = trail.back();
    if (value != kPlaced) {
      lowest[i] = value;
      continue;
    }
    placed[i] = 0;
    const Instance::Item &item = instance.items[i];
    for (uint32_t s = item.first; s + 1 < item.end; ++s)
      ++sections[s].across;
  }
}

bool PlacementSearch::spent() {
  if (taken >= nextLook) {
    nextLook = taken + kClockSteps;
    if (std::chrono::steady_clock::now() >= deadline)
      end = taken;
  }
  return taken >= end;
}

/// Goes back to the last choice whose other side leads on; false without one, or when the steps are spent.
bool PlacementSearch::backtrack() {
  while (!choices.empty() && !spent()) {
    Choice &choice = choices.back();
    undo(choice);
    // Intervals begun after this choice came from it.
    while (intervals.size() > 1 && intervals.back().depth >= choices.size())
      intervals.pop_back();
    if (choice.postponed) {
      choices.pop_back();
      continue;
    }
    choice.postponed = true;
    ++taken;
    if (postpone(choice.item))
      return true;
  }
  return false;
}

/// Narrows to the shortest independent interval within. Returns whether there are several.
bool PlacementSearch::narrow(Interval &interval) {
  Interval best = {0, 0, choices.size()};
  uint32_t count = 0;
  for (uint32_t s = interval.first; s < interval.end; ++s) {
    if (sections[s].floor == kDone)
      continue;
    uint32_t first = s;
    while (s + 1 < interval.end && sections[s].across)
      ++s;
    if (!count++ || s + 1 - first < best.end - best.first)
      best.first = first, best.end = s + 1;
  }
  interval = best;
  return count > 1;
}

/// The item to place next; none when all are placed.
std::optional<uint32_t> PlacementSearch::next(const Rule &rule) {
  while (!intervals.empty()) {
    Interval interval = intervals.back();
    bool several = narrow(interval);
    if (interval.first < interval.end) {
      if (several)
        intervals.push_back(interval);
      return choose(rule, interval);
    }
    // Solved; its choices stand.
    choices.resize(intervals.back().depth);
    intervals.pop_back();
  }
  return std::nullopt;
}

uint32_t PlacementSearch::chooseSection(const Rule &rule, const Interval &interval) const {
  uint32_t best = interval.first;
  for (uint32_t s = interval.first; s < interval.end; ++s) {
    const Section &section = sections[s], &least = sections[best];
    if (section.floor == kDone || section.floor > least.floor)
      continue;
    if (section.floor < least.floor || (rule.pick == Rule::Pick::Fewest && section.choices < least.choices) ||
        (rule.pick == Rule::Pick::Failing && section.failures > least.failures))
      best = s;
  }
  return best;
}

uint32_t PlacementSearch::choose(const Rule &rule, const Interval &interval) const {
  uint32_t first = chooseSection(rule, interval), last = first;
  int64_t floor = sections[first].floor;
  if (rule.pick == Rule::Pick::Item)
    first = interval.first, last = interval.end - 1;
  std::optional<uint32_t> best;
  for (uint32_t s = first; s <= last; ++s) {
    if (sections[s].floor != floor)
      continue;
    for (uint32_t i : sections[s].items)
      if (!placed[i] && lowest[i] == floor && (!best || rule.priority[i] > rule.priority[*best]))
        best = i;
  }
  return *best;
}

PlacementSearch::Outcome PlacementSearch::run(const Rule &rule, uint64_t limit, Deadline until) {
  end = taken + limit;
  deadline = until;
  reset();
  if (!propagate())
    return Outcome::Impossible;
  while (std::optional<uint32_t> item = next(rule)) {
    if (spent())
      return Outcome::GaveUp;
    ++taken;
    choices.push_back({*item, trail.size(), floors.size(), false});
    if (!place(*item) && !backtrack())
      return choices.empty() ? Outcome::Impossible : Outcome::GaveUp;
  }
  return Outcome::Found;
}

} // namespace tenon::offsets
