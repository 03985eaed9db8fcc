// Checked evaluation of size expressions, shared by the runtime and the compiler.
#pragma once

#include "package/model.h"

#include <cstdint>

namespace tenon::package {

inline constexpr uint8_t kExprOpCount = 18;

/// How many of the operands a, b, c the operation reads.
uint32_t operandCount(ExprOp op);

/// "add", "floordiv", ...
const char *name(ExprOp op);

/// Applies one operation; false on overflow and division by zero. External is not an operation.
[[nodiscard]] bool evaluate(ExprOp op, int64_t a, int64_t b, int64_t c, int64_t imm, int64_t &result);

/// Bytes of a tensor of `elements` elements, rounded up to whole bytes; false on overflow or a negative
/// count.
[[nodiscard]] bool tensorBytes(DType dtype, int64_t elements, int64_t &bytes);

} // namespace tenon::package
