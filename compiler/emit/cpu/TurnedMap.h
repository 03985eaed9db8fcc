//===- TurnedMap.h - maps that turn matrices
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What lies side by side in the operands of a map and what does in its result are positions along two
// different axes: vectors are read along the one, as many as a vector has lanes, turned in registers, and
// stored along the other. Several elements that stay beside each other (the bytes of a group in a packed
// operand) move as one of their width together.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/KernelFamilies.h"
#include <optional>

namespace tenon::cpu {

/// How the elements of a map's result come from its operands. Does not depend on the ISA.
struct TurnedForm {
  unsigned across = 0;     ///< the axis of the result along which operands are read
  unsigned along = 0;      ///< the axis of the result along which it is stored
  int64_t group = 1;       ///< elements that stay beside each other, along an axis behind `along`
  int64_t mostLanes = 16;  ///< of a vector, so that none crosses the end of a row
  bool fixedSizes = false; ///< both axes are multiples of any such vector
};

/// The form of a kernel of the family `map`, or nothing where another form serves it better.
std::optional<TurnedForm> turnedForm(KernelBuilder &k);

mlir::LogicalResult emitTurnedMap(KernelBuilder &k, KernelShape &shape, const TurnedForm &form);

} // namespace tenon::cpu
