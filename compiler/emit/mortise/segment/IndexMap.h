//===- IndexMap.h - from indices of a result to those of what it is made of --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The index of a value along each of its axes is an affine function of a few digits, which are the result's
// axes or parts of them: a reshape that cuts an axis makes two digits of one.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/tile/Movement.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

#include <optional>

namespace tenon::npu {

/// constant + the sum of digit[i] factors[i].
struct AffineIndex {
  int64_t constant = 0;
  llvm::SmallVector<int64_t> factors;
  bool operator==(const AffineIndex &) const = default;
};
/// One for each axis of a value.
using IndexMap = llvm::SmallVector<AffineIndex>;

/// A digit that must be cut in two, so that the inner part counts to `inner`.
struct DigitCut {
  size_t digit = 0;
  int64_t inner = 1;
};

/// Of a value that is reshaped from `operand` to `shape`: the map of the operand. Nothing where it is not
/// affine; `cut` says which digit to cut first, if that helps. `digits`: how far each counts.
std::optional<IndexMap> throughReshape(const IndexMap &map, llvm::ArrayRef<int64_t> shape,
                                       llvm::ArrayRef<int64_t> operand, llvm::ArrayRef<int64_t> digits,
                                       std::optional<DigitCut> &cut);

/// Cuts boxes of digits by whether `index` is in [low, high).
void cutBoxes(const std::vector<MovedBox> &boxes, const AffineIndex &index, int64_t low, int64_t high,
              std::vector<MovedBox> &inside, std::vector<MovedBox> &outside);

} // namespace tenon::npu
