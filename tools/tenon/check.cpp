// tenon check: which nodes of a model can be compiled, before any compile.

#include "tools/tenon/Commands.h"
#include "tools/tenon/CompileFlags.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/LoadedModel.h"
#include "tools/tenon/TextTable.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace tenon::command {

namespace {

using Json = nlohmann::ordered_json;

struct CheckCommand {
  std::string model;
  std::vector<std::string> shapes;
  CompileFlags flags;
  bool json = false;

  void run() const;
};

/// A cost: a number, a text over the symbols of the inputs, or "-".
std::string amount(const Json &row, const char *field) {
  constexpr size_t longest = 40; // wider columns would not fit beside each other; --json has all
  auto found = row.find(field);
  if (found == row.end() || found->is_null())
    return "-";
  if (!found->is_string())
    return number(found->get<double>());
  std::string text = found->get<std::string>();
  return text.size() <= longest ? text : text.substr(0, longest - 3) + "...";
}

/// Why a node cannot be compiled, or why it stays on the CPU where --target names a machine.
std::string reasonOf(const Json &row) {
  std::string text = row.value("reason", "");
  for (const Json &reason : row.value("stays", Json::array()))
    text += (text.empty() ? "" : "; ") + reason.get<std::string>();
  return text;
}

void printRows(const Json &rows) {
  bool places = !rows.empty() && rows[0].contains("device");
  std::vector<std::string> titles = {"node", "op", "supported", "flop>", "bytes>", "reason"};
  if (places)
    titles.insert(titles.begin() + 3, "on");
  TextTable table(titles);
  for (const Json &row : rows) {
    std::vector<std::string> cells = {
        row.value("node", ""), row.value("op", ""),  row.value("supported", false) ? "yes" : "no",
        amount(row, "flop"),   amount(row, "bytes"), reasonOf(row)};
    if (places)
      cells.insert(cells.begin() + 3, row["device"].is_string() ? row["device"].get<std::string>() : "-");
    table.add(std::move(cells));
  }
  std::fputs(table.text().c_str(), stdout);
}

/// {"flop": 2*batch, "bytes": 1024} of the whole model.
void printTotals(const Json &report) {
  if (report.contains("flop"))
    std::printf("\nall nodes: %s flop, %s bytes moved if every node ran by itself\n",
                amount(report, "flop").c_str(), amount(report, "bytes").c_str());
}

void CheckCommand::run() const {
  CompilerResult result = CompilerLibrary::get().check(parseModel(model), flags.options(shapes));
  Json report = Json::parse(result.text());
  const Json &rows = report.at("rows");
  size_t unsupported = 0;
  for (const Json &row : rows)
    unsupported += !row.value("supported", false);
  if (json) {
    std::printf("%s\n", report.dump(2).c_str());
  } else {
    printRows(rows);
    printTotals(report);
  }
  std::fflush(stdout);
  if (result.outcome() != TENON_COMPILER_OK)
    result.check();
  if (unsupported > 0)
    failInput("TN0512", std::to_string(unsupported) + " of " + std::to_string(rows.size()) +
                            " nodes cannot be compiled; the column `reason` says why");
}

} // namespace

void addCheck(CLI::App &app) {
  auto command = std::make_shared<CheckCommand>();
  CLI::App *sub = app.add_subcommand("check", "tell which nodes can be compiled, and what they cost");
  sub->add_option("MODEL", command->model, "an .onnx model")->required();
  sub->add_option("--shape", command->shapes, "sizes of an input; ? leaves one open")
      ->type_name("NAME=1x3x?x?")
      ->allow_extra_args(false);
  sub->add_flag("--json", command->json, "print JSON");
  command->flags.add(*sub);
  sub->footer(
      "Examples:\n"
      "  tenon check model.onnx\n"
      "  tenon check model.onnx --target x86-64-v3 --json\n"
      "  tenon check model.onnx --target mortise:edge-512k\n"
      "flop counts two for each multiplication and addition of a product, and one for each element of other\n"
      "arithmetic; bytes are those read from and written for other nodes. Kernels of several nodes move "
      "less.");
  sub->callback([command] { command->run(); });
}

} // namespace tenon::command
