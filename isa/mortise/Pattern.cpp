#include "isa/mortise/Pattern.h"

#include <algorithm>

namespace tenon::mortise {

namespace {

struct Expression {
  Id id;
  Domain domain;
  const char *text;
};

constexpr Expression kExpressions[] = {
#define MORTISE_INSTRUCTION(code, Id, mnemonic, operands, unit, latency, action, semantics)
#define MORTISE_SCALAR(code, Id_, mnemonic, operands, latency, expression)                                   \
  {Id::Id_, Domain::Scalar, #expression},
#define MORTISE_BRANCH(code, Id_, mnemonic, operands, condition) {Id::Id_, Domain::Branch, #condition},
#define MORTISE_FLOAT(code, Id_, mnemonic, operands, latency, action, expression)                            \
  {Id::Id_, Domain::Float, #expression},
#define MORTISE_INTEGER(code, Id_, mnemonic, operands, latency, action, expression)                          \
  {Id::Id_, Domain::Integer, #expression},
#define MORTISE_COMPARE_FLOAT(code, Id_, mnemonic, operands, latency, expression)                            \
  {Id::Id_, Domain::CompareFloat, #expression},
#define MORTISE_COMPARE_INTEGER(code, Id_, mnemonic, operands, latency, expression)                          \
  {Id::Id_, Domain::CompareInteger, #expression},
#include "isa/mortise/Instructions.def"
};

/// The part of C++ that the table's expressions use.
class Parser {
public:
  explicit Parser(std::string_view text) : text_(text) {}
  Pattern parse() {
    Pattern result = conditional();
    if (skipSpace(); !text_.empty())
      fail();
    return result;
  }

private:
  [[noreturn]] void fail() const {
    throw Error("TN1099",
                "an expression of the instruction table cannot be read at '" + std::string(text_) + "'");
  }
  void skipSpace() {
    while (!text_.empty() && text_.front() == ' ')
      text_.remove_prefix(1);
  }
  bool take(std::string_view token) {
    skipSpace();
    if (!text_.starts_with(token))
      return false;
    text_.remove_prefix(token.size());
    return true;
  }
  static Pattern function(std::string_view name, std::vector<Pattern> arguments) {
    return {Pattern::Kind::Function, std::string(name), 0, std::move(arguments)};
  }

  Pattern conditional() {
    Pattern condition = binary(0);
    if (!take("?"))
      return condition;
    Pattern then = conditional();
    if (!take(":"))
      fail();
    return function("?:", {std::move(condition), std::move(then), conditional()});
  }

  /// Operators by rising precedence; longer ones first.
  Pattern binary(size_t level) {
    static const std::vector<std::vector<std::string_view>> kLevels = {
        {"|"}, {"^"}, {"&"}, {"==", "!="}, {"<=", ">=", "<", ">"}, {"+", "-"}, {"*", "/"}};
    if (level == kLevels.size())
      return unary();
    Pattern left = binary(level + 1);
    for (bool found = true; found;) {
      found = false;
      for (std::string_view op : kLevels[level])
        if (!found && take(op)) {
          found = true;
          left = function(op, {std::move(left), binary(level + 1)});
        }
    }
    return left;
  }

  Pattern unary() {
    if (take("-"))
      return function("-", {unary()});
    if (take("(")) {
      Pattern inner = conditional();
      if (!take(")"))
        fail();
      return inner;
    }
    skipSpace();
    size_t length = 0;
    while (length < text_.size() && (isalnum(text_[length]) || text_[length] == '.' || text_[length] == '_'))
      ++length;
    std::string name(text_.substr(0, length));
    text_.remove_prefix(length);
    if (name.empty())
      fail();
    if (isdigit(name[0]) || name == "true")
      return {Pattern::Kind::Number, name, 0, {}};
    if (!take("(")) {
      if (name.size() != 1)
        fail();
      return {Pattern::Kind::Operand, "", name[0], {}};
    }
    std::vector<Pattern> arguments;
    do
      arguments.push_back(conditional());
    while (take(","));
    if (!take(")"))
      fail();
    return function(name, std::move(arguments));
  }

  std::string_view text_;
};

struct Table {
  std::array<std::optional<Pattern>, size_t(Id::Count)> patterns;
  std::array<std::optional<Domain>, size_t(Id::Count)> domains;
  std::vector<Combination> combinations;
  Table();
};

/// The pattern with operands a, b, c renamed: `names[k]` for the k-th; `with` in place of `operand`.
Pattern substituted(const Pattern &pattern, const std::string &names, char operand, const Pattern *with) {
  if (pattern.kind == Pattern::Kind::Operand) {
    if (with && pattern.operand == operand)
      return *with;
    Pattern renamed = pattern;
    if (pattern.operand >= 'a' && pattern.operand <= 'c')
      renamed.operand = names[size_t(pattern.operand - 'a')];
    return renamed;
  }
  Pattern result = pattern;
  for (Pattern &argument : result.arguments)
    argument = substituted(argument, names, operand, with);
  return result;
}

unsigned operandsOf(const Row &row) {
  return unsigned(std::count_if(row.operands.begin(), row.operands.begin() + row.operandCount,
                                [](const OperandInfo &o) { return o.name >= 'a' && o.name <= 'c'; }));
}

Table::Table() {
  for (const Expression &expression : kExpressions) {
    patterns[size_t(expression.id)] = Parser(expression.text).parse();
    domains[size_t(expression.id)] = expression.domain;
  }
  auto computes = [&](Id id) {
    return domains[size_t(id)] == Domain::Float || domains[size_t(id)] == Domain::Integer;
  };
  for (const Row &whole : rows())
    for (const Row &outer : rows())
      for (const Row &inner : rows()) {
        bool candidates = computes(whole.id) && domains[size_t(whole.id)] == domains[size_t(outer.id)] &&
                          domains[size_t(outer.id)] == domains[size_t(inner.id)];
        unsigned innerCount = operandsOf(inner), outerCount = operandsOf(outer);
        // Moves combine with anything and say nothing.
        if (!candidates || whole.id == outer.id || outer.id == Id::Vmov || inner.id == Id::Vmov ||
            operandsOf(whole) != innerCount + outerCount - 1)
          continue;
        Pattern part = substituted(*patterns[size_t(inner.id)], "abc", 0, nullptr);
        for (char operand = 'a'; operand < char('a' + outerCount); ++operand) {
          std::string names = "   ";
          char next = char('a' + innerCount);
          for (char o = 'a'; o < char('a' + outerCount); ++o)
            if (o != operand)
              names[size_t(o - 'a')] = next++;
          if (substituted(*patterns[size_t(outer.id)], names, operand, &part) == *patterns[size_t(whole.id)])
            combinations.push_back({whole.id, outer.id, inner.id, operand});
        }
      }
}

const Table &table() {
  static const Table instance;
  return instance;
}

} // namespace

const Pattern *patternOf(Id id) {
  const std::optional<Pattern> &pattern = table().patterns[size_t(id)];
  return pattern ? &*pattern : nullptr;
}

std::optional<Domain> domainOf(Id id) { return table().domains[size_t(id)]; }

std::string toText(const Pattern &pattern) {
  if (pattern.kind == Pattern::Kind::Operand)
    return {pattern.operand};
  if (pattern.kind == Pattern::Kind::Number)
    return pattern.name;
  std::string text = pattern.name + "(";
  for (size_t i = 0; i < pattern.arguments.size(); ++i)
    text += (i ? ", " : "") + toText(pattern.arguments[i]);
  return text + ")";
}

const std::vector<Combination> &combinations() { return table().combinations; }

} // namespace tenon::mortise
