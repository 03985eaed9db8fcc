// The meaning of lane-wise and scalar instructions as trees, from the expressions of the table: what
// instruction selection matches, and which instructions do the work of two.
#pragma once

#include "isa/mortise/Isa.h"

namespace tenon::mortise {

/// What a row's expression computes on.
enum class Domain : uint8_t { Scalar, Branch, Float, Integer, CompareFloat, CompareInteger };

/// A function or operator of other patterns, an operand of the instruction, or a number.
struct Pattern {
  enum class Kind : uint8_t { Function, Operand, Number };
  Kind kind = Kind::Function;
  std::string name; ///< function (as in sim/functional/Semantics.h), operator ("+", "<", "?:"), or the number
  char operand = 0; ///< a, b, c: registers; i: the immediate
  std::vector<Pattern> arguments;

  bool operator==(const Pattern &) const = default;
};

/// Null where the row's meaning is no expression of its operands alone.
const Pattern *patternOf(Id id);
std::optional<Domain> domainOf(Id id);
/// `name(argument, ...)`.
std::string toText(const Pattern &pattern);

/// `whole` computes what `outer` does with the result of `inner` in place of `operand`; the other operands of
/// the two keep their order: first those of the inner, then those of the outer.
struct Combination {
  Id whole, outer, inner;
  char operand;
};
/// All of them, in the order of the table. They are exact: rounding is part of the meaning (`fma` is no
/// product and sum).
const std::vector<Combination> &combinations();

} // namespace tenon::mortise
