#include "sim/report/Report.h"

namespace tenon::sim {

namespace {

Json engineJson(const EngineCycles &engine) {
  Json stall = Json::object();
  for (auto activity = size_t(Activity::Semaphore); activity < size_t(Activity::Count); ++activity)
    if (engine.cycles[activity])
      stall[activityName(Activity(activity))] = engine.cycles[activity];
  return {{"busy", engine[Activity::Busy]}, {"idle", engine[Activity::Idle]}, {"stall", stall}};
}

Json trafficJson(const Traffic &traffic) { return {{"read", traffic.read}, {"write", traffic.write}}; }

double ratio(double part, double whole) { return whole > 0 ? part / whole : 0; }

uint64_t busyOf(const Statistics &statistics, const std::string &engine) {
  uint64_t busy = 0;
  for (const EngineCycles &e : statistics.engines)
    if (e.name == engine || e.name.ends_with("." + engine))
      busy = std::max(busy, e[Activity::Busy]);
  return busy;
}

/// Energy if a byte of DRAM cost half and twice as much: published figures differ by more.
Json sensitivity(const Statistics &statistics) {
  double total = statistics.totalPicojoules(), dram = 0;
  for (const auto &[action, pj] : statistics.picojoules)
    dram += action.starts_with("dram.") ? pj : 0;
  return {{"dram_half", total - dram / 2}, {"dram_twice", total + dram}, {"dram_share", ratio(dram, total)}};
}

} // namespace

Json limits(const Statistics &s, const mortise::Hardware &h) {
  auto cycles = double(s.cycles);
  auto cores = double(h.cores);
  std::vector<std::pair<std::string, double>> shares = {
      {"matrix", ratio(double(busyOf(s, "matrix")), cycles)},
      {"vector", ratio(double(busyOf(s, "vector")), cycles)},
      {"drain", ratio(double(busyOf(s, "drain")), cycles)},
      {"dram", ratio(double(s.dram.read + s.dram.write), cycles * h.dram.bytesPerCycle)},
      {"l2", h.l2.bytes ? ratio(double(s.l2.read + s.l2.write), cycles * h.l2.bytesPerCycle) : 0},
      {"scratchpad", ratio(double(s.l1.read + s.l1.write),
                           cycles * cores * double(h.scratchpad.banks * h.scratchpad.width))}};
  auto most =
      std::max_element(shares.begin(), shares.end(), [](auto &a, auto &b) { return a.second < b.second; });
  Json result{{"resource", most->first}};
  for (const auto &[name, share] : shares)
    result["shares"][name] = share;
  return result;
}

Json toJson(const Statistics &s, const mortise::Hardware &h) {
  Json report{{"hardware", h.name}, {"cycles", s.cycles}};
  report["milliseconds"] = double(s.cycles) / (h.megahertz * 1e3);
  for (const mortise::FrequencyPoint &point : h.points) {
    // Dynamic energy goes with the square of the voltage, leakage with the voltage and the time.
    double square = point.volts * point.volts / (h.points[0].volts * h.points[0].volts);
    double leakage = s.picojoules.at("static.leakage");
    double energy = (s.totalPicojoules() - leakage) * square +
                    leakage * (point.volts / h.points[0].volts) * (h.megahertz / point.megahertz);
    report["frequency_points"].push_back({{"megahertz", point.megahertz},
                                          {"milliseconds", double(s.cycles) / (point.megahertz * 1e3)},
                                          {"energy_pj", energy}});
  }
  for (const EngineCycles &engine : s.engines)
    report["engines"][engine.name] = engineJson(engine);
  report["traffic"] = {{"dram", trafficJson(s.dram)}, {"l2", trafficJson(s.l2)}, {"l1", trafficJson(s.l1)}};
  report["useful_bytes"] = s.dramUseful;
  for (const auto &[action, pj] : s.picojoules) {
    size_t dot = action.find('.');
    report["energy_pj"][action.substr(0, dot)][action.substr(dot + 1)] = pj;
  }
  report["energy_total_pj"] = s.totalPicojoules();
  report["energy_sensitivity_pj"] = sensitivity(s);
  report["energy_source"] = h.energy.source;
  report["actions"] = s.actions;
  double peak = s.peakMacs * double(s.cycles);
  report["utilization"] = {{"array_active", ratio(double(s.arrayCells), peak)},
                           {"useful_mac", ratio(double(s.macs), peak)}};
  report["macs"] = s.macs;
  report["instructions"] = s.instructions;
  report["bundles"] = s.bundles;
  report["limit"] = limits(s, h);
  report["window_cycles"] = s.window;
  report["power_pj"] = s.power;
  report["occupancy_bytes"] = s.occupancy;
  report["scratchpad_bytes"] = h.scratchpad.bytes * h.cores;
  report["peaks"] = {{"macs_per_cycle", s.peakMacs},
                     {"dram_bytes_per_cycle", h.dram.bytesPerCycle},
                     {"l2_bytes_per_cycle", h.l2.bytes ? h.l2.bytesPerCycle : 0},
                     {"l1_bytes_per_cycle", double(h.scratchpad.banks * h.scratchpad.width * h.cores)}};
  report["nodes"] = Json::array();
  for (const auto &[name, cost] : s.nodes)
    report["nodes"].push_back({{"node", name},
                               {"begin", cost.begin},
                               {"end", cost.end},
                               {"macs", cost.macs},
                               {"dram_bytes", cost.dramBytes},
                               {"busy", cost.busy}});
  return report;
}

} // namespace tenon::sim
