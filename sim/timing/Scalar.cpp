#include "sim/timing/Processor.h"

namespace tenon::sim {

Operation toOperation(const mortise::Instruction &instruction, const Simulation &simulation) {
  const mortise::Row &row = instruction.row();
  Operation op;
  op.id = instruction.id;
  op.unit = row.unit;
  op.latency = row.latency;
  auto changed = simulation.hardware.vector.latency.find(row.mnemonic);
  if (changed != simulation.hardware.vector.latency.end())
    op.latency = uint8_t(changed->second);
  op.action = uint8_t(simulation.actions.number(row.action));
  for (unsigned k = 0; k < row.operandCount; ++k) {
    int32_t value = instruction.operands[k];
    bool isLabel = row.operands[k].kind == mortise::OperandKind::Label;
    switch (row.operands[k].name) {
    case 'd':
      op.d = uint8_t(value);
      break;
    case 'a':
      op.a = uint8_t(value);
      break;
    case 'b':
      op.b = uint8_t(value);
      break;
    case 'c':
      op.c = uint8_t(value);
      break;
    case 'g':
      op.g = uint8_t(value);
      break;
    case 'i':
      op.i = value;
      break;
    case 'j':
      op.j = value;
      break;
    case 'e':
      (isLabel ? op.label : op.j) = value;
      break; // an engine, or a label
    case 'f':
      op.c = uint8_t(value);
      break; // a field, or flags
    default:
      op.g = uint8_t(value);
      break; // a semaphore
    }
  }
  return op;
}

bool ScalarState::enterLoop(uint32_t begin, uint32_t end, int64_t count) {
  if (depth_ == loops_.size())
    return false;
  loops_[depth_++] = {begin, end, count};
  return true;
}

uint32_t ScalarState::advance(uint32_t next) {
  while (depth_ && next == loops_[depth_ - 1].end) {
    if (--loops_[depth_ - 1].left > 0)
      return loops_[depth_ - 1].begin;
    --depth_;
  }
  return next;
}

ScalarState::Outcome ScalarState::execute(const Operation &op, uint32_t next, unsigned lanes) {
  int64_t a = registers[op.a], b = registers[op.b];
  switch (op.id) {
  case Id::Beq:
  case Id::Bne:
  case Id::Blt:
  case Id::Bge:
  case Id::Jmp:
    if (!branchTaken(op.id, a, b))
      return {advance(next), false, false, 0, false};
    // A branch out of a loop leaves it.
    while (depth_ &&
           (uint32_t(op.label) < loops_[depth_ - 1].begin || uint32_t(op.label) >= loops_[depth_ - 1].end))
      --depth_;
    return {uint32_t(op.label), true, false, 0, false};
  case Id::Loop:
  case Id::Loopi: {
    int64_t count = op.id == Id::Loop ? a : op.i;
    if (count <= 0)
      return {advance(uint32_t(op.label)), true, false, 0, false};
    bool entered = enterLoop(next, uint32_t(op.label), count);
    return {next, false, false, 0, !entered};
  }
  case Id::Lanes:
    return {advance(next), false, true, int64_t(lanes), false};
  case Id::Nop:
    return {advance(next), false, false, 0, false};
  default:
    return {advance(next), false, true, scalarResult(op.id, a, b, op.i), false};
  }
}

} // namespace tenon::sim
