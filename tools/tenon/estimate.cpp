// tenon estimate: the analytic tier for a list of layers.

#include "tools/tenon/Commands.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/Files.h"
#include "tools/tenon/ModelLayers.h"
#include "tools/tenon/TextTable.h"

#include "sim/Machine.h"
#include "sim/analytic/Estimate.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace tenon::command {

namespace {

using Json = nlohmann::ordered_json;

struct EstimateCommand {
  std::string layers, hardware = "edge-512k", json, program, type = "i8";
  std::vector<std::string> shapes;
  bool check = false;

  void run() const;
  std::vector<CountedLayer> readLayers() const;
  void writeProgram(const std::vector<CountedLayer> &list, const mortise::Hardware &machine) const;
  Json rowOf(const CountedLayer &counted, const mortise::Hardware &machine) const;
  Json reportOf(const std::vector<CountedLayer> &list, const mortise::Hardware &machine) const;
};

std::string fixed(double value, int digits) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::vector<CountedLayer> EstimateCommand::readLayers() const {
  if (layers.ends_with(".onnx"))
    return layersOfModel(layers, shapes, mortise::Type(*mortise::findType(type)));
  std::vector<uint8_t> bytes = readFile(layers);
  std::string_view text(reinterpret_cast<const char *>(bytes.data()), bytes.size());
  std::vector<CountedLayer> list;
  for (sim::Layer &layer : sim::parseLayers(text, layers))
    list.push_back({std::move(layer), 1});
  return list;
}

void EstimateCommand::writeProgram(const std::vector<CountedLayer> &list,
                                   const mortise::Hardware &machine) const {
  std::vector<sim::Layer> all;
  for (const CountedLayer &counted : list)
    all.insert(all.end(), size_t(counted.count), counted.layer);
  std::vector<uint8_t> binary = mortise::writeBinary(sim::networkProgram(all, machine));
  writeFile(program, {{reinterpret_cast<const char *>(binary.data()), binary.size()}});
}

Json EstimateCommand::rowOf(const CountedLayer &counted, const mortise::Hardware &machine) const {
  sim::Estimate estimate = sim::estimateLayer(counted.layer, machine);
  auto times = double(counted.count);
  double cycles = estimate.cycles * times;
  Json row{{"layer", counted.layer.name},
           {"count", counted.count},
           {"cycles", std::llround(cycles)},
           {"milliseconds", cycles / (machine.megahertz * 1e3)},
           {"macs", estimate.macs * times},
           {"utilization", estimate.macs / (estimate.cycles * machine.peakMacs())},
           {"limit", estimate.limit()},
           {"dram_bytes", (estimate.dramRead + estimate.dramWrite) * times},
           {"l2_bytes", (estimate.l2Read + estimate.l2Write) * times},
           {"energy_pj", estimate.picojoules * times}};
  if (!check)
    return row;
  sim::Options options;
  options.functional = options.hazards = false;
  mortise::Program program = sim::layerProgram(counted.layer, machine);
  sim::Statistics measured = sim::Machine(machine, program, options).run();
  row["cycle_tier"] = measured.cycles * uint64_t(counted.count);
  row["error"] = estimate.cycles / double(measured.cycles) - 1;
  row["energy_error"] = estimate.picojoules / measured.totalPicojoules() - 1;
  return row;
}

Json EstimateCommand::reportOf(const std::vector<CountedLayer> &list,
                               const mortise::Hardware &machine) const {
  Json report{{"hardware", machine.name}, {"layers", Json::array()}};
  double cycles = 0, energy = 0, measured = 0;
  std::chrono::duration<double> spent{};
  for (const CountedLayer &counted : list) {
    auto begin = std::chrono::steady_clock::now();
    sim::estimateLayer(counted.layer, machine);
    spent += std::chrono::steady_clock::now() - begin;
    Json row = rowOf(counted, machine);
    cycles += row["cycles"].get<double>();
    energy += row["energy_pj"].get<double>();
    measured += row.value("cycle_tier", 0.0);
    report["layers"].push_back(std::move(row));
  }
  report["cycles"] = std::llround(cycles);
  report["milliseconds"] = cycles / (machine.megahertz * 1e3);
  report["energy_pj"] = energy;
  report["seconds_spent"] = spent.count();
  report["calibration"] = {{"median", sim::kMedianError}, {"percentile_95", sim::kPercentile95Error}};
  if (check)
    report["error"] = cycles / measured - 1;
  return report;
}

void print(const Json &report, bool check) {
  std::vector<std::string> header = {"layer",          "times>", "cycles>",  "ms>",
                                     "useful MACs %>", "limit",  "DRAM KB>", "uJ>"};
  if (check)
    header.insert(header.end(), {"cycle tier>", "error %>", "energy error %>"});
  TextTable table(header);
  for (const Json &row : report["layers"]) {
    std::vector<std::string> cells = {row["layer"].get<std::string>(),
                                      row["count"].dump(),
                                      row["cycles"].dump(),
                                      fixed(row["milliseconds"].get<double>(), 4),
                                      fixed(100 * row["utilization"].get<double>(), 1),
                                      row["limit"].get<std::string>(),
                                      fixed(row["dram_bytes"].get<double>() / 1024, 0),
                                      fixed(row["energy_pj"].get<double>() * 1e-6, 1)};
    if (check) {
      cells.push_back(fixed(row["cycle_tier"].get<double>(), 0));
      cells.push_back(fixed(100 * row["error"].get<double>(), 1));
      cells.push_back(fixed(100 * row["energy_error"].get<double>(), 1));
    }
    table.add(cells);
  }
  std::printf("%s", table.text().c_str());
  std::printf("total: %s cycles, %s ms, %s uJ\n", report["cycles"].dump().c_str(),
              fixed(report["milliseconds"].get<double>(), 4).c_str(),
              fixed(report["energy_pj"].get<double>() * 1e-6, 1).c_str());
  if (check)
    std::printf("error against the cycle tier: total %s %%\n",
                fixed(100 * report["error"].get<double>(), 2).c_str());
  else
    std::printf("error against the cycle tier: median below %.0f %%, 95th percentile below %.0f %% over "
                "random layers "
                "and machines; --check measures it for these\n",
                100 * sim::kMedianError, 100 * sim::kPercentile95Error);
}

void EstimateCommand::run() const {
  try {
    mortise::Hardware machine = mortise::loadHardware(hardware);
    std::vector<CountedLayer> list = readLayers();
    if (!program.empty())
      writeProgram(list, machine);
    Json report = reportOf(list, machine);
    print(report, check);
    if (!json.empty())
      writeFile(json, {report.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"});
  } catch (const mortise::Error &error) {
    failInput(error.code().c_str(), error.message());
  }
}

} // namespace

void addEstimate(CLI::App &app) {
  auto command = std::make_shared<EstimateCommand>();
  CLI::App *sub =
      app.add_subcommand("estimate", "estimate layers on a Mortise machine without simulating them");
  sub->add_option("layers", command->layers,
                  "an .onnx model, or lines of name,kind,h,w,cin,cout,r,s,stride[,type]; kind is gemm, conv, "
                  "depthwise, attention")
      ->type_name("MODEL|LAYERS.csv")
      ->required();
  sub->add_option("--hw", command->hardware, "the machine")->type_name("PRESET|FILE.yaml");
  sub->add_option("--shape", command->shapes, "sizes of a model's input")
      ->type_name("NAME=1x3x224x224")
      ->allow_extra_args(false);
  sub->add_option("--type", command->type, "type of a model's products and convolutions on the array")
      ->check(CLI::IsMember({"i8", "bf16", "f16"}));
  sub->add_flag("--check", command->check, "simulate each layer, too, and print the error");
  sub->add_option("--program", command->program, "write the program of all layers, for `tenon sim`")
      ->type_name("FILE.bin");
  sub->add_option("--json", command->json, "write the report")->type_name("FILE");
  sub->footer(
      "Of a model, matrix products and convolutions are estimated, one after the other. In a list, sizes h, "
      "w "
      "are of the\npadded input; for gemm, h, cin and cout are m, k and n; for attention, h, w and cin are "
      "sequence, heads and depth.\n"
      "Examples:\n"
      "  tenon estimate model.onnx --shape x=1x3x224x224 --hw nvdla\n"
      "  tenon estimate layers.csv --hw my-machine.yaml --check --json report.json");
  sub->callback([command] { command->run(); });
}

} // namespace tenon::command
