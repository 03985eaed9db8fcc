// Additions to addresses become offsets and increments of loads and stores. Increments are taken apart first,
// so that chains of them fold, and are formed again where a loop carries an address.

#include "compiler/emit/mortise/vector/Combine.h"
#include "compiler/emit/mortise/vector/ValueUses.h"

#include <algorithm>

namespace tenon::npu {

namespace {

bool fitsOffset(int64_t value) { return value >= INT16_MIN && value <= INT16_MAX; }

Operation addition(Value to, Value from, int32_t distance) {
  Operation op;
  op.id = Id::Addi;
  op.set('d', to);
  op.set('a', from);
  op.set('i', distance);
  return op;
}

void splitIncrements(VectorBlock &block) {
  std::vector<Item> items;
  for (Item &item : block.items) {
    if (item.isLoop())
      splitIncrements(item.loop.front().body);
    items.push_back(std::move(item));
    if (items.back().isLoop() || !items.back().operation.advanced.isValid())
      continue;
    Operation &op = items.back().operation;
    Operation sum = addition(op.advanced, op.value('a'), op.operand('j'));
    op.advanced = {};
    op.set('j', 0);
    items.emplace_back(sum);
  }
  block.items = std::move(items);
}

class OffsetFolder {
public:
  explicit OffsetFolder(const VectorFunction &function) : definitions_(function.values.size(), nullptr) {}
  bool run(VectorBlock &block) {
    bool changed = false;
    for (Item &item : block.items) {
      if (item.isLoop()) {
        changed |= run(item.loop.front().body);
        continue;
      }
      Operation &op = item.operation;
      if (op.id == Id::Addi)
        definitions_[op.value('d').index] = &op;
      while (hasOffset(op.id) && !op.advanced.isValid()) {
        const Operation *sum = definitions_[op.value('a').index];
        if (!sum || !fitsOffset(int64_t(op.operand('i')) + sum->operand('i')))
          break;
        op.set('i', op.operand('i') + sum->operand('i'));
        op.set('a', sum->value('a'));
        changed = true;
      }
    }
    return changed;
  }

private:
  std::vector<const Operation *> definitions_;
};

bool reads(const Item &item, Value value) {
  bool found = false;
  auto check = [&](Value read) { found |= read == value; };
  if (!item.isLoop()) {
    forEachRead(item.operation, check);
    return found;
  }
  const VectorLoop &loop = item.loop.front();
  if (!loop.count.isConstant())
    check(loop.count.value);
  for (const Carried &carried : loop.carried) {
    check(carried.initial);
    check(carried.yielded);
  }
  return found || std::any_of(loop.body.items.begin(), loop.body.items.end(),
                              [&](const Item &inner) { return reads(inner, value); });
}

/// The last load or store of the body takes over the move of the address to the next iteration.
void formIncrements(VectorBlock &block, const std::vector<unsigned> &uses) {
  for (Item &item : block.items) {
    if (!item.isLoop())
      continue;
    VectorLoop &loop = item.loop.front();
    std::vector<Item> &items = loop.body.items;
    formIncrements(loop.body, uses);
    for (const Carried &carried : loop.carried) {
      auto sum = std::find_if(items.begin(), items.end(), [&](const Item &i) {
        return !i.isLoop() && i.operation.id == Id::Addi && i.operation.value('d') == carried.yielded;
      });
      if (sum == items.end() || sum->operation.value('a') != carried.inside ||
          uses[carried.yielded.index] != 1 || !fitsOffset(sum->operation.operand('i')))
        continue;
      auto last = std::find_if(items.rbegin(), items.rend(),
                               [&](const Item &i) { return &i != &*sum && reads(i, carried.inside); });
      bool takes = last != items.rend() && !last->isLoop() && hasOffset(last->operation.id) &&
                   !last->operation.advanced.isValid() && last->operation.value('a') == carried.inside;
      if (!takes)
        continue;
      last->operation.set('j', sum->operation.operand('i'));
      last->operation.advanced = carried.yielded;
      items.erase(sum);
    }
  }
}

} // namespace

bool foldAddresses(VectorFunction &function) { return OffsetFolder(function).run(function.body); }

void combine(VectorFunction &function, const mortise::Hardware &hardware) {
  splitIncrements(function.body);
  constexpr int kRounds = 16; // each enables others only a few times
  bool changed = true;
  for (int round = 0; changed && round < kRounds; ++round) {
    changed = foldAndMatch(function, hardware);
    changed |= shareAndHoist(function);
    changed |= foldAddresses(function);
    changed |= removeDead(function);
  }
  formIncrements(function.body, countUses(function));
}

} // namespace tenon::npu
