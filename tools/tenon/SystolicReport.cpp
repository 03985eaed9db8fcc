#include "tools/tenon/SystolicReport.h"

#include "tools/tenon/Failure.h"
#include "tools/tenon/Files.h"

#include "sim/Systolic.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace tenon::command {

namespace {

std::vector<int64_t> numbers(const std::string &text, char separator, size_t count, const char *flag) {
  std::vector<int64_t> result;
  for (size_t begin = 0; begin <= text.size();) {
    size_t end = std::min(text.find(separator, begin), text.size());
    std::string part = text.substr(begin, end - begin);
    if (part.empty() || part.size() > 9 || part.find_first_not_of("0123456789") != std::string::npos)
      break;
    result.push_back(std::stoll(part));
    begin = end + 1;
  }
  std::string form = count == 3 ? "M,N,K" : "RxC";
  if (result.size() != count || text.empty() || text.back() == separator)
    failUsage("TN0002", std::string(flag) + ": expected " + form + ", found '" + text + "'");
  return result;
}

} // namespace

void addSystolicFlags(CLI::App &sub, SystolicFlags &flags) {
  sub.add_option("--gemm", flags.gemm, "no program: the timing law for a product of matrices")
      ->type_name("M,N,K");
  sub.add_option("--array", flags.array, "rows and columns of the array")->type_name("RxC");
  sub.add_option("--dataflow", flags.dataflow, "what stays in the array")
      ->check(CLI::IsMember({"os", "ws", "is"}));
  sub.add_option("--sram-kb", flags.sramKilobytes, "size of each operand's buffer")
      ->type_name("N")
      ->check(CLI::Range(int64_t(0), int64_t(1) << 30));
}

void printSystolic(const SystolicFlags &flags, const std::string &json) {
  std::vector<int64_t> gemm = numbers(flags.gemm, ',', 3, "--gemm"),
                       array = numbers(flags.array, 'x', 2, "--array");
  sim::SystolicProblem problem{gemm[0],
                               gemm[1],
                               gemm[2],
                               array[0],
                               array[1],
                               flags.dataflow == "os"   ? sim::Stationary::Output
                               : flags.dataflow == "ws" ? sim::Stationary::Weight
                                                        : sim::Stationary::Input,
                               flags.sramKilobytes};
  sim::SystolicCost cost = sim::systolicCost(problem);
  nlohmann::ordered_json report{
      {"cycles", cost.cycles},
      {"folds", cost.folds},
      {"cycles_per_fold", cost.cyclesPerFold},
      {"mapping_efficiency", cost.mappingEfficiency},
      {"utilization", cost.utilization},
      {"sram",
       {{"ifmap_reads", cost.sramLeft}, {"filter_reads", cost.sramRight}, {"ofmap_writes", cost.sramResult}}},
      {"dram",
       {{"ifmap_reads", cost.dramLeft}, {"filter_reads", cost.dramRight}, {"ofmap_writes", cost.dramResult}}},
      {"dram_exact", {{"ifmap_reads", cost.dramLeftExact}, {"filter_reads", cost.dramRightExact}}}};
  std::string text = report.dump(2) + "\n";
  if (json.empty())
    std::fputs(text.c_str(), stdout);
  else
    writeFile(json, {text});
}

} // namespace tenon::command
