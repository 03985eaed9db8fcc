// Constant folding, neutral operands, immediate forms and instructions that do the work of two.

#include "compiler/emit/mortise/vector/Combine.h"
#include "compiler/emit/mortise/vector/ValueUses.h"

#include "isa/mortise/Pattern.h"

#include <algorithm>
#include <map>

namespace tenon::npu {

using mortise::Combination, mortise::Domain, mortise::Pattern;

namespace {

/// The row whose meaning is that of `id` with operand b as the immediate.
const std::map<Id, Id> &immediateForms() {
  static const std::map<Id, Id> forms = [] {
    std::map<Id, Id> found;
    for (const mortise::Row &general : mortise::rows()) {
      const Pattern *pattern = mortise::patternOf(general.id);
      if (!pattern || mortise::domainOf(general.id) != Domain::Scalar)
        continue;
      Pattern wanted = *pattern;
      auto rename = [](auto &self, Pattern &p) -> void {
        if (p.kind == Pattern::Kind::Operand && p.operand == 'b')
          p.operand = 'i';
        for (Pattern &argument : p.arguments)
          self(self, argument);
      };
      rename(rename, wanted);
      for (const mortise::Row &row : mortise::rows())
        if (const Pattern *other = mortise::patternOf(row.id);
            row.id != general.id && mortise::domainOf(row.id) == Domain::Scalar && *other == wanted)
          found.emplace(general.id, row.id);
    }
    return found;
  }();
  return forms;
}

bool isCommutative(Id id) {
  const Pattern *pattern = mortise::patternOf(id);
  if (!pattern || pattern->arguments.size() != 2 || mortise::domainOf(id) == Domain::CompareFloat ||
      mortise::domainOf(id) == Domain::CompareInteger)
    return false;
  constexpr std::string_view kCommutative[] = {"wrapAdd", "wrapMul", "&", "|", "^", "+", "*"};
  bool operandsOnly = pattern->arguments[0].operand == 'a' && pattern->arguments[1].operand == 'b';
  return operandsOnly &&
         std::find(std::begin(kCommutative), std::end(kCommutative), pattern->name) != std::end(kCommutative);
}

class Folder {
public:
  Folder(VectorFunction &function, const mortise::Hardware &hardware)
      : function_(function), hardware_(hardware), replaced_(function.values.size()),
        uses_(countUses(function)), definitions_(function.values.size(), nullptr),
        blocks_(function.values.size(), nullptr) {
    combinations_ = mortise::combinations();
    if (function.contract)
      for (char operand : {'a', 'b'})
        combinations_.push_back({Id::VfmaF, Id::VaddF, Id::VmulF, operand});
  }

  bool run() {
    block(function_.body);
    replaced_.apply(function_);
    return changed_;
  }

private:
  void block(VectorBlock &block) {
    for (Item &item : block.items) {
      if (item.isLoop()) {
        for (Carried &carried : item.loop.front().carried)
          carried.initial = replaced_.find(carried.initial);
        VectorLoop &loop = item.loop.front();
        if (!loop.count.isConstant()) {
          loop.count.value = replaced_.find(loop.count.value);
          foldCount(loop);
        }
        this->block(loop.body);
        continue;
      }
      Operation &op = item.operation;
      for (unsigned k = 0; k < op.row().operandCount; ++k)
        if (classOf(op.row().operands[k].kind) && isRead(op.row(), k))
          op.operands[k] = int32_t(replaced_.find({uint32_t(op.operands[k])}).index);
      if (isMemory(op.id))
        continue;
      while (rewrite(op, block))
        changed_ = true;
      if (Value with = replacementOf(op); with.isValid()) {
        // A dead instruction keeps its place until it is removed.
        replaced_.set(op.value('d'), with);
        changed_ |= uses_[op.value('d').index] > 0;
      }
      definitions_[op.value('d').index] = &op;
      blocks_[op.value('d').index] = &block;
    }
  }

  void foldCount(VectorLoop &loop) {
    if (auto count = constant(loop.count.value); count && *count < int64_t(1) << 20) {
      loop.count = std::max<int64_t>(*count, 0);
      changed_ = true;
    }
  }

  std::optional<int64_t> constant(Value value) const {
    const ValueInfo &info = function_.info(value);
    return info.kind == ValueInfo::Kind::Constant ? std::optional(info.bits) : std::nullopt;
  }
  std::optional<int64_t> constantOperand(const Operation &op, char name) const {
    return op.position(name) >= 0 ? constant(op.value(name)) : std::nullopt;
  }

  /// The value that the result equals, if there is one already or it is a constant.
  Value replacementOf(const Operation &op) {
    if (op.id == Id::Vmov || op.id == Id::Mov)
      return op.value('a');
    if (op.id == Id::Vsel && (op.value('g') == kAlways || op.operand('a') == op.operand('b')))
      return op.value('a');
    if ((op.id == Id::Pand || op.id == Id::Por) && op.operand('a') == op.operand('b'))
      return op.value('a');
    if (op.id == Id::Lanes)
      return constantOf(function_, RegisterClass::Scalar, hardware_.vector.lanes);
    RegisterClass result = function_.info(op.value('d')).registerClass;
    if (op.id == Id::Vbc)
      if (auto a = constantOperand(op, 'a'))
        return constantOf(function_, RegisterClass::Vector, int32_t(uint32_t(uint64_t(*a))));
    if (!mortise::patternOf(op.id) || result == RegisterClass::Predicate)
      return {};
    if (isNeutral(op))
      return op.value('a');
    std::array<int64_t, 3> values{};
    for (char name : {'a', 'b', 'c'}) {
      if (op.position(name) < 0)
        continue;
      auto value = constantOperand(op, name);
      if (!value)
        return {};
      values[size_t(name - 'a')] = *value;
    }
    int64_t immediate = op.position('i') >= 0 ? op.operand('i') : 0;
    if (auto bits = evaluate(op.id, values[0], values[1], values[2], immediate))
      return constantOf(function_, result, *bits);
    return {};
  }

  bool isNeutral(const Operation &op) const {
    auto b = op.position('i') >= 0 ? std::optional<int64_t>(op.operand('i')) : constantOperand(op, 'b');
    switch (op.id) {
    case Id::Add:
    case Id::Addi:
    case Id::Sub:
    case Id::Or:
    case Id::Xor:
    case Id::Shl:
    case Id::Shli:
    case Id::Shr:
    case Id::Shri:
    case Id::Sar:
    case Id::VaddI:
    case Id::VsubI:
    case Id::Vor:
    case Id::Vxor:
    case Id::Vshl:
    case Id::Vshr:
    case Id::Vsar:
      return b == 0;
    case Id::Mul:
    case Id::Muli:
    case Id::VmulI:
    case Id::Divi:
      return b == 1;
    default:
      return false;
    }
  }

  bool rewrite(Operation &op, const VectorBlock &block) {
    return constantsLast(op) || immediateForm(op) || mergeImmediates(op) || combined(op, block);
  }

  bool constantsLast(Operation &op) const {
    if (!isCommutative(op.id) || !constantOperand(op, 'a') || constantOperand(op, 'b'))
      return false;
    int32_t a = op.operand('a');
    op.set('a', op.operand('b'));
    op.set('b', a);
    return true;
  }

  bool immediateForm(Operation &op) const {
    auto b = op.row().unit == mortise::Unit::Scalar ? constantOperand(op, 'b') : std::nullopt;
    if (!b)
      return false;
    Id id = op.id;
    if (op.id == Id::Sub) {
      b = -*b;
      id = Id::Addi;
    } else if (auto form = immediateForms().find(op.id); form != immediateForms().end()) {
      id = form->second;
    }
    if (id == op.id || *b != int64_t(int32_t(*b)))
      return false;
    Operation made;
    made.id = id;
    made.set('d', op.operand('d'));
    made.set('a', op.operand('a'));
    made.set('i', int32_t(*b));
    op = made;
    return true;
  }

  /// Sums of sums and products of products with numbers.
  bool mergeImmediates(Operation &op) const {
    if (op.id != Id::Addi && op.id != Id::Muli)
      return false;
    const Operation *inner = definitionOf(op.value('a'));
    if (!inner || inner->id != op.id)
      return false;
    int64_t x = inner->operand('i'), y = op.operand('i'), both = op.id == Id::Addi ? x + y : x * y;
    if (both != int64_t(int32_t(both)))
      return false;
    op.set('a', inner->operand('a'));
    op.set('i', int32_t(both));
    return true;
  }

  /// The instruction that does the work of this one and of the one that makes an operand for it alone.
  bool combined(Operation &op, const VectorBlock &block) const {
    for (const Combination &c : combinations_) {
      if (c.outer != op.id)
        continue;
      for (char operand : {c.operand, c.operand == 'a' ? 'b' : 'a'}) {
        if (operand != c.operand && !isCommutative(op.id))
          continue;
        Value inner = op.value(operand);
        const Operation *definition = definitionOf(inner);
        if (!definition || definition->id != c.inner || uses_[inner.index] != 1 ||
            blocks_[inner.index] != &block)
          continue;
        Operation made;
        made.id = c.whole;
        made.set('d', op.operand('d'));
        char next = 'a';
        for (const Operation *from : {definition, static_cast<const Operation *>(&op)})
          for (char name = 'a'; name <= 'c'; ++name)
            if (from->position(name) >= 0 && (from != &op || name != operand))
              made.set(next++, from->operand(name));
        op = made;
        return true;
      }
    }
    return false;
  }

  /// Null for what no operation before made, constants of this pass among them.
  const Operation *definitionOf(Value value) const {
    return value.index < definitions_.size() ? definitions_[value.index] : nullptr;
  }

  VectorFunction &function_;
  const mortise::Hardware &hardware_;
  Replacement replaced_;
  std::vector<unsigned> uses_;
  std::vector<const Operation *> definitions_;
  std::vector<const VectorBlock *> blocks_;
  std::vector<Combination> combinations_;
  bool changed_ = false;
};

} // namespace

bool foldAndMatch(VectorFunction &function, const mortise::Hardware &hardware) {
  return Folder(function, hardware).run();
}

} // namespace tenon::npu
