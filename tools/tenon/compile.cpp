// tenon compile: models into one package.

#include "tools/tenon/Commands.h"
#include "tools/tenon/CompileFlags.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/Files.h"
#include "tools/tenon/LoadedModel.h"
#include "tools/tenon/TextTable.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <unistd.h>

namespace tenon::command {

namespace {

struct CompileCommand {
  std::vector<std::string> models;
  std::vector<std::string> shapes;
  std::string output;
  CompileFlags flags;

  void run() const;
  void printPhase(const std::vector<ModelArgument> &arguments) const;
};

void CompileCommand::printPhase(const std::vector<ModelArgument> &arguments) const {
  CompilerResult result = CompilerLibrary::get().compile(arguments, flags.options(shapes), "");
  std::string text = result.text();
  if (output.empty())
    std::fwrite(text.data(), 1, text.size(), stdout);
  else
    writeFile(output, {text});
}

void CompileCommand::run() const {
  std::vector<ModelArgument> arguments;
  for (const std::string &model : models)
    arguments.push_back(parseModel(model));
  if (flags.isReference())
    failUsage("TN0002", "--target reference makes no package; use it with `tenon run`");
  if (!flags.compileTo.empty())
    return printPhase(arguments);
  if (output.empty())
    failUsage("TN0001", "-o OUT.tenon is missing; see tenon compile --help");
  uint64_t start = now();
  CompilerLibrary::get().compile(arguments, flags.options(shapes), output);
  double seconds = static_cast<double>(now() - start) / 1e9;
  std::error_code ignored; // only for the report
  auto size = std::filesystem::file_size(output, ignored);
  if (::isatty(STDERR_FILENO) == 1)
    std::fprintf(stderr, "%s: %s in %s s\n", output.c_str(),
                 bytesText(ignored ? -1 : static_cast<double>(size)).c_str(), number(seconds).c_str());
}

} // namespace

void addCompile(CLI::App &app) {
  auto command = std::make_shared<CompileCommand>();
  CLI::App *sub = app.add_subcommand("compile", "compile models into one package");
  sub->add_option("MODEL", command->models, "an .onnx file, or several as NAME=FILE: each is a function")
      ->required();
  sub->add_option("-o,--output", command->output, "the package, or with --compile-to a text")
      ->type_name("OUT.tenon");
  sub->add_option("--shape", command->shapes, "fix sizes of an input; ? keeps one dynamic")
      ->type_name("NAME=1x3x?x?")
      ->allow_extra_args(false);
  command->flags.add(*sub);
  command->flags.addOutputFlags(*sub);
  sub->footer("Examples:\n"
              "  tenon compile model.onnx -o model.tenon --symbol batch=1:64\n"
              "  tenon compile prefill=p.onnx decode=d.onnx -o decoder.tenon --state past=present\n"
              "  tenon compile model.onnx -o model.tenon --target x86-64-v3,x86-64-v4");
  sub->callback([command] { command->run(); });
}

} // namespace tenon::command
