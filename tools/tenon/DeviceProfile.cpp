#include "tools/tenon/DeviceProfile.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/TextTable.h"

#include "sim/report/Report.h"

#include <cstdio>

namespace tenon::command {

using Json = DeviceProfile::Json;

namespace {

constexpr const char *kFields[] = {"cycles",          "ideal_cycles", "limit",   "limit_shares",
                                   "stall_engine",    "stall",        "traffic", "energy_pj",
                                   "energy_total_pj", "macs",         "by_node"};

double at(const Json &json, const char *field) { return json.at(field).get<double>(); }

double dramBytes(const Json &traffic) {
  return at(traffic.at("dram"), "read") + at(traffic.at("dram"), "write");
}

std::string percent(double part, double whole) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", whole > 0 ? 100 * part / whole : 0.0);
  return text;
}

/// The stalls of an engine, of all cores together.
Json stallsOf(const Json &engines, const std::string &engine) {
  Json stalls = Json::object();
  for (const auto &[name, cycles] : engines.items())
    if (name == engine || name.ends_with("." + engine))
      for (const auto &[reason, count] : cycles.at("stall").items())
        stalls[reason] = stalls.value(reason, uint64_t(0)) + count.get<uint64_t>();
  return stalls;
}

/// The fields that a report of the simulator gives to a row.
void describe(Json &row, const Json &report) {
  std::string engine = report.at("macs").get<uint64_t>() ? "matrix" : "vector";
  row["cycles"] = report.at("cycles");
  row["ideal_cycles"] = report.at("ideal_cycles");
  row["limit"] = report.at("limit").at("resource");
  row["limit_shares"] = report.at("limit").at("shares");
  row["stall_engine"] = engine;
  row["stall"] = stallsOf(report.at("engines"), engine);
  row["traffic"] = report.at("traffic");
  row["energy_pj"] = report.at("energy_pj");
  row["energy_total_pj"] = report.at("energy_total_pj");
  row["macs"] = report.at("macs");
  row["by_node"] = report.at("nodes");
}

std::string joined(const Json &names, size_t limit) {
  std::string text;
  for (const Json &name : names)
    text += (text.empty() ? "" : ", ") + name.get<std::string>();
  return text.size() > limit ? text.substr(0, limit - 3) + "..." : text;
}

std::string escaped(const std::string &text) {
  std::string result;
  for (char c : text)
    result += c == '&'   ? "&amp;"
              : c == '<' ? "&lt;"
              : c == '>' ? "&gt;"
              : c == '"' ? "&quot;"
                         : std::string(1, c);
  return result;
}

} // namespace

DeviceProfile::DeviceProfile(const LoadedModel &model, Execution &execution, const std::string &device)
    : title_(model.name), device_(device) {
  total_ = {{"cycles", uint64_t(0)}, {"ns", uint64_t(0)}, {"ideal_cycles", uint64_t(0)},
            {"macs", uint64_t(0)},   {"dram_bytes", 0.0}, {"energy_pj", 0.0}};
  uint32_t count = tenon_session_profile_count(execution.session().get(), execution.function());
  for (uint32_t i = 0; i < count; ++i) {
    tenon_profile_row row = {};
    if (tenon_session_profile_row(execution.session().get(), execution.function(), i, &row) != TENON_OK)
      failRuntime(execution.session().message());
    add(row, model.nodeNames(row.origin), execution);
  }
}

void DeviceProfile::add(const tenon_profile_row &row, const Json &nodes, Execution &execution) {
  auto orNull = [](int64_t value) { return value < 0 ? Json(nullptr) : Json(value); };
  Json json = {{"command", row.command},
               {"kind", row.kind},
               {"kernel", row.kernel},
               {"family", row.family},
               {"nodes", nodes},
               {"device", "cpu"},
               {"ns", row.last_ns},
               {"flop", orNull(row.flops)},
               {"bytes", orNull(row.bytes)},
               {"schedule", row.schedule}};
  for (const char *field : kFields)
    json[field] = nullptr;
  Json report;
  tenon_device_row told = {};
  if (tenon_session_profile_device(execution.session().get(), execution.function(), row.command, &told) ==
          TENON_OK &&
      device_ == told.device && told.report[0]) {
    report = Json::parse(told.report);
    json["device"] = told.device;
    json["ns"] = told.ns;
    describe(json, report);
    total_["cycles"] = total_["cycles"].get<uint64_t>() + told.cycles;
    total_["ns"] = total_["ns"].get<uint64_t>() + told.ns;
    total_["ideal_cycles"] = total_["ideal_cycles"].get<uint64_t>() + told.ideal_cycles;
    total_["macs"] = total_["macs"].get<uint64_t>() + report["macs"].get<uint64_t>();
    total_["dram_bytes"] = at(total_, "dram_bytes") + dramBytes(report["traffic"]);
    total_["energy_pj"] = at(total_, "energy_pj") + at(report, "energy_total_pj");
  }
  rows_.push_back(std::move(json));
  reports_.push_back(std::move(report));
}

std::string DeviceProfile::commandTable() const {
  TextTable table({"command>", "cycles>", "share>", "ideal>", "of ideal>", "limit", "stalls", "DRAM KB>",
                   "uJ>", "kernel", "nodes"});
  double all = at(total_, "cycles");
  for (const Json &row : rows_) {
    if (row.at("cycles").is_null())
      continue;
    double cycles = at(row, "cycles"), ideal = at(row, "ideal_cycles");
    std::string limit = row.at("limit"), stalls;
    for (const auto &[reason, count] : row.at("stall").items())
      stalls += (stalls.empty() ? "" : ", ") + reason + " " + percent(count.get<double>(), cycles);
    table.add({std::to_string(row.at("command").get<uint32_t>()), number(cycles), percent(cycles, all),
               number(ideal), percent(ideal, cycles),
               limit + " " + percent(at(row.at("limit_shares"), limit.c_str()), 1), stalls,
               number(dramBytes(row.at("traffic")) / 1024), number(at(row, "energy_total_pj") * 1e-6),
               row.at("kernel").get<std::string>(), joined(row.at("nodes"), 100)});
  }
  return table.text();
}

std::string DeviceProfile::nodeTable() const {
  TextTable table(
      {"command>", "node", "from cycle>", "cycles>", "MACs>", "DRAM KB>", "array busy>", "vector busy>"});
  for (const Json &row : rows_) {
    if (row.at("by_node").is_null())
      continue;
    std::vector<const Json *> nodes;
    for (const Json &node : row.at("by_node"))
      if (node.at("end").get<uint64_t>() > 0) // else none of its instructions reached an engine
        nodes.push_back(&node);
    std::sort(nodes.begin(), nodes.end(),
              [](const Json *a, const Json *b) { return at(*a, "begin") < at(*b, "begin"); });
    for (const Json *node : nodes) {
      auto busy = [&](const char *engine) {
        const Json &all = node->at("busy");
        return all.contains(engine) ? number(at(all, engine)) : std::string("-");
      };
      table.add({std::to_string(row.at("command").get<uint32_t>()), node->at("node").get<std::string>(),
                 number(at(*node, "begin")), number(at(*node, "end") - at(*node, "begin")),
                 number(at(*node, "macs")), number(at(*node, "dram_bytes") / 1024), busy("matrix"),
                 busy("vector")});
    }
  }
  return table.empty() ? "" : "\n" + table.text();
}

std::string DeviceProfile::text() const {
  double cycles = at(total_, "cycles");
  std::string line = title_ + " on " + device_ + ": " + number(cycles) + " cycles, " +
                     number(at(total_, "ns") * 1e-6) + " ms; the array's peak would take " +
                     number(at(total_, "ideal_cycles")) + " (" + percent(at(total_, "ideal_cycles"), cycles) +
                     "); DRAM " + bytesText(at(total_, "dram_bytes")) + ", " +
                     number(at(total_, "energy_pj") * 1e-6) + " uJ\n";
  size_t stay = 0;
  for (const Json &row : rows_)
    stay += row.at("kind") == "dispatch" && row.at("cycles").is_null();
  if (stay)
    line += std::to_string(stay) + " dispatches run on the CPU\n";
  return commandTable() + nodeTable() + "\n" + line;
}

std::string DeviceProfile::trace() const {
  Json events = Json::array();
  double start = 0;
  for (size_t i = 0; i < reports_.size(); ++i) {
    if (reports_[i].is_null())
      continue;
    Json process = rows_[i].at("command");
    events.push_back(
        {{"ph", "M"},
         {"name", "process_name"},
         {"pid", process},
         {"args", {{"name", rows_[i].at("kernel")}, {"nodes", joined(rows_[i].at("nodes"), 400)}}}});
    for (Json event : reports_[i].at("trace_events")) {
      event["pid"] = process;
      if (event.contains("ts"))
        event["ts"] = event["ts"].get<double>() + start;
      events.push_back(std::move(event));
    }
    start += at(reports_[i], "cycles");
  }
  return Json{{"traceEvents", std::move(events)}, {"displayTimeUnit", "ns"}}.dump(
             -1, ' ', false, Json::error_handler_t::replace) +
         "\n";
}

std::string DeviceProfile::html() const {
  std::string page =
      "<!doctype html><html lang='en'><meta charset='utf-8'><title>" + escaped(title_) +
      "</title><style>body{font:15px/1.5 system-ui,sans-serif;margin:2rem}pre{overflow-x:auto;"
      "font-size:12px}iframe{width:100%;height:85vh;border:1px solid #ccc}summary{cursor:pointer}"
      "</style><h1>" +
      escaped(title_) + " on " + escaped(device_) + "</h1><pre>" + escaped(text()) + "</pre>";
  for (size_t i = 0; i < reports_.size(); ++i) {
    if (reports_[i].is_null())
      continue;
    std::string name = "command " + rows_[i].at("command").dump() + ": " + joined(rows_[i].at("nodes"), 200);
    std::string inner = sim::toHtml(reports_[i], reports_[i].at("timeline").get<std::string>(), name);
    page += "<details><summary>" + escaped(name) + ", " + number(at(reports_[i], "cycles")) +
            " cycles</summary><iframe srcdoc=\"" + escaped(inner) + "\"></iframe></details>";
  }
  return page + "</html>\n";
}

} // namespace tenon::command
