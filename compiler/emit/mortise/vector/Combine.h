// The combiner: what a kernel computes, in fewer and cheaper instructions.
#pragma once

#include "compiler/emit/mortise/vector/VectorFunction.h"

#include "isa/mortise/Hardware.h"

namespace tenon::npu {

/// All of the parts below, until nothing changes. Results stay bit for bit the same, unless the function
/// allows contraction.
void combine(VectorFunction &function, const mortise::Hardware &hardware);

/// Instructions of constants become constants, neutral operands vanish, constants become immediates where the
/// table has such a form of the same meaning, and two instructions become the one that `combinations()` of
/// the table names. Returns whether anything changed.
bool foldAndMatch(VectorFunction &function, const mortise::Hardware &hardware);
/// Equal instructions on equal operands become one; what does not change in a loop moves before it. Loads
/// take part where nothing stores to their object.
bool shareAndHoist(VectorFunction &function);
/// Constant distances move from additions into the offsets of loads and stores, and into their increments
/// where a loop carries the address.
bool foldAddresses(VectorFunction &function);
/// Removes what nobody uses.
bool removeDead(VectorFunction &function);

/// Replaces short loops of constant count within other loops by copies of their bodies. Returns whether there
/// were any.
bool unrollShortLoops(VectorFunction &function);

/// The value of a pattern of the table on constants: lanes are 32 bits, scalars 64. Nothing where it is not
/// exact integer arithmetic, or a sum, difference or product of floats.
std::optional<int64_t> evaluate(Id id, int64_t a, int64_t b, int64_t c, int64_t i);

} // namespace tenon::npu
