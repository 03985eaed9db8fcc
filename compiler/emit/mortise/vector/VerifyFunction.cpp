// The verifier and the text of a VectorFunction.

#include "compiler/emit/mortise/vector/VectorFunction.h"

namespace tenon::npu {

using mortise::Error, mortise::OperandKind, mortise::Row, mortise::Unit;

namespace {

class Verifier {
public:
  explicit Verifier(const VectorFunction &function)
      : function_(function), visible_(function.values.size(), false), defined_(visible_) {
    for (uint32_t i = 0; i < function.values.size(); ++i)
      visible_[i] = defined_[i] = function.values[i].kind != ValueInfo::Kind::Computed;
  }
  void run() { block(function_.body, 0); }

private:
  [[noreturn]] void fail(const std::string &what) const {
    throw Error("TN1350", "kernel '" + function_.name + "': " + what);
  }
  void define(Value value, RegisterClass registerClass, const std::string &where) {
    if (value.index >= defined_.size())
      fail(where + " defines no value of this kernel");
    if (defined_[value.index])
      fail(where + " defines %" + std::to_string(value.index) + " a second time");
    if (function_.info(value).registerClass != registerClass)
      fail(where + " defines %" + std::to_string(value.index) + ", which is of another class");
    defined_[value.index] = visible_[value.index] = true;
    scope_.push_back(value.index);
  }
  void use(Value value, RegisterClass registerClass, const std::string &where) const {
    if (value.index >= visible_.size())
      fail(where + " uses no value of this kernel");
    if (!visible_[value.index])
      fail(where + " uses %" + std::to_string(value.index) + ", which is not defined there");
    if (function_.info(value).registerClass != registerClass)
      fail(where + " uses %" + std::to_string(value.index) + ", which is of another class");
  }

  void operation(const Operation &op) {
    const Row &row = op.row();
    std::string where = std::string("'") + row.mnemonic + " " + row.syntax + "'";
    bool control = row.unit == Unit::Control || op.id == Id::Loop || op.id == Id::Loopi || op.id == Id::Ret;
    for (unsigned k = 0; k < row.operandCount; ++k)
      control |= row.operands[k].kind == OperandKind::Label;
    if (control)
      fail(where + " is no instruction of a block: control flow is made of loops");
    if (isMemory(op.id) && op.object >= function_.objects.size())
      fail(where + " names no memory object");
    for (unsigned k = 0; k < row.operandCount; ++k) {
      OperandKind kind = row.operands[k].kind;
      if (auto registerClass = classOf(kind)) {
        if (isRead(row, k))
          use({uint32_t(op.operands[k])}, *registerClass, where);
        continue;
      }
      auto [low, high] = mortise::operandRange(kind);
      if (op.operands[k] < low || op.operands[k] > high)
        fail(where + " has " + std::to_string(op.operands[k]) + " as operand '" + row.operands[k].name +
             "', which must be from " + std::to_string(low) + " to " + std::to_string(high));
    }
    for (unsigned k = 0; k < row.operandCount; ++k)
      if (classOf(row.operands[k].kind) && !isRead(row, k))
        define({uint32_t(op.operands[k])}, *classOf(row.operands[k].kind), where);
    bool advances = hasOffset(op.id) && op.operand('j') != 0;
    if (advances != op.advanced.isValid())
      fail(where + " must define an address exactly if its increment is not 0");
    if (advances)
      define(op.advanced, RegisterClass::Scalar, where);
  }

  void loop(const VectorLoop &loop, unsigned depth) {
    if (depth >= mortise::kLoopDepth)
      throw Error("TN1352", "kernel '" + function_.name + "': loops are nested deeper than " +
                                std::to_string(mortise::kLoopDepth) + "; unroll or merge the innermost ones");
    if (loop.count.isConstant() && (loop.count.count < 0 || loop.count.count >= int64_t(1) << 20))
      fail("a loop's count is " + std::to_string(loop.count.count) +
           ", which must be from 0 to 2^20 - 1; take a scalar for larger ones");
    if (!loop.count.isConstant())
      use(loop.count.value, RegisterClass::Scalar, "a loop's count");
    for (const Carried &carried : loop.carried)
      use(carried.initial, function_.info(carried.inside).registerClass, "an initial value");
    size_t outer = scope_.size();
    for (const Carried &carried : loop.carried)
      define(carried.inside, function_.info(carried.inside).registerClass, "a loop");
    block(loop.body, depth + 1);
    for (const Carried &carried : loop.carried)
      use(carried.yielded, function_.info(carried.inside).registerClass, "a yielded value");
    for (; scope_.size() > outer; scope_.pop_back())
      visible_[scope_.back()] = false;
    for (const Carried &carried : loop.carried)
      define(carried.result, function_.info(carried.inside).registerClass, "a loop");
  }

  void block(const VectorBlock &block, unsigned depth) {
    for (const Item &item : block.items)
      item.isLoop() ? loop(item.loop.front(), depth) : operation(item.operation);
  }

  const VectorFunction &function_;
  std::vector<bool> visible_, defined_;
  std::vector<uint32_t> scope_;
};

class Printer {
public:
  explicit Printer(const VectorFunction &function) : function_(function) {}
  std::string run() {
    text_ = "kernel " + function_.name + "(";
    for (size_t i = 0; i < function_.parameters.size(); ++i)
      text_ += (i ? ", " : "") + name(function_.parameters[i]) + ": " + function_.parameterNames[i];
    text_ += ") {\n";
    for (uint32_t i = 0; i < function_.values.size(); ++i)
      if (function_.values[i].kind == ValueInfo::Kind::Constant)
        text_ += "  %" + std::to_string(i) +
                 (function_.values[i].registerClass == RegisterClass::Scalar ? " = scalar " : " = splat ") +
                 std::to_string(function_.values[i].bits) + "\n";
    block(function_.body, 1);
    return text_ + "}\n";
  }

private:
  std::string name(Value value) const {
    return value == kAlways ? "always" : "%" + std::to_string(value.index);
  }

  void operation(const Operation &op, const std::string &indent) {
    const Row &row = op.row();
    std::string results, sources;
    for (unsigned k = 0; k < row.operandCount; ++k) {
      bool isRegister = classOf(row.operands[k].kind).has_value();
      std::string text = isRegister ? name({uint32_t(op.operands[k])}) : std::to_string(op.operands[k]);
      if (isRegister && !isRead(row, k))
        results = text;
      else
        sources += (sources.empty() ? " " : ", ") + text;
    }
    if (op.advanced.isValid())
      results += (results.empty() ? "" : ", ") + name(op.advanced);
    text_ += indent + results + (results.empty() ? "" : " = ") + row.mnemonic + sources;
    if (op.object != kNoObject)
      text_ += " @" + function_.objects[op.object].name;
    text_ += "\n";
  }

  void block(const VectorBlock &block, unsigned depth) {
    std::string indent(size_t(depth) * 2, ' ');
    for (const Item &item : block.items) {
      if (!item.isLoop()) {
        operation(item.operation, indent);
        continue;
      }
      const VectorLoop &loop = item.loop.front();
      text_ += indent;
      for (size_t i = 0; i < loop.carried.size(); ++i)
        text_ += (i ? ", " : "") + name(loop.carried[i].result);
      text_ += std::string(loop.carried.empty() ? "" : " = ") + "loop " +
               (loop.count.isConstant() ? std::to_string(loop.count.count) : name(loop.count.value)) + " (";
      for (size_t i = 0; i < loop.carried.size(); ++i)
        text_ += (i ? ", " : "") + name(loop.carried[i].inside) + " = " + name(loop.carried[i].initial);
      text_ += ") {\n";
      this->block(loop.body, depth + 1);
      text_ += indent + "  yield";
      for (size_t i = 0; i < loop.carried.size(); ++i)
        text_ += (i ? ", " : " ") + name(loop.carried[i].yielded);
      text_ += "\n" + indent + "}\n";
    }
  }

  const VectorFunction &function_;
  std::string text_;
};

} // namespace

void verify(const VectorFunction &function) { Verifier(function).run(); }
std::string toText(const VectorFunction &function) { return Printer(function).run(); }

} // namespace tenon::npu
