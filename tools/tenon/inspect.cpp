// tenon inspect: what was decided when a model was compiled. Runs nothing.

#include "tools/tenon/Commands.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/Files.h"
#include "tools/tenon/KernelListing.h"
#include "tools/tenon/LoadedModel.h"
#include "tools/tenon/PackageReport.h"
#include "tools/tenon/TextTable.h"

#include "package/memory.h"
#include "package/model.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstring>

namespace tenon::command {

namespace {

struct InspectCommand {
  std::string model, kernel;
  std::vector<std::string> shapes;
  CompileFlags flags;
  bool json = false, memory = false, ops = false;

  void run() const;
  void report(package::Bytes bytes) const;
  void printKernel(const PackageReport &report) const;
};

std::string joined(const Json &values, size_t limit = 100) {
  std::string text;
  for (const Json &value : values)
    text += (text.empty() ? "" : ", ") + (value.is_string() ? value.get<std::string>() : value.dump());
  return text.size() > limit ? text.substr(0, limit - 3) + "..." : text;
}

/// "name (Op)" of each node.
std::string withOps(const Json &nodes, const Json &ops) {
  Json texts = Json::array();
  for (size_t i = 0; i < nodes.size(); ++i)
    texts.push_back(nodes[i].get<std::string>() + " (" + ops[i].get<std::string>() + ")");
  return joined(texts, 160);
}

std::string plain(const Json &value) {
  if (value.is_null())
    return "-";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string bytesOf(const Json &value) {
  return value.is_number() ? bytesText(value.get<double>()) : value.is_null() ? "unbounded" : plain(value);
}

std::string signature(const Json &tensors) {
  std::string text;
  for (const Json &tensor : tensors) {
    std::string shape;
    for (const Json &size : tensor["shape"])
      shape += (shape.empty() ? "" : " x ") + plain(size);
    text += "    " + plain(tensor["name"]) + ": " + plain(tensor["dtype"]) + "[" + shape + "]\n";
  }
  return text;
}

void printFunctions(const Json &report) {
  for (const Json &function : report["functions"]) {
    std::printf("function %s: %s commands, %s dispatches\n  inputs\n%s  outputs\n%s",
                plain(function["name"]).c_str(), plain(function["commands"]).c_str(),
                plain(function["dispatches"]).c_str(), signature(function["inputs"]).c_str(),
                signature(function["outputs"]).c_str());
    for (const Json &state : function["states"])
      std::printf("  state %s: was input %s and output %s\n", plain(state["state"]).c_str(),
                  plain(state["input"]).c_str(), plain(state["output"]).c_str());
  }
  TextTable table({"symbol", "function", "min>", "max>", "multiple of>"});
  for (const Json &symbol : report["symbols"])
    table.add({plain(symbol["name"]), plain(symbol["function"]), plain(symbol["min"]), plain(symbol["max"]),
               plain(symbol["multiple_of"])});
  if (!table.empty())
    std::printf("\n%s", table.text().c_str());
}

void printMemory(const Json &memory) {
  std::printf("\nmemory\n");
  for (const char *section : {"package", "weights", "code", "manifest", "debug"})
    std::printf("  %-9s %s\n", section, bytesOf(memory[section]).c_str());
  for (const Json &function : memory["functions"])
    std::printf("  function %s: arena at most %s, scratch of each worker at most %s\n",
                plain(function["function"]).c_str(), bytesOf(function["arena"]).c_str(),
                bytesOf(function["scratch_per_worker"]).c_str());
  for (const Json &state : memory["states"])
    std::printf("  state %s: %s\n", plain(state["name"]).c_str(), bytesOf(state["bytes"]).c_str());
}

void printKernels(const Json &kernels) {
  TextTable table({"kernel", "family", "dispatches>", "isas", "schedule", "nodes"});
  for (const Json &kernel : kernels)
    table.add({plain(kernel["name"]), plain(kernel["family"]), plain(kernel["dispatches"]),
               kernel["isas"].empty() ? plain(kernel["device"]) : joined(kernel["isas"]),
               plain(kernel["schedule"]), joined(kernel["nodes"])});
  std::printf("\n%s", table.text().c_str());
}

void printDevices(const Json &summary) {
  for (const Json &device : summary["devices"])
    std::printf("\ndevice %s: %s programs, %s, %zu nodes; %zu nodes stay on the CPU\n",
                plain(device["name"]).c_str(), plain(device["programs"]).c_str(),
                bytesOf(device["bytes"]).c_str(),
                summary["nodes_on"].value(device["name"].get<std::string>(), Json::array()).size(),
                summary["nodes_on"]["cpu"].size());
}

/// Expressions over open sizes can be long; the JSON has them whole.
std::string shortened(const Json &value) {
  std::string text = plain(value);
  constexpr size_t limit = 24;
  return text.size() > limit ? text.substr(0, limit - 3) + "..." : text;
}

void printOps(const Json &ops) {
  TextTable table({"function", "command>", "kind", "grid>", "flop>", "bytes>", "predicted ns>", "limit",
                   "kernel", "schedule", "nodes"});
  for (const Json &op : ops)
    table.add({plain(op["function"]), plain(op["command"]), plain(op["kind"]), shortened(op["grid"]),
               shortened(op["flop"]), shortened(op["bytes"]), shortened(op["cost_ns"]), plain(op["limit"]),
               plain(op["kernel"]), plain(op["schedule"]), withOps(op["nodes"], op["ops"])});
  std::printf("\n%s", table.text().c_str());
}

void printBuffers(const Json &buffers) {
  TextTable table({"function", "buffer>", "region", "bytes", "conflicts>", "object"});
  for (const Json &buffer : buffers)
    table.add({plain(buffer["function"]), plain(buffer["buffer"]), plain(buffer["region"]),
               plain(buffer["bytes"]), plain(buffer["conflicts"]), plain(buffer["object"])});
  std::printf("\n%s", table.text().c_str());
}

void InspectCommand::printKernel(const PackageReport &report) const {
  uint32_t index = report.findKernel(kernel);
  if (index == package::kNone)
    failInput("TN0509", "there is no kernel '" + kernel + "'; `tenon inspect " + model + "` lists them");
  Json listing = kernelListing(report, index);
  if (json)
    std::printf("%s\n", listing.dump(2).c_str());
  else
    std::fputs(kernelText(listing).c_str(), stdout);
}

void require(const package::Status &status) {
  if (!status.ok())
    failRuntime(status.message());
}

void InspectCommand::report(package::Bytes bytes) const {
  package::Reader reader;
  const package::fb::Debug *debug = nullptr;
  require(package::Reader::open(bytes, package::systemAllocator(), reader));
  require(reader.debug(debug));
  PackageReport report(reader, debug);
  if (!kernel.empty())
    return printKernel(report);
  Json summary = report.summary();
  if (json) {
    if (ops)
      summary["ops"] = report.commands();
    if (memory)
      summary["memory"]["buffers"] = report.buffers();
    std::printf("%s\n", summary.dump(2).c_str());
    return;
  }
  std::printf("%s, from %s by %s\n", model.c_str(), plain(summary["source"]).c_str(),
              plain(summary["producer"]).c_str());
  printFunctions(summary);
  printMemory(summary["memory"]);
  if (memory)
    printBuffers(report.buffers());
  if (ops)
    printOps(report.commands());
  if (!ops && !memory)
    printKernels(summary["kernels"]);
  printDevices(summary);
}

/// Bytes at a multiple of 64, as the reader wants them.
class AlignedCopy {
public:
  AlignedCopy(const void *data, size_t size)
      : data_(std::aligned_alloc(4096, (size / 4096 + 1) * 4096)), size_(size) {
    if (!data_)
      failInput("TN0901", "not enough memory for the package");
    std::memcpy(data_, data, size);
  }
  ~AlignedCopy() { std::free(data_); }
  AlignedCopy(const AlignedCopy &) = delete;
  AlignedCopy &operator=(const AlignedCopy &) = delete;
  package::Bytes bytes() const { return {static_cast<const uint8_t *>(data_), size_}; }

private:
  void *data_;
  size_t size_;
};

void InspectCommand::run() const {
  if (isPackage(model)) {
    if (flags.any() || !shapes.empty())
      failUsage("TN0002",
                "'" + model + "' is a package, which is compiled already; leave out the flags of compile");
    std::vector<uint8_t> file = readFile(model);
    return report(AlignedCopy(file.data(), file.size()).bytes());
  }
  CompilerResult compiled = CompilerLibrary::get().compile({parseModel(model)}, flags.options(shapes), "");
  auto [bytes, size] = compiled.package();
  report(AlignedCopy(bytes, size).bytes());
}

} // namespace

void addInspect(CLI::App &app) {
  auto command = std::make_shared<InspectCommand>();
  CLI::App *sub = app.add_subcommand("inspect", "show what was decided and predicted; runs nothing");
  sub->add_option("PKG|MODEL", command->model, "a .tenon package or an .onnx model")->required();
  sub->add_flag("--json", command->json, "print JSON");
  sub->add_option("--asm", command->kernel, "a kernel's machine code, with the nodes that it comes from")
      ->type_name("KERNEL");
  sub->add_flag("--memory", command->memory, "list the buffers");
  sub->add_flag("--ops", command->ops, "list the commands of the plan");
  sub->add_option("--shape", command->shapes, "fix sizes of a model's input; ? keeps one dynamic")
      ->type_name("NAME=1x3x?x?")
      ->allow_extra_args(false);
  command->flags.add(*sub);
  sub->footer("Examples:\n"
              "  tenon inspect model.tenon\n"
              "  tenon inspect model.tenon --ops --json\n"
              "  tenon inspect model.tenon --asm tn_0_contraction");
  sub->callback([command] { command->run(); });
}

} // namespace tenon::command
