#include "tools/tenon/SizeText.h"

#include "package/expr.h"

namespace tenon::command {

namespace {

namespace fb = package::fb;
using package::ExprOp;

constexpr size_t kMaxLength = 160;

const char *infix(ExprOp op) {
  switch (op) {
  case ExprOp::Add:
    return " + ";
  case ExprOp::Sub:
    return " - ";
  case ExprOp::Mul:
    return " * ";
  case ExprOp::Eq:
    return " == ";
  case ExprOp::Ne:
    return " != ";
  case ExprOp::Lt:
    return " < ";
  case ExprOp::Le:
    return " <= ";
  default:
    return nullptr;
  }
}

/// In parentheses, unless it is one word or a call.
std::string operand(const std::string &text) {
  int depth = 0;
  for (char c : text) {
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (c == ' ' && depth == 0)
      return "(" + text + ")";
  }
  return text;
}

std::string textOf(const fb::Expr &expr, const std::vector<std::string> &texts) {
  ExprOp op = static_cast<ExprOp>(expr.op());
  if (op == ExprOp::Const)
    return std::to_string(expr.imm());
  if (op == ExprOp::External)
    return "?";
  if (const char *sign = infix(op))
    return operand(texts[expr.a()]) + sign + operand(texts[expr.b()]);
  uint32_t slots[] = {expr.a(), expr.b(), expr.c()};
  std::string result = std::string(package::name(op)) + "(";
  for (uint32_t i = 0; i < package::operandCount(op); ++i)
    result += (i ? ", " : "") + texts[slots[i]];
  return result + ")";
}

} // namespace

SizeTexts::SizeTexts(const fb::Function &function) {
  for (const fb::Symbol *symbol : *function.symbols())
    texts_.push_back(symbol->name()->str());
  for (const fb::Expr *expr : *function.exprs()) {
    std::string text = textOf(*expr, texts_);
    texts_.push_back(text.size() > kMaxLength ? "slot" + std::to_string(texts_.size()) : text);
  }
}

const std::string &SizeTexts::operator[](uint32_t slot) const {
  return slot < texts_.size() ? texts_[slot] : none_;
}

} // namespace tenon::command
