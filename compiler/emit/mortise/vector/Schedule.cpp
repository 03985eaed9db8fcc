// Walks the tree of loops: innermost loops are pipelined where that is faster, all else is packed.

#include "compiler/emit/mortise/vector/Schedule.h"

#include "compiler/emit/mortise/vector/IssueModel.h"

#include <algorithm>
#include <bit>
#include <set>

namespace tenon::npu {

namespace {

std::vector<MachineOp> flatten(const std::vector<Bundle> &bundles) {
  std::vector<MachineOp> ops;
  for (const Bundle &bundle : bundles)
    ops.insert(ops.end(), bundle.begin(), bundle.end());
  return ops;
}

class Walk {
public:
  Walk(MachineFunction &function, const mortise::Hardware &hardware, const ScheduleOptions &options)
      : function_(function), hardware_(hardware), options_(options), interference_(interferenceOf(function)) {
  }

  std::vector<LoopReport> run() {
    function_.body = nodes(std::move(function_.body), 0);
    if (options_.pipeline && options_.bundles && !options_.inOrder)
      packEnds(function_.body);
    return std::move(reports_);
  }

private:
  DependenceOptions straight() const { return {&hardware_, &function_.objects, nullptr}; }

  std::vector<Bundle> pack(const std::vector<MachineOp> &ops) const {
    if (options_.bundles)
      return listSchedule(ops, straight(), options_.inOrder);
    std::vector<Bundle> single;
    for (const MachineOp &op : ops)
      single.push_back({op});
    return single;
  }

  std::vector<Node> nodes(std::vector<Node> from, unsigned depth) {
    std::vector<Node> to;
    for (Node &node : from) {
      if (!node.isLoop()) {
        std::vector<Bundle> packed = pack(flatten(node.bundles));
        straightEnd(to).insert(straightEnd(to).end(), packed.begin(), packed.end());
        continue;
      }
      std::vector<Node> code = loop(std::move(node.loop.front()), depth, to);
      for (Node &made : code) {
        if (!made.isLoop() && !to.empty() && !to.back().isLoop())
          to.back().bundles.insert(to.back().bundles.end(), made.bundles.begin(), made.bundles.end());
        else
          to.push_back(std::move(made));
      }
    }
    return to;
  }

  static void collectWrites(const std::vector<Node> &nodes, std::set<RegisterId> &written) {
    for (const Node &node : nodes) {
      for (const MachineLoop &loop : node.loop)
        collectWrites(loop.body, written);
      for (const Bundle &bundle : node.bundles)
        for (const MachineOp &op : bundle)
          visitWrites(op, [&](RegisterId r) { written.insert(r); });
    }
  }

  /// What pipelines left at their ends, with the code around.
  void packEnds(std::vector<Node> &nodes) const {
    for (Node &node : nodes) {
      for (MachineLoop &loop : node.loop)
        if (!loop.isInnermost())
          packEnds(loop.body);
      if (!node.isLoop())
        node.bundles = repack(std::move(node.bundles), straight(), function_.registers.size());
    }
  }

  static std::vector<Node> asNodes(MachineLoop loop) {
    Node node;
    node.loop.push_back(std::move(loop));
    std::vector<Node> code;
    code.push_back(std::move(node));
    return code;
  }

  std::vector<Node> loop(MachineLoop loop, unsigned depth, std::vector<Node> &before) {
    if (!loop.isInnermost()) {
      around_.push_back({{}, &before});
      collectWrites(loop.body, around_.back().written);
      loop.body = nodes(std::move(loop.body), depth + 1);
      around_.pop_back();
      return asNodes(std::move(loop));
    }
    std::vector<MachineOp> ops = flatten(loop.body.front().bundles);
    std::vector<Bundle> plain = pack(ops);
    LoopReport report;
    report.number = loop.number;
    report.plainCycles = unsigned(cyclesPerIteration(plain, hardware_, function_.registers.size()));
    reports_.push_back(report);
    if (options_.pipeline && options_.bundles)
      if (auto code = pipelined(loop, ops, plain, depth, before))
        return std::move(*code);
    loop.body.front().bundles = std::move(plain);
    return asNodes(std::move(loop));
  }

  /// Registers that hold something across the loop without being part of an iteration's own.
  ModuloLimits limits(const MachineLoop &loop, const LoopRegisters &registers, unsigned plainCycles) const {
    ModuloLimits limits;
    limits.maximumInterval = plainCycles - 1;
    if (loop.number < options_.minimumInterval.size())
      limits.minimumInterval = options_.minimumInterval[loop.number];
    limits.available = {mortise::kRegisters, mortise::kRegisters, mortise::kPredicates - 1};
    const RegisterSet &after = interference_.after[loop.number], &head = interference_.atHead[loop.number];
    for (RegisterId r = 0; r < after.size(); ++r) {
      bool own =
          std::find(registers.renamable.begin(), registers.renamable.end(), r) != registers.renamable.end();
      unsigned &available = limits.available[size_t(function_.registers[r].registerClass)];
      if ((after[r] || head[r]) && !own && available)
        --available;
    }
    return limits;
  }

  std::optional<std::vector<Node>> pipelined(const MachineLoop &loop, const std::vector<MachineOp> &ops,
                                             const std::vector<Bundle> &plain, unsigned depth,
                                             std::vector<Node> &before) {
    LoopRegisters registers =
        loopRegisters(ops, interference_.after[loop.number], interference_.atHead[loop.number]);
    LoopReport &report = reports_.back();
    ModuloLimits bounds = limits(loop, registers, report.plainCycles);
    bool refused =
        loop.number < options_.minimumInterval.size() && options_.minimumInterval[loop.number] == kRefused;
    if (refused || report.plainCycles < 2)
      return std::nullopt;
    DependenceOptions options{&hardware_, &function_.objects, &registers};
    std::optional<ModuloSchedule> schedule = moduloSchedule(ops, options, registers, bounds);
    if (!schedule)
      return std::nullopt;
    PipelineExpansion expansion(function_, ops, *schedule);
    if (!expansion.fits())
      return std::nullopt;
    int64_t stages = schedule->stages, copies = schedule->copies;
    std::optional<std::vector<Node>> code;
    if (loop.countRegister) {
      if (stages == 1 && copies == 1) {
        code = expansion.expand(0, loop.countRegister, 0, loop.number);
        code->front().loop.front().runs = false;
      } else if (depth + 2 <= mortise::kLoopDepth)
        code = dynamic(loop, expansion, *schedule, plain, before);
    } else {
      int64_t full = loop.count - stages + 1;
      int64_t cycles = (loop.count + stages - 1) * int64_t(schedule->interval);
      if (full >= copies && cycles < loop.count * int64_t(report.plainCycles))
        code = expansion.expand(full / copies, std::nullopt, unsigned(full % copies), loop.number);
    }
    if (code) {
      report.interval = schedule->interval;
      report.stages = schedule->stages;
      report.copies = schedule->copies;
    }
    return code;
  }

  /// n iterations: `plain` of them one after the other, the rest in the pipeline, which takes
  /// stages - 1 + k * copies. Too few for it: all are plain.
  std::vector<Node> dynamic(const MachineLoop &loop, PipelineExpansion &expansion,
                            const ModuloSchedule &schedule, const std::vector<Bundle> &plain,
                            std::vector<Node> &before) {
    auto fill = int64_t(schedule.stages) - 1;
    int64_t copies = schedule.copies;
    RegisterId repeats = function_.add(RegisterClass::Scalar), some = function_.add(RegisterClass::Scalar),
               alone = function_.add(RegisterClass::Scalar), n = *loop.countRegister;
    std::vector<MachineOp> ops{makeOp(Id::Addi, {repeats, n, -fill}),
                               makeOp(Id::Maxi, {repeats, repeats, 0})};
    if (copies > 1)
      ops.push_back(std::has_single_bit(uint64_t(copies))
                        ? makeOp(Id::Shri, {repeats, repeats, std::countr_zero(uint64_t(copies))})
                        : makeOp(Id::Divi, {repeats, repeats, copies}));
    ops.push_back(makeOp(Id::Mini, {some, repeats, 1}));
    RegisterId taken = function_.add(RegisterClass::Scalar), filled = function_.add(RegisterClass::Scalar);
    ops.push_back(makeOp(Id::Muli, {taken, repeats, copies}));
    ops.push_back(makeOp(Id::Muli, {filled, some, fill}));
    ops.push_back(makeOp(Id::Sub, {alone, n, taken}));
    ops.push_back(makeOp(Id::Sub, {alone, alone, filled}));
    // Counts are computed before the outermost loop that leaves the register as it is.
    std::vector<Node> *place = &before;
    for (auto outer = around_.rbegin(); outer != around_.rend() && !outer->written.contains(n); ++outer)
      place = outer->before;
    for (Bundle &bundle : pack(ops))
      straightEnd(*place).push_back(std::move(bundle));
    MachineLoop rest;
    rest.countRegister = alone;
    rest.number = function_.loops;
    rest.body.emplace_back();
    rest.body.front().bundles = plain;
    MachineLoop guard;
    guard.countRegister = some;
    guard.number = function_.loops;
    guard.body = expansion.expand(0, repeats, 0, loop.number);
    std::vector<Node> code = asNodes(std::move(rest));
    code.push_back(std::move(asNodes(std::move(guard)).front()));
    return code;
  }

  MachineFunction &function_;
  const mortise::Hardware &hardware_;
  const ScheduleOptions &options_;
  Interference interference_;
  std::vector<LoopReport> reports_;
  /// Loops around, outermost first: what their bodies write, and the code before them.
  struct Around {
    std::set<RegisterId> written;
    std::vector<Node> *before;
  };
  std::vector<Around> around_;
};

} // namespace

std::vector<LoopReport> schedule(MachineFunction &function, const mortise::Hardware &hardware,
                                 const ScheduleOptions &options) {
  return Walk(function, hardware, options).run();
}

} // namespace tenon::npu
