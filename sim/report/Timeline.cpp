#include "sim/report/Report.h"
#include "sim/report/Svg.h"

#include <set>

namespace tenon::sim {

namespace {

constexpr size_t kBins = 400;
constexpr double kLeft = 70, kWidth = 800, kLane = 22;
using Bin = std::array<double, size_t(Activity::Count)>;

/// How many cycles of each bin an engine spends with what.
std::vector<std::vector<Bin>> fill(const Statistics &s, double perBin) {
  std::vector<std::vector<Bin>> lanes(s.engines.size(), std::vector<Bin>(kBins, Bin{}));
  for (const Event &event : s.events) {
    auto first = size_t(double(event.begin) / perBin), last = size_t(double(event.end) / perBin);
    for (size_t bin = first; bin <= std::min(last, kBins - 1); ++bin) {
      double begin = std::max(double(event.begin), double(bin) * perBin),
             end = std::min(double(event.end), double(bin + 1) * perBin);
      lanes[event.engine][bin][size_t(event.activity)] += std::max(0.0, end - begin);
    }
  }
  return lanes;
}

/// Commands may overlap stalls (a transfer under way): a stall that takes half of a bin is shown.
Activity shown(const Bin &bin, double perBin) {
  auto stall = size_t(Activity::Semaphore);
  for (size_t i = stall; i < bin.size(); ++i)
    stall = bin[i] > bin[stall] ? i : stall;
  if (bin[stall] >= perBin / 2)
    return Activity(stall);
  return bin[size_t(Activity::Busy)] >= perBin / 4 ? Activity::Busy : Activity::Idle;
}

} // namespace

std::string toTimeline(const Statistics &s, const std::string &title) {
  double perBin = std::max(1.0, double(s.cycles)) / double(kBins), y = 24;
  std::string svg;
  std::set<Activity> used;
  std::vector<std::vector<Bin>> lanes = fill(s, perBin);
  for (size_t lane = 0; lane < lanes.size(); ++lane, y += kLane) {
    svg += joined({"<text x='64' y='", number(y + 13), "' text-anchor='end'>", escaped(s.engines[lane].name),
                   "</text>\n"});
    for (size_t begin = 0; begin < kBins;) {
      Activity activity = shown(lanes[lane][begin], perBin);
      size_t end = begin + 1;
      while (end < kBins && shown(lanes[lane][end], perBin) == activity)
        ++end;
      if (activity != Activity::Idle) {
        used.insert(activity);
        svg += joined({"<rect x='", number(kLeft + kWidth * double(begin) / double(kBins)), "' y='",
                       number(y), "' width='", number(kWidth * double(end - begin) / double(kBins)),
                       "' height='16' fill='", colourOf(activityName(activity)), "'/>\n"});
      }
      begin = end;
    }
  }
  double x = kLeft;
  for (Activity activity : used) {
    std::string name = activityName(activity);
    svg += joined({"<rect x='", number(x), "' y='", number(y + 8), "' width='10' height='10' fill='",
                   colourOf(name), "'/><text x='", number(x + 14), "' y='", number(y + 17), "'>", name,
                   "</text>\n"});
    x += 34 + 7 * double(name.size());
  }
  return joined({"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 900 ", number(y + 26),
                 "' font-family='sans-serif' font-size='12'>\n<rect width='900' height='", number(y + 26),
                 "' fill='#fff'/>\n<text x='70' y='16'>", escaped(title), ": ", std::to_string(s.cycles),
                 " cycles, left to right</text>\n", svg, "</svg>\n"});
}

} // namespace tenon::sim
