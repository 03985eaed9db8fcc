// The unary functions that kernels compute in f32, and what each promises.
#pragma once

#include <vector>

namespace tenon::math {

/// In what an error is told.
enum class Unit {
  Result,  // the last place of the true result
  Argument // the last place of the argument: functions near x or 0 that cancel in their negative tail
};

struct UnaryFunction {
  const char *name;
  const char *operation;   // a tenon operation on %x, without its types
  double (*truth)(double); // to about the precision of double
  double bound;            // in units of the last place
  Unit unit = Unit::Result;
  double limit = 0;     // larger arguments are not judged; 0: all are
  double vanishing = 0; // results that are truly smaller may be zero; 0: none may
};

/// All of them, in the order of the documentation (docs/math.md).
const std::vector<UnaryFunction> &unaryFunctions();

} // namespace tenon::math
