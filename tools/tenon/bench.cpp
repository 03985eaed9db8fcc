// tenon bench: latency of a package or a model, alone or beside other engines.

#include "tools/tenon/Commands.h"
#include "tools/tenon/Execution.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/Files.h"
#include "tools/tenon/Peers.h"
#include "tools/tenon/Progress.h"
#include "tools/tenon/TextTable.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <sys/wait.h>
#include <unistd.h>

namespace tenon::command {

namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kWarmups = 3, kRuns = 10;
constexpr double kSeconds = 1;

struct BenchCommand {
  std::string model, function, json, html;
  std::vector<uint32_t> threads{1};
  std::vector<std::string> peers;
  InputFlags inputs;
  CompileFlags flags;

  void run() const;
  Json measureHere() const;
  Json measurePackage(const std::string &package, uint32_t workers) const;
};

/// Runs `work` in a process of its own, so that its peak memory is that of the work alone.
Json inChild(const std::function<Json()> &work) {
  int ends[2];
  if (::pipe(ends) != 0)
    throw Failure(ExitStatus::BadInput, "TN0901", "the system has no pipe left");
  std::fflush(nullptr);
  pid_t child = ::fork();
  if (child < 0)
    throw Failure(ExitStatus::BadInput, "TN0901", "the system cannot start a process");
  if (child == 0) {
    ::close(ends[0]);
    Json answer;
    try {
      answer = work();
    } catch (const Failure &failure) {
      Json diagnostics = Json::array();
      for (const Diagnostic &d : failure.diagnostics())
        diagnostics.push_back({d.code, d.message, d.node});
      answer = {{"status", static_cast<int>(failure.status())}, {"diagnostics", diagnostics}};
    } catch (const std::exception &error) {
      answer = {{"status", 3}, {"diagnostics", {{"TN0599", error.what(), ""}}}};
    }
    std::string text = answer.dump();
    for (size_t done = 0; done < text.size();) {
      ssize_t count = ::write(ends[1], text.data() + done, text.size() - done);
      if (count <= 0)
        break;
      done += static_cast<size_t>(count);
    }
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t count; (count = ::read(ends[0], buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<size_t>(count));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  Json answer = Json::parse(text, nullptr, false);
  if (answer.is_discarded())
    throw Failure(ExitStatus::Defect, "TN0599",
                  WIFSIGNALED(status)
                      ? "the measuring process was ended by signal " + std::to_string(WTERMSIG(status))
                      : "the measuring process ended without a result");
  if (answer.contains("diagnostics")) {
    std::vector<Diagnostic> diagnostics;
    for (const Json &d : answer["diagnostics"])
      diagnostics.push_back({d[0], d[1], d[2]});
    throw Failure(static_cast<ExitStatus>(answer["status"].get<int>()), diagnostics);
  }
  return answer;
}

Json BenchCommand::measurePackage(const std::string &package, uint32_t workers) const {
  LoadedModel loaded = loadModel(package, CompileFlags(), {});
  tenon_session_options options = {};
  options.threads = workers;
  Execution execution(loaded, function, inputs, options);
  execution.measure(kWarmups, 0);
  std::vector<uint64_t> times = execution.measure(kRuns, kSeconds);
  return {{"model", stem(model)},
          {"peer", "tenon"},
          {"threads", execution.session().stats().threads},
          {"p50_ms", static_cast<double>(median(times)) / 1e6},
          {"min_ms", static_cast<double>(*std::min_element(times.begin(), times.end())) / 1e6},
          {"load_ms", static_cast<double>(loaded.loadNs) / 1e6},
          {"compile_ms", nullptr},
          {"peak_mb", static_cast<double>(peakMemory()) / 1e6},
          {"size_mb", static_cast<double>(loaded.bytes()) / 1e6},
          {"max_rel_error", nullptr}};
}

/// Tenon alone. A model is compiled once, to a file, in a process of its own.
Json BenchCommand::measureHere() const {
  TemporaryFolder folder;
  std::string package = model;
  Json compileMs = nullptr;
  if (!isPackage(model)) {
    package = folder.path() + "/" + stem(model) + ".tenon";
    compileMs = inChild([&] {
      uint64_t start = now();
      CompilerLibrary::get().compile({parseModel(model)}, flags.options(inputs.shapes), package);
      return Json{{"ms", static_cast<double>(now() - start) / 1e6}};
    })["ms"];
  } else if (flags.any()) {
    failUsage("TN0002", "'" + model + "' is a package, which is compiled already; leave out --" +
                            flags.options({}).front().first);
  }
  Json rows = Json::array();
  Progress progress;
  for (uint32_t i = 0; i < threads.size(); ++i) {
    progress.show("measuring", i + 1, static_cast<uint32_t>(threads.size()));
    Json row = inChild([&] { return measurePackage(package, threads[i]); });
    row["compile_ms"] = compileMs;
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string cell(const Json &value) {
  if (value.is_null())
    return "-";
  return value.is_number() ? number(value.get<double>()) : value.get<std::string>();
}

std::string tableText(const Json &rows) {
  TextTable table({"model", "peer", "threads>", "p50 ms>", "min ms>", "load ms>", "compile ms>", "peak MB>",
                   "size MB>", "max rel error>"});
  for (const Json &row : rows) {
    std::vector<std::string> cells;
    for (const char *field : {"model", "peer", "threads", "p50_ms", "min_ms", "load_ms", "compile_ms",
                              "peak_mb", "size_mb", "max_rel_error"})
      cells.push_back(cell(row.at(field)));
    table.add(cells);
  }
  return table.text();
}

void BenchCommand::run() const {
  if (peers.empty()) {
    Json rows = measureHere();
    std::string table = tableText(rows);
    std::fputs(table.c_str(), stdout);
    if (!json.empty())
      writeFile(json, {rows.dump(1), "\n"});
    if (!html.empty())
      writeFile(html, {"<!doctype html><html lang='en'><meta charset='utf-8'><title>tenon bench</title><pre>",
                       table, "</pre></html>\n"});
    return;
  }
  checkEngines(peers);
  if (isPackage(model))
    failInput("TN0511", "--vs needs the model, which the other engines read; '" + model + "' is a package");
  if (flags.any() || !function.empty())
    failUsage("TN0002", "--vs compares models compiled with the defaults; leave out --" +
                            (function.empty() ? flags.options({}).front().first : "function"));
  LoadedModel loaded = loadModel(model, flags, inputs.shapes, LoadMode::Inspect);
  std::vector<Signature> signatures;
  for (uint32_t i = 0; i < loaded.package.inputCount(0); ++i)
    signatures.push_back(inputSignature(loaded.package, 0, i));
  runPeers(parseModel(model).path, signatures, inputs, threads, peers, json, html);
}

} // namespace

void addBench(CLI::App &app) {
  auto command = std::make_shared<BenchCommand>();
  CLI::App *sub = app.add_subcommand("bench", "measure latency, memory, load and compile time");
  sub->add_option("PKG|MODEL", command->model, "a .tenon package or an .onnx model")->required();
  sub->add_option("--function", command->function, "which function of the package; default: main")
      ->type_name("F");
  command->inputs.add(*sub);
  sub->add_option("--threads", command->threads, "numbers of workers")
      ->delimiter(',')
      ->type_name("N[,N..]")
      ->check(CLI::Range(0, 1024));
  sub->add_option("--vs", command->peers,
                  "engines to measure in turns with Tenon: onnxruntime, openvino, "
                  "openvino_dynamic, litert, mnn")
      ->delimiter(',')
      ->type_name("PEER[,PEER..]");
  sub->add_option("--json", command->json, "write the rows")->type_name("FILE");
  sub->add_option("--html", command->html, "write a page")->type_name("FILE");
  command->flags.add(*sub);
  sub->footer("Examples:\n"
              "  tenon bench model.tenon --shape x=1x3x224x224 --threads 1,2\n"
              "  tenon bench model.onnx --vs onnxruntime,openvino,mnn --json rows.json");
  sub->callback([command] { command->run(); });
}

} // namespace tenon::command
