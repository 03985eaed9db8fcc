//===- RepeatPattern.h - where elements of a broadcast operand lie --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/tile/Rowwise.h"

#include <optional>
#include <span>

namespace tenon::npu {

/// Which element of an operand each element of a result reads, the result's in row-major order: element i is
/// written in digits of the axes' counts, and each digit moves by its axis' stride. Axes of one element are
/// left out, and neighbours that move as one are one.
class RepeatPattern {
public:
  using Axis = RowOperand::Axis;
  /// Each element reads the one of its own number.
  explicit RepeatPattern(int64_t count) : axes_{{count, 1}} { simplify(); }
  explicit RepeatPattern(std::vector<Axis> axes) : axes_(std::move(axes)) { simplify(); }

  /// Outermost first; there is at least one.
  const std::vector<Axis> &axes() const { return axes_; }
  bool isConstant() const { return axes_.size() == 1 && axes_[0].stride == 0; }
  /// What reads elements of `to` reads of `from`, which is broadcast to it. The shapes have as many axes.
  /// Nothing where an axis of the pattern crosses those of the shape.
  std::optional<RepeatPattern> throughBroadcast(std::span<const int64_t> from,
                                                std::span<const int64_t> to) const;
  /// The pattern of rows of `length` elements, and that within a row. Nothing where rows differ.
  struct Split {
    std::vector<Axis> rows; ///< at least one
    std::vector<Axis> row;
    /// A row is read element by element, or all of it reads one element.
    bool isRow() const { return row.size() == 1 && row[0].stride == 1; }
    bool isNumber() const { return row.size() == 1 && row[0].stride == 0; }
  };
  std::optional<Split> split(int64_t length) const;

  bool operator==(const RepeatPattern &other) const;

private:
  void simplify();

  std::vector<Axis> axes_;
};

} // namespace tenon::npu
