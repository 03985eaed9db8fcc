#include "compiler/emit/mortise/vector/Schedule.h"

#include <algorithm>

namespace tenon::npu {

PipelineExpansion::PipelineExpansion(MachineFunction &function, const std::vector<MachineOp> &ops,
                                     const ModuloSchedule &schedule)
    : ops_(ops), schedule_(schedule) {
  for (size_t k = 0; k < schedule.registers.renamable.size(); ++k) {
    std::vector<RegisterId> &names = names_.emplace_back();
    names.push_back(schedule.registers.renamable[k]);
    while (names.size() < schedule.registerCopies[k])
      names.push_back(function.duplicate(names.front()));
  }
}

/// The difference between the moves of the address that the instruction expects to have been made and those
/// that have been issued in bundles before its own.
int64_t PipelineExpansion::offsetChange(unsigned op, int64_t iteration, int64_t iterations) const {
  int64_t interval = schedule_.interval, now = iteration * interval + schedule_.times[op], change = 0;
  RegisterId pointer = ops_[op].reg('a');
  for (unsigned mover = 0; mover < ops_.size(); ++mover) {
    int64_t step = movement(ops_[mover], pointer);
    if (!step)
      continue;
    int64_t expected = iteration + (mover < op ? 1 : 0);
    // Moves of iterations n with n * interval + time < now.
    int64_t span = now - int64_t(schedule_.times[mover]);
    int64_t issued = span <= 0 ? 0 : (span + interval - 1) / interval;
    change += step * (expected - std::min(issued, iterations));
  }
  return change;
}

bool PipelineExpansion::fits() const {
  // Steady state: far from both ends; the ends are closer to the original order.
  int64_t middle = schedule_.stages + 1, all = 2 * middle + 2;
  auto [low, high] = mortise::operandRange(mortise::OperandKind::Immediate16);
  for (unsigned i = 0; i < ops_.size(); ++i) {
    if (!hasOffset(ops_[i].id))
      continue;
    for (int64_t iteration = 0; iteration < all; ++iteration) {
      const std::vector<RegisterId> &pointers = schedule_.registers.pointers;
      if (std::find(pointers.begin(), pointers.end(), ops_[i].reg('a')) == pointers.end())
        break;
      int64_t offset = ops_[i].operand('i') + offsetChange(i, iteration, all);
      if (offset < low || offset > high)
        return false;
    }
  }
  return true;
}

MachineOp PipelineExpansion::instance(unsigned index, int64_t iteration, int64_t iterations) {
  MachineOp op = ops_[index];
  op.base = Value::kNone; // instances of other iterations lie beside it, whose addresses differ
  const mortise::Row &row = op.row();
  const LoopRegisters &registers = schedule_.registers;
  if (hasOffset(op.id) && std::find(registers.pointers.begin(), registers.pointers.end(), op.reg('a')) !=
                              registers.pointers.end())
    op.set('i', int32_t(op.operand('i') + offsetChange(index, iteration, iterations)));
  for (unsigned k = 0; k < row.operandCount; ++k) {
    if (!classOf(row.operands[k].kind))
      continue;
    auto found =
        std::find(registers.renamable.begin(), registers.renamable.end(), RegisterId(op.operands[k]));
    if (found == registers.renamable.end())
      continue;
    const std::vector<RegisterId> &names = names_[size_t(found - registers.renamable.begin())];
    op.operands[k] = int32_t(names[size_t(iteration) % names.size()]);
  }
  return op;
}

std::vector<Bundle> PipelineExpansion::window(int64_t index, int64_t iterations) {
  std::vector<Bundle> bundles(schedule_.interval);
  for (unsigned op = 0; op < ops_.size(); ++op) {
    int64_t iteration = index - int64_t(schedule_.times[op] / schedule_.interval);
    if (iteration >= 0 && iteration < iterations)
      bundles[schedule_.times[op] % schedule_.interval].push_back(instance(op, iteration, iterations));
  }
  for (Bundle &bundle : bundles)
    std::sort(bundle.begin(), bundle.end(),
              [](const MachineOp &a, const MachineOp &b) { return slotOf(a.id) < slotOf(b.id); });
  std::erase_if(bundles, [](const Bundle &bundle) { return bundle.empty(); });
  return bundles;
}

std::vector<Node> PipelineExpansion::expand(int64_t repeats, std::optional<RegisterId> repeatRegister,
                                            unsigned rest, unsigned loopNumber) {
  // Copies and offsets of a window do not depend on how often the kernel has run: number them as for once.
  int64_t stages = schedule_.stages, copies = schedule_.copies;
  int64_t iterations = copies + rest + stages - 1;
  std::vector<Node> code;
  auto append = [&](std::vector<Bundle> &to, int64_t from, int64_t end) {
    for (int64_t w = from; w < end; ++w)
      for (Bundle &bundle : window(w, iterations))
        to.push_back(std::move(bundle));
  };
  Node prologue;
  append(prologue.bundles, 0, stages - 1);
  if (!prologue.bundles.empty())
    code.push_back(std::move(prologue));
  Node kernel;
  append(kernel.bundles, stages - 1, stages - 1 + copies);
  if (!repeatRegister && repeats == 1) {
    for (Bundle &bundle : kernel.bundles)
      straightEnd(code).push_back(std::move(bundle));
  } else {
    MachineLoop loop;
    loop.count = repeats;
    loop.countRegister = repeatRegister;
    loop.runs = true;
    loop.number = loopNumber;
    loop.body.push_back(std::move(kernel));
    Node node;
    node.loop.push_back(std::move(loop));
    code.push_back(std::move(node));
  }
  Node epilogue;
  append(epilogue.bundles, stages - 1 + copies, iterations + stages - 1);
  if (!epilogue.bundles.empty())
    code.push_back(std::move(epilogue));
  return code;
}

} // namespace tenon::npu
