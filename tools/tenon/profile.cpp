// tenon profile: measured times of each command of the plan, with the model's nodes.

#include "tools/tenon/Commands.h"
#include "tools/tenon/DeviceProfile.h"
#include "tools/tenon/Execution.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/Files.h"
#include "tools/tenon/Limits.h"
#include "tools/tenon/TextTable.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace tenon::command {

namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kWarmups = 2, kRuns = 10;
constexpr double kSeconds = 0.5;

struct ProfileCommand {
  std::string model, function, device = "cpu", json, trace, html;
  uint32_t threads = 0;
  bool alone = false;
  InputFlags inputs;
  CompileFlags flags;

  void run() const;
  void runOnDevice(LoadedModel &loaded) const;
};

Json orNull(int64_t value) { return value < 0 ? Json(nullptr) : Json(value); }

double orZero(int64_t value) { return static_cast<double>(std::max<int64_t>(value, 0)); }

/// What was predicted, and how near the command came to what `workers` could do: the longer of computing at
/// the peak and moving its bytes, over the measured time.
void addPrediction(Json &json, const tenon_profile_row &row, double ns, const tenon_machine &machine,
                   uint32_t workers) {
  double executions = json["executions"].get<double>();
  auto rate = [&](int64_t amount) {
    return amount < 0 || ns <= 0 ? Json(nullptr) : Json(static_cast<double>(amount) * executions / ns);
  };
  json["gflops"] = rate(row.flops);
  json["gbs"] = rate(row.bytes);
  json["predicted_ns"] = orNull(row.predicted_ns);
  std::string limit = limitOf({row.predicted_ns, row.compute_ns, row.traffic_ns, row.bytes}, machine);
  json["limit"] = limit.empty() ? Json(nullptr) : Json(limit);
  double bound = std::max(orZero(row.compute_ns), orZero(row.traffic_ns)) * executions / workers;
  json["roofline"] = limit.empty() || ns <= 0 ? Json(nullptr) : Json(bound / ns);
}

/// One row for each command of the plan, in plan order; `ns` is the mean per run of the function.
Json collect(const LoadedModel &model, Execution &execution, size_t runs) {
  Json rows = Json::array();
  tenon_machine machine = tenon_package_machine(model.package.get());
  uint32_t count = tenon_session_profile_count(execution.session().get(), execution.function());
  for (uint32_t i = 0; i < count; ++i) {
    tenon_profile_row row = {};
    if (tenon_session_profile_row(execution.session().get(), execution.function(), i, &row) != TENON_OK)
      failRuntime(execution.session().message());
    double ns = static_cast<double>(row.total_ns) / static_cast<double>(runs);
    rows.push_back({{"command", row.command},
                    {"kind", row.kind},
                    {"kernel", row.kernel},
                    {"family", row.family},
                    {"nodes", model.nodeNames(row.origin)},
                    {"ns", ns},
                    {"flop", orNull(row.flops)},
                    {"bytes", orNull(row.bytes)},
                    {"executions", static_cast<double>(row.runs) / static_cast<double>(runs)},
                    {"schedule", row.schedule}});
    addPrediction(rows.back(), row, ns, machine, execution.session().stats().threads);
  }
  return rows;
}

constexpr double kAloneNs = 3e6;
constexpr uint32_t kAloneTries = 3, kAloneRepeats = 100000;

/// Each dispatch repeated by itself, its operands in the caches where they fit: the best of some tries.
void addAlone(Execution &execution, Json &rows) {
  for (Json &row : rows) {
    row["alone_ns"] = nullptr;
    if (row.at("kind") != "dispatch" || row.at("executions").get<double>() == 0)
      continue;
    auto measure = [&](uint32_t repeats) {
      uint64_t ns = 0;
      if (tenon_session_profile_alone(execution.session().get(), execution.function(), row.at("command"),
                                      repeats, &ns) != TENON_OK)
        failRuntime(execution.session().message());
      return static_cast<double>(ns) / repeats;
    };
    double best = measure(1);
    auto repeats =
        static_cast<uint32_t>(std::clamp(kAloneNs / std::max(best, 1.0), 1.0, double(kAloneRepeats)));
    for (uint32_t i = 0; i < kAloneTries; ++i)
      best = std::min(best, measure(repeats));
    row["alone_ns"] = best;
  }
}

double total(const Json &rows) {
  double sum = 0;
  for (const Json &row : rows)
    sum += row.at("ns").get<double>();
  return sum;
}

std::string orDash(const Json &value, double scale = 1) {
  return value.is_null() ? "-" : number(value.get<double>() * scale);
}

std::string joined(const Json &nodes) {
  std::string text;
  for (const Json &node : nodes)
    text += (text.empty() ? "" : ", ") + node.get<std::string>();
  return text;
}

TextTable makeTable(const Json &rows) {
  std::vector<const Json *> order;
  for (const Json &row : rows)
    order.push_back(&row);
  std::sort(order.begin(), order.end(), [](const Json *a, const Json *b) {
    return a->at("ns") != b->at("ns") ? a->at("ns") > b->at("ns") : a->at("command") < b->at("command");
  });
  double sum = total(rows);
  TextTable table({"command>", "us>", "share>", "predicted us>", "limit", "roofline>", "GFLOP/s>", "GB/s>",
                   "kernel", "schedule", "nodes"});
  for (const Json *row : order) {
    double ns = row->at("ns");
    std::string nodes = joined(row->at("nodes")), kernel = row->at("kernel");
    table.add({std::to_string(row->at("command").get<uint32_t>()), number(ns / 1e3),
               number(sum > 0 ? 100 * ns / sum : 0) + " %", orDash(row->at("predicted_ns"), 1e-3),
               row->at("limit").is_null() ? "-" : row->at("limit").get<std::string>(),
               row->at("roofline").is_null() ? "-" : orDash(row->at("roofline"), 100) + " %",
               orDash(row->at("gflops")), orDash(row->at("gbs")),
               kernel.empty() ? row->at("kind").get<std::string>() : kernel,
               row->at("schedule").get<std::string>(),
               nodes.size() > 100 ? nodes.substr(0, 97) + "..." : nodes});
  }
  return table;
}

/// The format of Chrome's tracing, which Perfetto reads: commands laid end to end, in microseconds.
std::string traceText(const Json &rows) {
  Json events = Json::array();
  double start = 0;
  for (const Json &row : rows) {
    double us = row.at("ns").get<double>() / 1e3;
    std::string kernel = row.at("kernel");
    events.push_back({{"name", kernel.empty() ? row.at("kind") : row.at("kernel")},
                      {"cat", row.at("kind")},
                      {"ph", "X"},
                      {"ts", start},
                      {"dur", us},
                      {"pid", 1},
                      {"tid", 1},
                      {"args",
                       {{"command", row.at("command")},
                        {"nodes", joined(row.at("nodes"))},
                        {"flop", row.at("flop")},
                        {"bytes", row.at("bytes")},
                        {"schedule", row.at("schedule")}}}});
    start += us;
  }
  return Json{{"traceEvents", events}, {"displayTimeUnit", "ns"}}.dump() + "\n";
}

std::string escape(const std::string &text) {
  std::string result;
  for (char c : text)
    result += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
  return result;
}

std::string htmlText(const std::string &title, const std::string &table) {
  return "<!doctype html><html lang='en'><meta charset='utf-8'><title>" + escape(title) +
         "</title><style>body{font:15px/1.5 "
         "system-ui,sans-serif;margin:2rem}pre{overflow-x:auto;font-size:12px}"
         "</style><h1>" +
         escape(title) + "</h1><pre>" + escape(table) + "</pre></html>\n";
}

/// A simulated device tells the same of every run: one is enough.
void ProfileCommand::runOnDevice(LoadedModel &loaded) const {
  tenon_session_options options = {};
  options.threads = threads;
  options.profile = trace.empty() && html.empty() ? 1 : 2;
  Execution execution(loaded, function, inputs, options);
  uint64_t ns = execution.run();
  DeviceProfile profile(loaded, execution, device);
  std::fputs(profile.text().c_str(), stdout);
  if (!json.empty())
    writeFile(json, {Json{{"model", loaded.name},
                          {"device", device},
                          {"run_ns", ns},
                          {"total", profile.total()},
                          {"rows", profile.rows()}}
                         .dump(2, ' ', false, Json::error_handler_t::replace),
                     "\n"});
  if (!trace.empty())
    writeFile(trace, {profile.trace()});
  if (!html.empty())
    writeFile(html, {profile.html()});
}

void ProfileCommand::run() const {
  LoadedModel loaded = loadModel(model, flags, inputs.shapes);
  if (device != "cpu") {
    if (!loaded.hasDevice(device))
      failInput("TN0505", "'" + loaded.name + "' runs nothing on a device '" + device +
                              "'; expected cpu, or what --target names beside it");
    return runOnDevice(loaded);
  }
  tenon_session_options options = {};
  options.threads = threads;
  options.profile = 1;
  Execution execution(loaded, function, inputs, options);
  execution.measure(kWarmups, 0);
  if (tenon_session_profile_reset(execution.session().get(), execution.function()) != TENON_OK)
    failRuntime(execution.session().message());
  std::vector<uint64_t> times = execution.measure(kRuns, kSeconds);
  Json rows = collect(loaded, execution, times.size());
  if (alone)
    addAlone(execution, rows);
  std::string table = makeTable(rows).text();
  double all = static_cast<double>(median(times));
  std::string summary = loaded.name + ": median " + number(all / 1e6) + " ms a run, " +
                        number(total(rows) / 1e6) + " ms of it in commands (mean of " +
                        std::to_string(times.size()) + " runs)";
  std::printf("%s\n%s\n", table.c_str(), summary.c_str());
  if (!json.empty())
    writeFile(json,
              {Json{{"model", loaded.name}, {"runs", times.size()}, {"run_ns", all}, {"rows", rows}}.dump(2),
               "\n"});
  if (!trace.empty())
    writeFile(trace, {traceText(rows)});
  if (!html.empty())
    writeFile(html, {htmlText(summary, table)});
}

} // namespace

void addProfile(CLI::App &app) {
  auto command = std::make_shared<ProfileCommand>();
  CLI::App *sub = app.add_subcommand("profile", "measure each command of the plan");
  sub->add_option("PKG|MODEL", command->model, "a .tenon package or an .onnx model")->required();
  sub->add_option("--function", command->function, "which function of the package; default: main")
      ->type_name("F");
  sub->add_option("--device", command->device, "where to measure: cpu (default), or a device of the package")
      ->type_name("D");
  command->inputs.add(*sub);
  addThreadsFlag(*sub, command->threads);
  sub->add_flag("--alone", command->alone, "also repeat each dispatch by itself; --json has the times");
  sub->add_option("--json", command->json, "write the rows")->type_name("FILE");
  sub->add_option("--trace", command->trace, "write a trace for ui.perfetto.dev")->type_name("FILE.perfetto");
  sub->add_option("--html", command->html, "write a page")->type_name("FILE");
  command->flags.add(*sub);
  sub->footer("Examples:\n"
              "  tenon profile model.tenon --input x=x.npy --threads 1\n"
              "  tenon profile model.onnx --shape x=1x3x224x224 --trace model.perfetto\n"
              "  tenon profile model.tenon --device mortise --html npu.html");
  sub->callback([command] { command->run(); });
}

} // namespace tenon::command
