// tenon sim: runs a program on a simulated Mortise machine, or prints the timing law of a systolic array.

#include "tools/tenon/Commands.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/Files.h"
#include "tools/tenon/Npy.h"
#include "tools/tenon/SystolicReport.h"
#include "tools/tenon/TextTable.h"

#include "sim/Debugger.h"
#include "sim/Machine.h"
#include "sim/report/Report.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iostream>

namespace tenon::command {

namespace {

using mortise::Role;

struct SimCommand {
  std::string input, hardware = "edge-512k", outputFolder, json, trace, html, picture;
  std::vector<std::string> inputs, parameters;
  bool timingOnly = false, debug = false, noHazards = false, fields = false, printHardware = false;
  uint64_t maxCycles = uint64_t(1) << 42;
  SystolicFlags systolic;

  void run() const;
  void simulate() const;
  void bindInputs(sim::Machine &machine, const mortise::Program &program) const;
  void setParameters(sim::Machine &machine) const;
  void writeOutputs(sim::Machine &machine, const mortise::Program &program) const;
  void writeReports(const sim::Statistics &statistics, const mortise::Hardware &description,
                    const mortise::Program &program, double seconds) const;
};

tenon_dtype dtypeOf(mortise::Type type) {
  constexpr tenon_dtype types[] = {TENON_I8,   TENON_U8,  TENON_I4,  TENON_I16,
                                   TENON_BF16, TENON_F16, TENON_I32, TENON_F32};
  return types[size_t(type)];
}

std::pair<std::string, std::string> splitted(const std::string &text, const char *flag) {
  size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    failUsage("TN0002", std::string(flag) + ": expected NAME=VALUE, found '" + text + "'");
  return {text.substr(0, equals), text.substr(equals + 1)};
}

[[noreturn]] void refuseInput(const mortise::Tensor &tensor, const std::string &path,
                              const HostTensor &value) {
  std::string message = "input '" + tensor.name + "' is ";
  message += describe(dtypeOf(tensor.type), tensor.shape.data(), tensor.shape.size());
  message += ", '" + path + "' holds ";
  failInput("TN1209", message + describe(value.dtype, value.shape.data(), value.shape.size()));
}

void SimCommand::bindInputs(sim::Machine &machine, const mortise::Program &program) const {
  for (const std::string &given : inputs) {
    auto [name, path] = splitted(given, "--in");
    const mortise::Tensor *tensor = program.findTensor(name);
    if (!tensor || tensor->role != Role::Input)
      failInput("TN1209", "the program has no input '" + name + "'");
    HostTensor value = readNpy(path, dtypeOf(tensor->type));
    if (value.dtype != dtypeOf(tensor->type) || value.shape != tensor->shape)
      refuseInput(*tensor, path, value);
    std::memcpy(machine.tensor(name).data(), value.data(), std::min(value.bytes(), tensor->bytes()));
  }
}

void SimCommand::setParameters(sim::Machine &machine) const {
  for (const std::string &given : parameters) {
    auto [name, text] = splitted(given, "--param");
    char *end = nullptr;
    int64_t value = std::strtoll(text.c_str(), &end, 0);
    if (text.empty() || *end)
      failUsage("TN0002", "--param: expected a whole number, found '" + text + "'");
    machine.setParameter(name, value);
  }
}

void SimCommand::writeOutputs(sim::Machine &machine, const mortise::Program &program) const {
  makeFolder(outputFolder);
  for (const mortise::Tensor &tensor : program.tensors) {
    if (tensor.role != Role::Output)
      continue;
    std::span<uint8_t> bytes = machine.tensor(tensor.name);
    if (tensor.type == mortise::Type::I4)
      failInput("TN1211", "output '" + tensor.name + "' is of type i4, which cannot be written to .npy");
    writeNpy(outputFolder + "/" + tensor.name + ".npy", dtypeOf(tensor.type), tensor.shape.data(),
             tensor.shape.size(), bytes.data(), bytes.size());
  }
}

void printSummary(const sim::Json &report) {
  std::printf("%s: %s cycles, %.4f ms, %.3f uJ\n", report["hardware"].get<std::string>().c_str(),
              report["cycles"].dump().c_str(), report["milliseconds"].get<double>(),
              report["energy_total_pj"].get<double>() * 1e-6);
  double cycles = std::max(1.0, report["cycles"].get<double>());
  TextTable table({"engine", "busy %>", "idle %>", "stalls"});
  auto percent = [&](double part) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", 100 * part / cycles);
    return std::string(text);
  };
  for (const auto &[name, engine] : report["engines"].items()) {
    std::string stalls;
    for (const auto &[reason, count] : engine["stall"].items())
      stalls += (stalls.empty() ? "" : ", ") + reason + " " + percent(count.get<double>()) + " %";
    table.add({name, percent(engine["busy"].get<double>()), percent(engine["idle"].get<double>()), stalls});
  }
  std::printf("%s", table.text().c_str());
  const sim::Json &use = report["utilization"], &limit = report["limit"];
  std::printf("array active %.1f %%, useful MACs %.1f %%; DRAM %.0f KB read, %.0f KB written; fullest: %s "
              "(%.1f %%)\n",
              100 * use["array_active"].get<double>(), 100 * use["useful_mac"].get<double>(),
              report["traffic"]["dram"]["read"].get<double>() / 1024,
              report["traffic"]["dram"]["write"].get<double>() / 1024,
              limit["resource"].get<std::string>().c_str(),
              100 * limit["shares"][limit["resource"].get<std::string>()].get<double>());
  std::printf("energy with DRAM at half the figure %.3f uJ, at twice %.3f uJ\n",
              report["energy_sensitivity_pj"]["dram_half"].get<double>() * 1e-6,
              report["energy_sensitivity_pj"]["dram_twice"].get<double>() * 1e-6);
  std::printf("simulated %.1f million cycles a second\n",
              report["simulation"]["million_cycles_per_second"].get<double>());
}

void SimCommand::writeReports(const sim::Statistics &statistics, const mortise::Hardware &description,
                              const mortise::Program &program, double seconds) const {
  sim::Json report = sim::toJson(statistics, description);
  report["simulation"] = {
      {"seconds", seconds},
      {"million_cycles_per_second", double(statistics.cycles) / std::max(seconds, 1e-9) * 1e-6}};
  printSummary(report);
  if (!json.empty())
    writeFile(json, {report.dump(2, ' ', false, sim::Json::error_handler_t::replace) + "\n"});
  if (!trace.empty())
    writeFile(trace, {sim::toTrace(statistics, program)});
  if (!html.empty())
    writeFile(html, {sim::toHtml(report, sim::toTimeline(statistics, input), input)});
  if (!picture.empty())
    writeFile(picture, {sim::toTimeline(statistics, std::filesystem::path(input).stem().string())});
}

void SimCommand::simulate() const {
  mortise::Hardware description = mortise::loadHardware(hardware);
  mortise::Program program = mortise::readBinary(readFile(input));
  sim::Options options;
  options.functional = !timingOnly;
  options.hazards = !noHazards;
  options.trace = !trace.empty() || !html.empty() || !picture.empty();
  options.occupancy = !json.empty() || !html.empty() || !trace.empty();
  options.maxCycles = maxCycles;
  sim::Machine machine(description, program, options);
  if (!timingOnly)
    bindInputs(machine, program);
  setParameters(machine);
  std::unique_ptr<sim::Debugger> debugger;
  if (debug) {
    debugger = std::make_unique<sim::Debugger>(machine, program, std::cin, std::cout);
    machine.observe(debugger.get());
  }
  auto begin = std::chrono::steady_clock::now();
  sim::Statistics statistics = machine.run();
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  if (!outputFolder.empty() && !timingOnly)
    writeOutputs(machine, program);
  writeReports(statistics, description, program, seconds.count());
}

void SimCommand::run() const {
  try {
    if (fields) {
      std::fputs(mortise::hardwareReference().c_str(), stdout);
    } else if (printHardware) {
      std::fputs(mortise::toYaml(mortise::loadHardware(hardware)).c_str(), stdout);
    } else if (!systolic.gemm.empty()) {
      printSystolic(systolic, json);
    } else if (input.empty()) {
      failUsage("TN0001", "a program or --gemm is needed; see tenon sim --help");
    } else {
      simulate();
    }
  } catch (const mortise::Error &error) {
    bool found = error.code() >= "TN1201" && error.code() <= "TN1204";
    throw Failure(found ? ExitStatus::Hazard : ExitStatus::BadInput, error.code(), error.message());
  }
}

} // namespace

void addSim(CLI::App &app) {
  auto command = std::make_shared<SimCommand>();
  CLI::App *sub = app.add_subcommand("sim", "run a program on a simulated Mortise machine");
  sub->add_option("file", command->input, "a binary of `tenon asm`")->type_name("FILE.bin");
  sub->add_option("--hw", command->hardware, "the machine")->type_name("PRESET|FILE.yaml");
  sub->add_option("--in", command->inputs, "contents of an input")
      ->type_name("NAME=FILE.npy")
      ->allow_extra_args(false);
  sub->add_option("--param", command->parameters, "value of a parameter")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  sub->add_option("--out-dir", command->outputFolder, "write the outputs there")->type_name("DIR");
  sub->add_flag("--timing-only", command->timingOnly, "do not compute data");
  sub->add_flag("--no-hazards", command->noHazards, "do not look for races");
  sub->add_option("--max-cycles", command->maxCycles, "give up after so many cycles")->type_name("N");
  sub->add_option("--json", command->json, "write the report")->type_name("FILE");
  sub->add_option("--trace", command->trace, "write a trace for ui.perfetto.dev")->type_name("FILE.perfetto");
  sub->add_option("--html", command->html, "write a page with waterfall, roofline, occupancy, energy")
      ->type_name("FILE");
  sub->add_option("--picture", command->picture, "write what each engine does over time, as a picture")
      ->type_name("FILE.svg");
  sub->add_flag("--debug", command->debug, "stop before the first instruction and read debugger commands");
  sub->add_flag("--fields", command->fields, "print the fields of hardware descriptions");
  sub->add_flag("--print-hw", command->printHardware, "print the machine with every field resolved");
  addSystolicFlags(*sub, command->systolic);
  sub->footer(
      "Examples:\n"
      "  tenon sim gemm.bin --in a=a.npy --in b=b.npy --in bias=bias.npy --in scale=scale.npy --out-dir out\n"
      "  tenon sim gemm.bin --timing-only --hw tpuv1 --json report.json --trace gemm.perfetto\n"
      "  tenon sim --gemm 256,128,256 --array 32x32 --dataflow ws\n"
      "Exit status 4: a hazard or deadlock was found.");
  sub->callback([command] { command->run(); });
}

} // namespace tenon::command
