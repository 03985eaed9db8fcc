#include "compiler/emit/mortise/vector/CompileKernel.h"

#include "compiler/emit/mortise/vector/Allocate.h"
#include "compiler/emit/mortise/vector/Combine.h"
#include "compiler/emit/mortise/vector/EmitKernel.h"
#include "compiler/emit/mortise/vector/Schedule.h"

#include <algorithm>

namespace tenon::npu {

using mortise::Error;

namespace {

/// Schedules and allocates until both succeed. What does not fit is first scheduled without overlap, then in
/// the order of the code, then spilled; then loops are pipelined again, with intervals as large as registers
/// want.
class Driver {
public:
  Driver(MachineFunction function, const mortise::Hardware &hardware, const VectorOptions &options)
      : lowered_(std::move(function)), hardware_(hardware), options_(options),
        spiller_(lowered_, options.spill, hardware.vector.lanes) {
    scheduling_.bundles = options.schedule;
    scheduling_.pipeline = options.pipeline;
    scheduling_.minimumInterval.assign(lowered_.loops, 0);
  }

  CompiledKernel run() {
    if (!attempt()) {
      makeFit();
      pipelineAgain();
    }
    CompiledKernel kernel;
    kernel.code = emit(scheduled_, allocation_.physical);
    mortise::verifyCode(kernel.code);
    fill(kernel.statistics);
    kernel.statistics.instructions = unsigned(kernel.code.size());
    kernel.statistics.bundles = unsigned(std::count_if(kernel.code.begin(), kernel.code.end(),
                                                       [](const auto &word) { return !word.chained; }));
    return kernel;
  }

private:
  bool attempt() {
    scheduled_ = lowered_;
    reports_ = schedule(scheduled_, hardware_, scheduling_);
    allocation_ = allocate(scheduled_, spillCosts(lowered_));
    return allocation_.failed.empty();
  }

  void makeFit() {
    scheduling_.pipeline = false;
    if (attempt())
      return;
    scheduling_.inOrder = true;
    while (!attempt())
      spiller_.spill(candidate());
  }

  RegisterId candidate() const {
    std::vector<double> costs = spillCosts(lowered_);
    Interference graph = interferenceOf(lowered_);
    RegisterId best = 0;
    bool bestFailed = false;
    auto consider = [&](RegisterId r, bool failed) {
      if (r >= lowered_.registers.size() || !spiller_.canSpill(r) || costs[r] == 0)
        return;
      // To make a constant again costs no memory.
      double cost = costs[r] * (lowered_.registers[r].constant ? 0.5 : 1);
      double other = best ? costs[best] * (lowered_.registers[best].constant ? 0.5 : 1) : 0;
      if (!best || (failed && !bestFailed) || (failed == bestFailed && cost < other)) {
        best = r;
        bestFailed = failed;
      }
    };
    for (RegisterId failed : allocation_.failed) {
      consider(failed, true);
      for (RegisterId r = 1; failed < graph.with.size() && r < graph.with.size(); ++r)
        if (graph.between(failed, r))
          consider(r, false);
    }
    if (!best)
      throw Error(
          "TN1351",
          "kernel '" + lowered_.name + "': more " +
              (lowered_.registers[allocation_.failed.front()].registerClass == RegisterClass::Scalar
                   ? std::string("scalars are live at once than the ") + std::to_string(mortise::kRegisters)
                   : std::string("predicates or reloaded vectors are live at once than the ") +
                         std::to_string(mortise::kPredicates - 1)) +
              " registers hold, and they cannot be spilled; derive addresses from fewer bases, or split "
              "the kernel");
    return best;
  }

  void pipelineAgain() {
    if (!options_.pipeline)
      return;
    bool wasInOrder = scheduling_.inOrder;
    scheduling_.pipeline = true;
    constexpr unsigned kRaises = 4;
    std::vector<unsigned> raised(lowered_.loops, 0);
    while (!attempt()) {
      LoopReport *widest = nullptr;
      for (LoopReport &report : reports_)
        if (report.interval && (!widest || report.copies * report.stages > widest->copies * widest->stages))
          widest = &report;
      if (!widest)
        break; // nothing is pipelined any more
      unsigned &minimum = scheduling_.minimumInterval[widest->number];
      minimum = ++raised[widest->number] > kRaises ? kRefused : widest->interval + 1 + widest->interval / 16;
    }
    scheduling_.inOrder = wasInOrder;
    if (!allocation_.failed.empty())
      makeFit();
  }

  void fill(KernelStatistics &statistics) const {
    statistics.spilled = spiller_.stored();
    statistics.remade = spiller_.remade();
    statistics.registers = allocation_.used;
    for (const LoopReport &report : reports_)
      statistics.loops.push_back(
          {report.number, report.plainCycles, report.interval, report.stages, report.copies});
  }

  MachineFunction lowered_, scheduled_;
  const mortise::Hardware &hardware_;
  const VectorOptions &options_;
  Spiller spiller_;
  ScheduleOptions scheduling_;
  std::vector<LoopReport> reports_;
  Allocation allocation_;
};

} // namespace

namespace {

CompiledKernel compileAsItIs(VectorFunction optimized, const mortise::Hardware &hardware,
                             const VectorOptions &options) {
  if (options.combine) {
    combine(optimized, hardware);
    verify(optimized);
  }
  MachineFunction machine = lower(optimized);
  if (options.spill.base)
    machine.registers[options.spill.base->index].keep = true;
  if (options.coalesce)
    coalesce(machine);
  CompiledKernel kernel = Driver(std::move(machine), hardware, options).run();
  kernel.name = optimized.name;
  kernel.parameters = optimized.parameterNames;
  return kernel;
}

/// With short loops unrolled; nothing where there are none, or registers do not suffice for the pipelines.
std::optional<CompiledKernel> compileUnrolled(VectorFunction function, const mortise::Hardware &hardware,
                                              VectorOptions options) {
  if (!options.unroll || !options.pipeline || !options.schedule || !unrollShortLoops(function))
    return std::nullopt;
  options.spill.bytes = 0;
  try {
    CompiledKernel kernel = compileAsItIs(std::move(function), hardware, options);
    bool overlaps = std::all_of(kernel.statistics.loops.begin(), kernel.statistics.loops.end(),
                                [](const LoopStatistics &loop) { return loop.interval > 0; });
    return overlaps && !kernel.statistics.remade ? std::optional(std::move(kernel)) : std::nullopt;
  } catch (const Error &error) {
    if (error.code() != "TN1351")
      throw;
    return std::nullopt;
  }
}

} // namespace

CompiledKernel compile(const VectorFunction &function, const mortise::Hardware &hardware,
                       const VectorOptions &options) {
  verify(function);
  if (std::optional<CompiledKernel> unrolled = compileUnrolled(function, hardware, options))
    return std::move(*unrolled);
  return compileAsItIs(function, hardware, options);
}

uint32_t CompiledKernel::appendTo(mortise::Program &program) const {
  auto start = uint32_t(program.code.size());
  for (mortise::Instruction instruction : code) {
    const mortise::Row &row = instruction.row();
    for (unsigned k = 0; k < row.operandCount; ++k)
      if (row.operands[k].kind == mortise::OperandKind::Label)
        instruction.operands[k] += int32_t(start);
    program.code.push_back(instruction);
  }
  return start;
}

} // namespace tenon::npu
