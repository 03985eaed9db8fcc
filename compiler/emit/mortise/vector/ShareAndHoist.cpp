// Common subexpressions, loop-invariant code, dead code.

#include "compiler/emit/mortise/vector/Combine.h"
#include "compiler/emit/mortise/vector/ValueUses.h"

#include <map>
#include <set>

namespace tenon::npu {

namespace {

void collectStored(const VectorBlock &block, std::set<ObjectId> &stored) {
  for (const Item &item : block.items) {
    if (item.isLoop())
      collectStored(item.loop.front().body, stored);
    else if (isStore(item.operation.id))
      stored.insert(item.operation.object);
  }
}

class Sharing {
public:
  explicit Sharing(VectorFunction &function) : function_(function), replaced_(function.values.size()) {
    collectStored(function.body, stored_);
  }

  bool run() {
    share(function_.body, {});
    replaced_.apply(function_);
    hoist(function_.body);
    return changed_;
  }

private:
  using Key = std::pair<Id, std::vector<int64_t>>;
  using Known = std::map<Key, Value>;

  /// Whether the result depends on the operands alone.
  bool isPure(const Operation &op) const {
    return !isStore(op.id) && !op.advanced.isValid() && op.id != Id::Nop &&
           (!isLoad(op.id) || !stored_.contains(op.object));
  }

  void share(VectorBlock &block, Known known) {
    for (Item &item : block.items) {
      if (item.isLoop()) {
        share(item.loop.front().body, known);
        continue;
      }
      Operation &op = item.operation;
      if (!isPure(op))
        continue;
      Key key{op.id, {int64_t(op.object)}};
      for (unsigned k = 0; k < op.row().operandCount; ++k) {
        auto registerClass = classOf(op.row().operands[k].kind);
        if (registerClass && !isRead(op.row(), k))
          continue;
        int64_t operand = op.operands[k];
        key.second.push_back(registerClass ? int64_t(replaced_.find({uint32_t(operand)}).index) : operand);
      }
      auto [place, fresh] = known.emplace(key, op.value('d'));
      if (fresh || replaced_.find(op.value('d')) != op.value('d'))
        continue;
      replaced_.set(op.value('d'), place->second);
      changed_ = true;
    }
  }

  static void collectDefined(const VectorBlock &block, std::set<uint32_t> &defined) {
    for (const Item &item : block.items) {
      if (!item.isLoop()) {
        forEachDefinition(item.operation, [&](Value value) { defined.insert(value.index); });
        continue;
      }
      for (const Carried &carried : item.loop.front().carried) {
        defined.insert(carried.inside.index);
        defined.insert(carried.result.index);
      }
      collectDefined(item.loop.front().body, defined);
    }
  }

  void hoist(VectorBlock &block) {
    std::vector<Item> items;
    for (Item &item : block.items) {
      if (item.isLoop())
        moveOut(item.loop.front(), items);
      items.push_back(std::move(item));
    }
    block.items = std::move(items);
  }

  void moveOut(VectorLoop &loop, std::vector<Item> &before) {
    hoist(loop.body);
    std::set<uint32_t> defined;
    collectDefined(loop.body, defined);
    for (const Carried &carried : loop.carried)
      defined.insert(carried.inside.index);
    bool runs = loop.count.isConstant() && loop.count.count > 0;
    std::vector<Item> kept;
    for (Item &item : loop.body.items) {
      bool moves = !item.isLoop() && isPure(item.operation) && (runs || !isLoad(item.operation.id));
      if (moves)
        forEachRead(item.operation, [&](Value value) { moves &= !defined.contains(value.index); });
      if (!moves) {
        kept.push_back(std::move(item));
        continue;
      }
      defined.erase(item.operation.value('d').index);
      before.push_back(std::move(item));
      changed_ = true;
    }
    loop.body.items = std::move(kept);
  }

  VectorFunction &function_;
  Replacement replaced_;
  std::set<ObjectId> stored_;
  bool changed_ = false;
};

/// Marks what stores need, then sweeps.
class DeadCode {
public:
  explicit DeadCode(VectorFunction &function) : function_(function), live_(function.values.size(), false) {}

  bool run() {
    do {
      grew_ = false;
      mark(function_.body);
    } while (grew_);
    sweep(function_.body);
    return removed_;
  }

private:
  void need(Value value) {
    grew_ |= !live_[value.index];
    live_[value.index] = true;
  }
  bool isNeeded(const Operation &op) const {
    bool needed = isStore(op.id);
    forEachDefinition(op, [&](Value value) { needed |= live_[value.index]; });
    return needed;
  }

  /// Whether the loop has an effect.
  bool mark(const VectorBlock &block) {
    bool effect = false;
    for (auto item = block.items.rbegin(); item != block.items.rend(); ++item) {
      if (!item->isLoop()) {
        effect |= isStore(item->operation.id);
        if (isNeeded(item->operation))
          forEachRead(item->operation, [&](Value value) { need(value); });
        continue;
      }
      const VectorLoop &loop = item->loop.front();
      bool used = false;
      for (const Carried &carried : loop.carried)
        if (live_[carried.result.index] || live_[carried.inside.index]) {
          used = true;
          need(carried.initial);
          need(carried.yielded);
        }
      used |= mark(loop.body);
      if (used && !loop.count.isConstant())
        need(loop.count.value);
      effect |= used;
    }
    return effect;
  }

  void sweep(VectorBlock &block) {
    for (Item &item : block.items)
      if (item.isLoop()) {
        VectorLoop &loop = item.loop.front();
        removed_ |= std::erase_if(loop.carried, [&](const Carried &carried) {
                      return !live_[carried.result.index] && !live_[carried.inside.index];
                    }) > 0;
        sweep(loop.body);
      }
    removed_ |= std::erase_if(block.items, [&](const Item &item) {
                  return item.isLoop()
                             ? item.loop.front().body.items.empty() && item.loop.front().carried.empty()
                             : !isNeeded(item.operation);
                }) > 0;
  }

  VectorFunction &function_;
  std::vector<bool> live_;
  bool grew_ = false, removed_ = false;
};

} // namespace

bool shareAndHoist(VectorFunction &function) { return Sharing(function).run(); }
bool removeDead(VectorFunction &function) { return DeadCode(function).run(); }

} // namespace tenon::npu
