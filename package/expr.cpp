#include "package/expr.h"

namespace tenon::package {

uint32_t operandCount(ExprOp op) {
  switch (op) {
  case ExprOp::Const:
  case ExprOp::External:
    return 0;
  case ExprOp::Not:
    return 1;
  case ExprOp::Select:
    return 3;
  default:
    return 2;
  }
}

const char *name(ExprOp op) {
  constexpr const char *names[kExprOpCount] = {"const", "add",    "sub", "mul", "floordiv", "ceildiv",
                                               "mod",   "min",    "max", "eq",  "ne",       "lt",
                                               "le",    "select", "and", "or",  "not",      "external"};
  return static_cast<uint8_t>(op) < kExprOpCount ? names[static_cast<uint8_t>(op)] : "invalid";
}

static bool floorDiv(int64_t a, int64_t b, int64_t &result) {
  if (b == 0 || (a == INT64_MIN && b == -1))
    return false;
  result = a / b;
  if (a % b != 0 && (a < 0) != (b < 0))
    --result;
  return true;
}

static bool ceilDiv(int64_t a, int64_t b, int64_t &result) {
  if (b == 0 || (a == INT64_MIN && b == -1))
    return false;
  result = a / b;
  if (a % b != 0 && (a < 0) == (b < 0))
    ++result;
  return true;
}

static bool floorMod(int64_t a, int64_t b, int64_t &result) {
  if (b == 0)
    return false;
  // -1 divides everything; the hardware's remainder of INT64_MIN by -1 traps.
  result = b == -1 ? 0 : a % b;
  if (result != 0 && (result < 0) != (b < 0))
    result += b;
  return true;
}

bool evaluate(ExprOp op, int64_t a, int64_t b, int64_t c, int64_t imm, int64_t &result) {
  switch (op) {
  case ExprOp::Const:
    result = imm;
    return true;
  case ExprOp::Add:
    return !__builtin_add_overflow(a, b, &result);
  case ExprOp::Sub:
    return !__builtin_sub_overflow(a, b, &result);
  case ExprOp::Mul:
    return !__builtin_mul_overflow(a, b, &result);
  case ExprOp::FloorDiv:
    return floorDiv(a, b, result);
  case ExprOp::CeilDiv:
    return ceilDiv(a, b, result);
  case ExprOp::Mod:
    return floorMod(a, b, result);
  case ExprOp::Min:
    result = a < b ? a : b;
    return true;
  case ExprOp::Max:
    result = a > b ? a : b;
    return true;
  case ExprOp::Eq:
    result = a == b;
    return true;
  case ExprOp::Ne:
    result = a != b;
    return true;
  case ExprOp::Lt:
    result = a < b;
    return true;
  case ExprOp::Le:
    result = a <= b;
    return true;
  case ExprOp::Select:
    result = a ? b : c;
    return true;
  case ExprOp::And:
    result = a && b;
    return true;
  case ExprOp::Or:
    result = a || b;
    return true;
  case ExprOp::Not:
    result = !a;
    return true;
  case ExprOp::External:
    return false;
  }
  return false;
}

bool tensorBytes(DType dtype, int64_t elements, int64_t &bytes) {
  int64_t bits = 0;
  if (elements < 0 || __builtin_mul_overflow(elements, static_cast<int64_t>(bitWidth(dtype)), &bits) ||
      bits > INT64_MAX - 7)
    return false;
  bytes = (bits + 7) / 8;
  return true;
}

} // namespace tenon::package
