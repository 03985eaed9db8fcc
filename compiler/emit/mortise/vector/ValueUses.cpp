#include "compiler/emit/mortise/vector/ValueUses.h"

namespace tenon::npu {

namespace {

void count(const VectorBlock &block, std::vector<unsigned> &uses) {
  for (const Item &item : block.items) {
    if (!item.isLoop()) {
      forEachRead(item.operation, [&](Value value) { ++uses[value.index]; });
      continue;
    }
    const VectorLoop &loop = item.loop.front();
    if (!loop.count.isConstant())
      ++uses[loop.count.value.index];
    for (const Carried &carried : loop.carried) {
      ++uses[carried.initial.index];
      ++uses[carried.yielded.index];
    }
    count(loop.body, uses);
  }
}

} // namespace

std::vector<unsigned> countUses(const VectorFunction &function) {
  std::vector<unsigned> uses(function.values.size(), 0);
  count(function.body, uses);
  return uses;
}

Value Replacement::find(Value value) const {
  while (value.index < by_.size() && by_[value.index].isValid())
    value = by_[value.index];
  return value;
}

void Replacement::apply(VectorBlock &block) const {
  for (Item &item : block.items) {
    if (!item.isLoop()) {
      Operation &op = item.operation;
      for (unsigned k = 0; k < op.row().operandCount; ++k)
        if (classOf(op.row().operands[k].kind) && isRead(op.row(), k))
          op.operands[k] = int32_t(find({uint32_t(op.operands[k])}).index);
      continue;
    }
    VectorLoop &loop = item.loop.front();
    if (!loop.count.isConstant())
      loop.count.value = find(loop.count.value);
    for (Carried &carried : loop.carried) {
      carried.initial = find(carried.initial);
      carried.yielded = find(carried.yielded);
    }
    apply(loop.body);
  }
}

void Replacement::apply(VectorFunction &function) const { apply(function.body); }

Value constantOf(VectorFunction &function, RegisterClass registerClass, int64_t bits) {
  for (uint32_t i = 0; i < function.values.size(); ++i)
    if (const ValueInfo &info = function.values[i];
        info.kind == ValueInfo::Kind::Constant && info.registerClass == registerClass && info.bits == bits)
      return {i};
  return function.add(registerClass, ValueInfo::Kind::Constant, bits);
}

} // namespace tenon::npu
