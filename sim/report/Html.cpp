// The page of a run. Charts are plain SVG; nothing is fetched.

#include "sim/report/Report.h"
#include "sim/report/Svg.h"

#include <cmath>

namespace tenon::sim {

namespace {

/// One bar for each engine: busy, stalls, idle.
std::string waterfall(const Json &report) {
  double cycles = std::max(1.0, report["cycles"].get<double>());
  std::string svg, legend;
  std::map<std::string, bool> used;
  double y = 0;
  for (const auto &[name, engine] : report["engines"].items()) {
    std::vector<std::pair<std::string, double>> parts = {{"busy", engine["busy"].get<double>()}};
    for (const auto &[reason, count] : engine["stall"].items())
      parts.emplace_back(reason, count.get<double>());
    parts.emplace_back("idle", engine["idle"].get<double>());
    double x = 90;
    svg += "<text x='84' y='" + number(y + 15) + "' text-anchor='end'>" + escaped(name) + "</text>";
    for (const auto &[what, count] : parts) {
      double width = 800 * count / cycles;
      used[what] = true;
      svg += joined({"<rect x='", number(x, "%.2f"), "' y='", number(y + 2), "' width='",
                     number(width, "%.2f"), "' height='18' fill='", colourOf(what), "'><title>",
                     escaped(name), " ", escaped(what), ": ", number(count, "%.0f"), " cycles, ",
                     number(100 * count / cycles), " %</title></rect>"});
      x += width;
    }
    y += 24;
  }
  for (const auto &[what, present] : used)
    legend += joined({"<span><i style='background:", colourOf(what), "'></i>", what, "</span>"});
  return "<svg viewBox='0 0 900 " + number(y + 4) + "'>" + svg + "</svg><p class='legend'>" + legend + "</p>";
}

/// A roof for each memory level; the run as a point on each.
std::string roofline(const Json &report) {
  double peak = report["peaks"]["macs_per_cycle"].get<double>(), macs = report["macs"].get<double>();
  double cycles = std::max(1.0, report["cycles"].get<double>()), reached = macs / cycles;
  if (macs == 0)
    return "<p>The run multiplies nothing on the matrix unit.</p>";
  auto xOf = [](double intensity) { return 60 + 110 * (std::log10(std::max(intensity, 1e-2)) + 2); };
  auto yOf = [&](double rate) { return 20 + 60 * std::log10(peak / std::max(rate, peak * 1e-4)); };
  std::string svg =
      "<line x1='60' y1='20' x2='60' y2='260' stroke='#888'/><line x1='60' y1='260' x2='880' y2='260' "
      "stroke='#888'/><text x='64' y='14'>MACs a cycle, peak " +
      number(peak) + "</text><text x='880' y='276' text-anchor='end'>MACs a byte, 0.01 to 10^5</text>";
  const char *levels[] = {"dram", "l2", "l1"};
  const char *colours[] = {"#c44e52", "#55a868", "#3b7dd8"};
  for (int i = 0; i < 3; ++i) {
    double bandwidth = report["peaks"][std::string(levels[i]) + "_bytes_per_cycle"].get<double>();
    const Json &traffic = report["traffic"][levels[i]];
    double bytes = traffic["read"].get<double>() + traffic["write"].get<double>();
    if (bandwidth == 0 || bytes == 0)
      continue;
    double ridge = peak / bandwidth, start = std::max(0.01, peak * 1e-4 / bandwidth);
    svg += "<polyline fill='none' stroke='" + std::string(colours[i]) + "' points='" + number(xOf(start)) +
           "," + number(yOf(start * bandwidth)) + " " + number(xOf(ridge)) + ",20 880,20'/>";
    svg += "<circle r='5' fill='" + std::string(colours[i]) + "' cx='" + number(xOf(macs / bytes)) +
           "' cy='" + number(yOf(reached)) + "'><title>" + levels[i] + ": " + number(macs / bytes) +
           " MACs a byte, " + number(reached) + " MACs a cycle</title></circle><text x='" +
           number(xOf(macs / bytes) + 8) + "' y='" + number(yOf(reached) + 4 + 14 * i) + "' fill='" +
           colours[i] + "'>" + levels[i] + "</text>";
  }
  return "<svg viewBox='0 0 900 280'>" + svg + "</svg>";
}

std::string curve(const Json &values, double scale, double top, const std::string &unit) {
  if (values.empty())
    return "<p>Not recorded.</p>";
  double most = top;
  for (const Json &value : values)
    most = std::max(most, value.get<double>() * scale);
  std::string points = "60,180 ";
  for (size_t i = 0; i < values.size(); ++i)
    for (size_t edge = i; edge <= i + 1; ++edge)
      points += number(60 + 820.0 * double(edge) / double(values.size()), "%.2f") + "," +
                number(180 - 160 * values[i].get<double>() * scale / std::max(most, 1e-30), "%.2f") + " ";
  std::string limit = top > 0
                          ? "<line x1='60' x2='880' y1='" + number(180 - 160 * top / most) + "' y2='" +
                                number(180 - 160 * top / most) + "' stroke='#c44e52' stroke-dasharray='4'/>"
                          : "";
  return "<svg viewBox='0 0 900 200'><polygon fill='#9dbce8' points='" + points + "880,180'/>" + limit +
         "<text x='64' y='14'>" + number(most) + " " + unit + "</text></svg>";
}

std::string energy(const Json &report) {
  double total = std::max(report["energy_total_pj"].get<double>(), 1e-30);
  std::string table = "<table><tr><th>component</th><th>action</th><th>uJ</th><th>share</th></tr>";
  for (const auto &[component, actions] : report["energy_pj"].items())
    for (const auto &[action, pj] : actions.items()) {
      double share = 100 * pj.get<double>() / total;
      table += joined({"<tr><td>", component, "</td><td>", action, "</td><td>",
                       number(pj.get<double>() * 1e-6) + "</td><td><i class='bar' style='width:",
                       number(2 * share), "px'></i> ", number(share) + " %</td></tr>"});
    }
  const Json &range = report["energy_sensitivity_pj"];
  return table + "</table><p>Total " + number(total * 1e-6) + " uJ. With a byte of DRAM at half its figure " +
         number(range["dram_half"].get<double>() * 1e-6) + " uJ, at twice " +
         number(range["dram_twice"].get<double>() * 1e-6) +
         " uJ. Source of the figures: " + escaped(report["energy_source"].get<std::string>()) + ".</p>";
}

} // namespace

std::string toHtml(const Json &report, const std::string &timeline, const std::string &title) {
  const Json &limit = report["limit"];
  std::string fullest = limit["resource"].get<std::string>();
  std::string page =
      "<!doctype html><html lang='en'><meta charset='utf-8'><title>" + escaped(title) +
      "</title><style>body{font:15px/1.5 system-ui,sans-serif;max-width:1000px;margin:2em auto;padding:0 1em}"
      "svg{width:100%;height:auto;font:12px sans-serif}td,th{padding:2px 12px 2px 0;text-align:left}"
      ".legend span{margin-right:1em}.legend i{display:inline-block;width:12px;height:12px;margin-right:4px}"
      ".bar{display:inline-block;height:10px;background:#3b7dd8}</style><h1>" +
      escaped(title) + " on " + escaped(report["hardware"].get<std::string>()) + "</h1><p>" +
      number(report["cycles"].get<double>(), "%.0f") + " cycles, " +
      number(report["milliseconds"].get<double>()) + " ms. The array is active " +
      number(100 * report["utilization"]["array_active"].get<double>()) + " % of the time, useful MACs are " +
      number(100 * report["utilization"]["useful_mac"].get<double>()) +
      " % of the peak. The fullest resource is <b>" + fullest + "</b> at " +
      number(100 * limit["shares"][fullest].get<double>()) + " %.</p>";
  page += "<h2>Engines</h2>" + waterfall(report);
  page += "<h2>Timeline</h2>" + timeline;
  page +=
      "<h2>Roofline</h2><p>Where a point meets its roof, that level limits the run.</p>" + roofline(report);
  page += "<h2>Live bytes of the scratchpad</h2>" + curve(report["occupancy_bytes"], 1,
                                                          report["scratchpad_bytes"].get<double>(),
                                                          "bytes; dashed: all there are");
  page += "<h2>Power</h2>" +
          curve(report["power_pj"], 1 / report["window_cycles"].get<double>(), 0, "pJ a cycle, dynamic");
  return page + "<h2>Energy</h2>" + energy(report) + "</html>\n";
}

} // namespace tenon::sim
