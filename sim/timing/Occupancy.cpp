#include "sim/timing/Occupancy.h"

#include <algorithm>

namespace tenon::sim {

void Occupancy::live(uint64_t from, uint64_t to) {
  if (to <= from)
    return;
  // Lines of one transfer share their times.
  size_t n = changes_.size();
  if (n >= 2 && changes_[n - 2].first == from && changes_[n - 1].first == to) {
    changes_[n - 2].second += kLine;
    changes_[n - 1].second -= kLine;
    return;
  }
  changes_.emplace_back(from, kLine);
  changes_.emplace_back(to, -kLine);
}

void Occupancy::touch(unsigned core, const Region &region, bool write, uint64_t now) {
  Region merged = region;
  merged.collapse();
  merged.forEachRun([&](int64_t address) {
    for (int64_t line = address / kLine; line <= (address + merged.run - 1) / kLine; ++line) {
      Life &life = lines_[int64_t(core) << 32 | line];
      if (!write) {
        life.lastRead = now + 1;
      } else if (life.born == kNever || life.lastRead > life.born) {
        if (life.born != kNever)
          live(life.born, life.lastRead);
        life = {now, 0};
      }
    }
  });
}

std::vector<double> Occupancy::windows(uint64_t cycles, uint64_t window) {
  for (const auto &[line, life] : lines_)
    if (life.born != kNever)
      live(life.born, life.lastRead);
  lines_.clear();
  std::sort(changes_.begin(), changes_.end());
  std::vector<double> result((cycles + window - 1) / window, 0.0);
  int64_t bytes = 0;
  uint64_t at = 0;
  auto spend = [&](uint64_t until) {
    for (until = std::min(until, cycles); at < until;) {
      uint64_t stop = std::min(until, (at / window + 1) * window);
      result[at / window] += double(bytes) * double(stop - at);
      at = stop;
    }
  };
  for (const auto &[when, change] : changes_) {
    spend(when);
    bytes += change;
  }
  spend(cycles);
  for (size_t i = 0; i < result.size(); ++i)
    result[i] /= double(std::min<uint64_t>(cycles, (i + 1) * window) - i * window);
  return result;
}

} // namespace tenon::sim
