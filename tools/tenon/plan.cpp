// tenon plan: offsets for a list of buffers in one memory.

#include "tools/tenon/BufferList.h"
#include "tools/tenon/Commands.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/Files.h"
#include "tools/tenon/Progress.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace tenon::command {

namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

struct PlanCommand {
  std::string input, output, json;
  std::optional<int64_t> capacity;
  double seconds = 20;

  void run() const;
  offsets::Assignment plan(const BufferList &list) const;
  void requireFit(const BufferList &list, const offsets::Assignment &plan) const;
};

std::string digits(double value, int places) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*f", places, value);
  return text;
}

double ratio(const offsets::Assignment &plan) {
  return plan.lowerBound > 0 ? double(plan.peak) / double(plan.lowerBound) : 1;
}

offsets::Assignment PlanCommand::plan(const BufferList &list) const {
  Progress progress;
  Clock::time_point shown;
  offsets::Options options;
  options.capacity = capacity;
  options.seconds = seconds;
  options.progress = [&](int64_t peak, int64_t target) {
    // Ten times in a second are enough for a reader.
    if (Clock::now() - shown < std::chrono::milliseconds(100))
      return;
    shown = Clock::now();
    progress.show(("peak " + std::to_string(peak) + ", trying " + std::to_string(target)).c_str(), 0, 0);
  };
  return offsets::assignOffsets(list.buffers, options);
}

/// TN1302 where the plan is beyond the capacity.
void PlanCommand::requireFit(const BufferList &list, const offsets::Assignment &plan) const {
  if (!capacity || plan.peak <= *capacity)
    return;
  std::string message = "'" + input + "' does not fit a capacity of " + std::to_string(*capacity) +
                        " bytes; the best placement found ends at " + std::to_string(plan.peak);
  if (plan.lowerBound <= *capacity)
    failInput("TN1302", message + ", and none can below " + std::to_string(plan.lowerBound) +
                            "; try a larger --seconds than " + digits(seconds, 1) + " or --capacity");
  constexpr size_t most = 12;
  std::string names;
  for (size_t i = 0; i < plan.atBound.size() && i < most; ++i)
    names += (i ? ", " : "") + list.ids[plan.atBound[i]];
  if (plan.atBound.size() > most)
    names += ", and " + std::to_string(plan.atBound.size() - most) + " more";
  failInput("TN1302", message + ", and none can below " + std::to_string(plan.lowerBound) +
                          "; most bytes are alive with " + std::to_string(plan.atBound.size()) +
                          " buffers: " + names + "; spill some of them or raise --capacity");
}

Json reportOf(const BufferList &list, const offsets::Assignment &plan, double spent) {
  Json report{{"buffers", list.buffers.size()},
              {"peak", plan.peak},
              {"lower_bound", plan.lowerBound},
              {"ratio", ratio(plan)},
              {"optimal", plan.optimal()},
              {"first_fit_by_size", plan.firstFitPeak},
              {"steps", plan.steps},
              {"seconds", spent},
              {"at_bound", Json::array()},
              {"placements", Json::array()}};
  for (size_t i : plan.atBound)
    report["at_bound"].push_back(list.ids[i]);
  for (size_t i = 0; i < list.buffers.size(); ++i)
    report["placements"].push_back({{"id", list.ids[i]}, {"offset", plan.offsets[i]}});
  return report;
}

std::string summary(const BufferList &list, const offsets::Assignment &plan, double spent) {
  std::string text = std::to_string(list.buffers.size()) + " buffers, peak " + std::to_string(plan.peak) +
                     " bytes, lower bound " + std::to_string(plan.lowerBound);
  text += plan.optimal() ? ": optimal" : ": " + digits(ratio(plan), 3) + " of it";
  return text + "\nfirst fit by size: " + std::to_string(plan.firstFitPeak) + "; " +
         std::to_string(plan.steps) + " steps of search, " + digits(spent, 2) + " s\n";
}

void PlanCommand::run() const {
  // Also refuses what is no number.
  if (!(seconds >= 0))
    failUsage("TN0002", "--seconds: a number from 0 on is expected, found " + digits(seconds, 3));
  std::vector<uint8_t> bytes = readFile(input);
  BufferList list = parseBuffers({reinterpret_cast<const char *>(bytes.data()), bytes.size()}, input);
  Clock::time_point begin = Clock::now();
  offsets::Assignment plan = this->plan(list);
  double spent = std::chrono::duration<double>(Clock::now() - begin).count();
  requireFit(list, plan);
  if (!output.empty() && output != "-")
    writeFile(output, {list.text(plan.offsets)});
  if (!json.empty())
    writeFile(json, {reportOf(list, plan, spent).dump(2, ' ', false, Json::error_handler_t::replace) + "\n"});
  // Standard output belongs to the list where it is written there.
  if (output == "-")
    std::fputs(list.text(plan.offsets).c_str(), stdout);
  std::fputs(summary(list, plan, spent).c_str(), output == "-" ? stderr : stdout);
}

} // namespace

void addPlan(CLI::App &app) {
  auto command = std::make_shared<PlanCommand>();
  CLI::App *sub = app.add_subcommand("plan", "place buffers of known sizes and lifetimes in one memory");
  sub->add_option("buffers", command->input,
                  "lines of id,lower,upper,size: alive from lower on, no more at upper; columns alignment "
                  "and offset (fixed) may follow")
      ->type_name("BUFFERS.csv")
      ->required();
  sub->add_option("--capacity", command->capacity, "bytes to fit in; stop as soon as a placement does")
      ->check(CLI::NonNegativeNumber);
  sub->add_option("--seconds", command->seconds, "search for at most this long; default 20")
      ->check(CLI::NonNegativeNumber);
  sub->add_option("-o", command->output, "write the list with a column of offsets; - is standard output")
      ->type_name("OUT.csv");
  sub->add_option("--json", command->json, "write peak, bound and offsets")->type_name("FILE");
  sub->footer(
      "Without --capacity the lowest peak is looked for, down to the most bytes that are alive at a time.\n"
      "Nothing is written, and the status is 1, where the buffers do not fit the capacity.\n"
      "Examples:\n"
      "  tenon plan buffers.csv\n"
      "  tenon plan buffers.csv --capacity 524288 --seconds 60 -o placed.csv");
  sub->callback([command] { command->run(); });
}

} // namespace tenon::command
