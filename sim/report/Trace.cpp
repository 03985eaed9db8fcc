#include "sim/report/Report.h"

namespace tenon::sim {

std::string toTrace(const Statistics &statistics, const mortise::Program &program) {
  Json events = Json::array();
  for (size_t i = 0; i < statistics.engines.size(); ++i)
    events.push_back({{"ph", "M"},
                      {"name", "thread_name"},
                      {"pid", 1},
                      {"tid", i + 1},
                      {"args", {{"name", statistics.engines[i].name}}}});
  for (const Event &event : statistics.events) {
    Json entry{{"ph", "X"},
               {"pid", 1},
               {"tid", event.engine + 1},
               {"ts", event.begin},
               {"dur", event.end - event.begin}};
    if (event.stall) {
      entry["name"] = std::string("wait: ") + activityName(event.activity);
    } else {
      entry["name"] = mortise::row(event.id).mnemonic;
      entry["args"] = {{"instruction", event.instruction}, {"text", toText(program.code[event.instruction])}};
      std::string node = program.nodeOf(event.instruction);
      if (!node.empty())
        entry["args"]["node"] = node;
    }
    events.push_back(std::move(entry));
  }
  for (const auto &[cycle, mark] : statistics.marks)
    events.push_back({{"ph", "i"},
                      {"s", "p"},
                      {"pid", 1},
                      {"tid", 1},
                      {"ts", cycle},
                      {"name", "mark " + std::to_string(mark)}});
  auto counter = [&](const char *name, const std::vector<double> &values, double scale) {
    for (size_t i = 0; i < values.size(); ++i)
      events.push_back({{"ph", "C"},
                        {"pid", 1},
                        {"ts", i * statistics.window},
                        {"name", name},
                        {"args", {{"value", values[i] * scale}}}});
  };
  counter("power, pJ a cycle", statistics.power, 1.0 / double(statistics.window));
  counter("live scratchpad, bytes", statistics.occupancy, 1);
  Json trace{{"traceEvents", std::move(events)}, {"displayTimeUnit", "ns"}};
  return trace.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace tenon::sim
