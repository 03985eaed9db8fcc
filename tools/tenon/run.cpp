// tenon run: one run of a function on given or made-up inputs, with statistics.

#include "tools/tenon/Commands.h"
#include "tools/tenon/Execution.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/Files.h"
#include "tools/tenon/Npy.h"
#include "tools/tenon/TextTable.h"

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

namespace tenon::command {

namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kSteadyRuns = 5;

struct Result {
  std::string name;
  tenon_dtype dtype;
  std::vector<int64_t> shape;
  const void *data;
  uint64_t bytes;
};

struct RunCommand {
  std::string model, function, outputFolder, stats;
  uint32_t threads = 0;
  InputFlags inputs;
  CompileFlags flags;

  void run() const;
  void runReference() const;
  void deliver(const std::vector<Result> &results) const;
  Json measure(LoadedModel &loaded, Execution &execution, uint64_t firstNs) const;
};

/// Names of tensors may contain slashes, which are no part of a file's name.
std::string fileName(const std::string &name) {
  std::string result = name.empty() ? "output" : name;
  for (char &c : result)
    if (c == '/' || c == '\\' || c == '\0')
      c = '_';
  return result;
}

std::string range(const Result &result, int64_t elements) {
  double low = INFINITY, high = -INFINITY, sum = 0;
  int64_t counted = 0;
  for (int64_t i = 0; i < elements; ++i) {
    double value = elementAt(result.dtype, result.data, i);
    if (std::isnan(value))
      continue;
    low = std::min(low, value), high = std::max(high, value), sum += value, ++counted;
  }
  if (counted == 0)
    return elements == 0 ? "empty" : "all NaN";
  char text[128];
  std::snprintf(text, sizeof text, "min %.6g  max %.6g  mean %.6g", low, high,
                sum / static_cast<double>(counted));
  return counted == elements ? text : std::string(text) + "  NaN " + std::to_string(elements - counted);
}

void RunCommand::deliver(const std::vector<Result> &results) const {
  TextTable table({"output", "type", "values"});
  std::set<std::string> files;
  for (const Result &result : results) {
    int64_t elements = 0;
    if (!elementCount(result.dtype, result.shape, elements))
      throw Failure(ExitStatus::Defect, "TN0599", "output '" + result.name + "' has an impossible shape");
    table.add({result.name, describe(result.dtype, result.shape.data(), result.shape.size()),
               range(result, elements)});
    if (outputFolder.empty())
      continue;
    makeFolder(outputFolder);
    std::string file = fileName(result.name);
    if (!files.insert(file).second)
      failInput("TN0504", "two outputs would be written to '" + outputFolder + "/" + file + ".npy'");
    writeNpy(outputFolder + "/" + file + ".npy", result.dtype, result.shape.data(), result.shape.size(),
             result.data, result.bytes);
  }
  std::fputs(table.text().c_str(), stdout);
}

/// Steady state is what repeated runs on the same sizes do, after the first.
Json RunCommand::measure(LoadedModel &loaded, Execution &execution, uint64_t firstNs) const {
  tenon_session_stats before = execution.session().stats();
  std::vector<uint64_t> times = execution.measure(kSteadyRuns, 0);
  tenon_session_stats after = execution.session().stats();
  Json json;
  json["allocations"] = after.allocations - before.allocations;
  json["locks"] = after.locks - before.locks;
  json["peak_rss"] = peakMemory();
  json["weights"] = tenon_package_weight_bytes(loaded.package.get());
  json["arena"] = after.arena_bytes;
  json["load_ns"] = loaded.loadNs;
  json["run_ns"] = median(times);
  json["first_run_ns"] = firstNs;
  json["compile_ns"] = loaded.compileNs;
  json["scratch"] = after.scratch_bytes;
  json["state"] = after.state_bytes;
  uint64_t given = 0;
  for (const HostTensor &input : execution.inputs())
    given += input.bytes();
  json["inputs"] = given;
  json["outputs"] = after.output_bytes;
  json["package"] = loaded.bytes();
  json["threads"] = after.threads;
  json["isa"] = loaded.package.isa();
  json["steady_runs"] = times.size();
  if (tenon_package_device_count(loaded.package.get())) {
    json["cycles"] = after.device_cycles;
    json["device_ms"] = static_cast<double>(after.device_ns) * 1e-6;
  }
  return json;
}

void RunCommand::run() const {
  if (flags.isReference())
    return runReference();
  LoadedModel loaded = loadModel(model, flags, inputs.shapes);
  tenon_session_options options = {};
  options.threads = threads;
  Execution execution(loaded, function, inputs, options);
  uint64_t firstNs = execution.run();
  std::vector<Result> results;
  for (uint32_t i = 0; i < execution.outputCount(); ++i) {
    tenon_tensor tensor = execution.output(i);
    results.push_back({execution.outputName(i),
                       tensor.dtype,
                       {tensor.shape, tensor.shape + tensor.rank},
                       tensor.data,
                       tensor.bytes});
  }
  deliver(results);
  if (!stats.empty())
    writeFile(stats, {measure(loaded, execution, firstNs).dump(2), "\n"});
}

std::vector<Signature> signaturesOf(const ModelArgument &argument,
                                    const std::vector<CompilerOption> &options) {
  CompilerResult checked = CompilerLibrary::get().check(argument, options);
  checked.check();
  Json report = Json::parse(checked.text());
  if (!report.contains("inputs"))
    failInput("TN0511",
              "'" + argument.path + "' cannot be evaluated; `tenon check` says which nodes are in the way");
  std::vector<Signature> result;
  for (const Json &input : report["inputs"]) {
    Signature signature{input.at("name"), TENON_F32, {}, {}};
    std::string dtype = input.at("dtype");
    for (int i = TENON_F32; i <= TENON_U4; ++i)
      if (dtype == tenon_dtype_name(static_cast<tenon_dtype>(i)))
        signature.dtype = static_cast<tenon_dtype>(i);
    for (const Json &dim : input.at("shape")) {
      signature.dims.push_back(dim.is_number() ? dim.get<int64_t>() : -1);
      signature.symbols.push_back(dim.is_number() ? "" : dim.get<std::string>());
    }
    result.push_back(std::move(signature));
  }
  return result;
}

void RunCommand::runReference() const {
  if (isPackage(model))
    failUsage("TN0002", "--target reference evaluates a model, but '" + model + "' is a package");
  if (!stats.empty())
    failUsage("TN0002", "--stats counts what compiled code does; leave it out with --target reference");
  ModelArgument argument = parseModel(model);
  std::vector<CompilerOption> options = flags.options(inputs.shapes);
  std::vector<Signature> signatures = signaturesOf(argument, options);
  std::vector<HostTensor> tensors = makeInputs(signatures, inputs);
  std::vector<tenon_compiler_tensor> bound;
  for (size_t i = 0; i < tensors.size(); ++i)
    bound.push_back({signatures[i].name.c_str(), static_cast<int32_t>(tensors[i].dtype),
                     static_cast<uint32_t>(tensors[i].shape.size()), tensors[i].shape.data(),
                     tensors[i].data()});
  CompilerResult result = CompilerLibrary::get().interpret(argument, options, bound);
  std::vector<Result> results;
  for (size_t i = 0; i < result.outputCount(); ++i) {
    tenon_compiler_tensor tensor = result.output(i);
    tenon_dtype dtype = static_cast<tenon_dtype>(tensor.dtype);
    std::vector<int64_t> shape(tensor.dims, tensor.dims + tensor.rank);
    int64_t elements = 0;
    if (!elementCount(dtype, shape, elements))
      throw Failure(ExitStatus::Defect, "TN0599", "the interpreter returned an impossible shape");
    results.push_back({tensor.name, dtype, shape, tensor.data,
                       (static_cast<uint64_t>(elements) * tenon_dtype_bits(dtype) + 7) / 8});
  }
  deliver(results);
}

} // namespace

void addRun(CLI::App &app) {
  auto command = std::make_shared<RunCommand>();
  CLI::App *sub = app.add_subcommand("run", "run a package, or a model that is compiled first");
  sub->add_option("PKG|MODEL", command->model, "a .tenon package or an .onnx model")->required();
  sub->add_option("--function", command->function, "which function of the package; default: main")
      ->type_name("F");
  command->inputs.add(*sub);
  sub->add_option("--output-dir", command->outputFolder, "write each output to DIR/<output>.npy")
      ->type_name("DIR");
  addThreadsFlag(*sub, command->threads);
  sub->add_option("--stats", command->stats, "write allocations, locks, memory and times")
      ->type_name("FILE.json");
  command->flags.add(*sub);
  sub->footer("Examples:\n"
              "  tenon run model.tenon --input x=x.npy --output-dir out\n"
              "  tenon run model.onnx --shape x=1x3x224x224 --threads 2 --stats stats.json\n"
              "  tenon run model.onnx --target reference --input x=random:7");
  sub->callback([command] { command->run(); });
}

} // namespace tenon::command
