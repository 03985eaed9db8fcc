// The table's expressions on constants. Written apart from the simulator's semantics: the tests compare the
// two.

#include "compiler/emit/mortise/vector/Combine.h"

#include "isa/mortise/Pattern.h"

#include <bit>

namespace tenon::npu {

using mortise::Domain, mortise::Pattern;

namespace {

struct Operands {
  int64_t a, b, c, i;
};

template <typename Integer> class IntegerEvaluator {
public:
  explicit IntegerEvaluator(const Operands &operands) : operands_(operands) {}

  std::optional<Integer> run(const Pattern &pattern) const {
    if (pattern.kind == Pattern::Kind::Number)
      return pattern.name == "true" ? 1 : Integer(std::stoll(pattern.name));
    if (pattern.kind == Pattern::Kind::Operand)
      return Integer(operand(pattern.operand));
    std::vector<Integer> values;
    for (const Pattern &argument : pattern.arguments) {
      std::optional<Integer> value = run(argument);
      if (!value)
        return std::nullopt;
      values.push_back(*value);
    }
    if (values.size() == 3 && pattern.name == "?:")
      return values[0] ? values[1] : values[2];
    if (values.size() == 2)
      return binary(pattern.name, values[0], values[1]);
    return std::nullopt;
  }

private:
  using Unsigned = std::make_unsigned_t<Integer>;
  int64_t operand(char name) const {
    return name == 'a' ? operands_.a : name == 'b' ? operands_.b : name == 'c' ? operands_.c : operands_.i;
  }

  static std::optional<Integer> binary(const std::string &name, Integer a, Integer b) {
    constexpr int bits = sizeof(Integer) * 8;
    auto ua = Unsigned(a), ub = Unsigned(b);
    int shift = int(ub & Unsigned(bits - 1));
    if (name == "wrapAdd")
      return Integer(ua + ub);
    if (name == "wrapSub")
      return Integer(ua - ub);
    if (name == "wrapMul")
      return Integer(ua * ub);
    if (name == "&")
      return Integer(ua & ub);
    if (name == "|")
      return Integer(ua | ub);
    if (name == "^")
      return Integer(ua ^ ub);
    if (name == "<")
      return a < b;
    if (name == ">")
      return a > b;
    if (name == "divide")
      return ub == 0 ? 0 : b == -1 ? Integer(Unsigned(0) - ua) : Integer(a / b);
    if (name == "remainder")
      return ub == 0 ? a : b == -1 ? 0 : Integer(a % b);
    if (name == "joinHalves")
      return Integer(int64_t((uint64_t(a) << 32) | (uint64_t(b) & 0xffffffff)));
    if (name == "shiftLeft")
      return Integer(ua << shift);
    if (name == "shiftRight")
      return Integer(ua >> shift);
    if (name == "shiftRightSigned")
      return Integer(a >> shift);
    return std::nullopt;
  }

  const Operands &operands_;
};

std::optional<int64_t> evaluateFloat(const std::string &name, int64_t left, int64_t right) {
  auto a = std::bit_cast<float>(int32_t(left)), b = std::bit_cast<float>(int32_t(right));
  if (name != "+" && name != "-" && name != "*")
    return std::nullopt;
  float result = name == "+" ? a + b : name == "-" ? a - b : a * b;
  // Which NaN comes out is the machine's affair.
  return result == result ? std::optional<int64_t>(std::bit_cast<int32_t>(result)) : std::nullopt;
}

} // namespace

std::optional<int64_t> evaluate(Id id, int64_t a, int64_t b, int64_t c, int64_t i) {
  const Pattern *pattern = mortise::patternOf(id);
  std::optional<Domain> domain = mortise::domainOf(id);
  if (!pattern || !domain)
    return std::nullopt;
  Operands operands{a, b, c, i};
  if (*domain == Domain::Scalar)
    return IntegerEvaluator<int64_t>(operands).run(*pattern);
  if (*domain == Domain::Integer)
    return IntegerEvaluator<int32_t>(operands).run(*pattern);
  bool isBinary = *domain == Domain::Float && pattern->arguments.size() == 2 &&
                  pattern->arguments[0].kind == Pattern::Kind::Operand &&
                  pattern->arguments[1].kind == Pattern::Kind::Operand;
  return isBinary ? evaluateFloat(pattern->name, a, b) : std::nullopt;
}

} // namespace tenon::npu
