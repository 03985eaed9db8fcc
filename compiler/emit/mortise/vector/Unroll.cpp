// Short loops within loops become straight code, so that the loop around is innermost and its iterations
// overlap.

#include "compiler/emit/mortise/vector/Combine.h"
#include "compiler/emit/mortise/vector/ValueUses.h"

#include <algorithm>
#include <map>

namespace tenon::npu {

namespace {

class Unroller {
public:
  explicit Unroller(VectorFunction &function) : function_(function), replaced_(function.values.size()) {}

  bool run() {
    block(function_.body, 0);
    replaced_.apply(function_);
    return changed_;
  }

private:
  /// Beyond that many instructions, registers rather than latencies limit what the loop around gains.
  static constexpr int64_t kMostInstructions = 128;

  void block(VectorBlock &block, unsigned depth) {
    for (Item &item : block.items)
      if (item.isLoop())
        this->block(item.loop.front().body, depth + 1);
    if (depth == 0 || !isShort(block))
      return;
    std::vector<Item> items;
    for (Item &item : block.items)
      if (item.isLoop())
        copies(item.loop.front(), items);
      else
        items.push_back(std::move(item));
    block.items = std::move(items);
  }

  /// Whether the block becomes straight code of a bearable length.
  static bool isShort(const VectorBlock &block) {
    int64_t length = 0;
    for (const Item &item : block.items) {
      if (!item.isLoop()) {
        ++length;
        continue;
      }
      const VectorLoop &loop = item.loop.front();
      bool isInnermost = std::none_of(loop.body.items.begin(), loop.body.items.end(),
                                      [](const Item &inner) { return inner.isLoop(); });
      if (!isInnermost || !loop.count.isConstant() || loop.count.count <= 0)
        return false;
      length += loop.count.count * int64_t(loop.body.items.size());
    }
    return length <= kMostInstructions;
  }

  void copies(const VectorLoop &loop, std::vector<Item> &to) {
    changed_ = true;
    std::vector<Value> carried;
    for (const Carried &c : loop.carried)
      carried.push_back(c.initial);
    for (int64_t n = 0; n < loop.count.count; ++n) {
      std::map<uint32_t, Value> names;
      for (size_t i = 0; i < carried.size(); ++i)
        names[loop.carried[i].inside.index] = carried[i];
      auto nameOf = [&](Value value) {
        value = replaced_.find(value);
        auto found = names.find(value.index);
        return found == names.end() ? value : found->second;
      };
      for (const Item &item : loop.body.items)
        to.emplace_back(copy(item.operation, names, nameOf));
      for (size_t i = 0; i < carried.size(); ++i)
        carried[i] = nameOf(loop.carried[i].yielded);
    }
    for (size_t i = 0; i < carried.size(); ++i)
      replaced_.set(loop.carried[i].result, carried[i]);
  }

  template <typename NameOf>
  Operation copy(Operation op, std::map<uint32_t, Value> &names, const NameOf &nameOf) {
    const mortise::Row &row = op.row();
    for (unsigned k = 0; k < row.operandCount; ++k)
      if (classOf(row.operands[k].kind) && isRead(row, k))
        op.operands[k] = int32_t(nameOf({uint32_t(op.operands[k])}).index);
    auto fresh = [&](Value value) {
      return names[value.index] = function_.add(function_.info(value).registerClass);
    };
    for (unsigned k = 0; k < row.operandCount; ++k)
      if (classOf(row.operands[k].kind) && !isRead(row, k))
        op.operands[k] = int32_t(fresh({uint32_t(op.operands[k])}).index);
    if (op.advanced.isValid())
      op.advanced = fresh(op.advanced);
    return op;
  }

  VectorFunction &function_;
  Replacement replaced_;
  bool changed_ = false;
};

} // namespace

bool unrollShortLoops(VectorFunction &function) { return Unroller(function).run(); }

} // namespace tenon::npu
