//===- RepeatPattern.cpp - where elements of a broadcast operand lie --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/tile/RepeatPattern.h"

#include <algorithm>

namespace tenon::npu {

namespace {

using Axis = RepeatPattern::Axis;

/// An axis of a shape that is broadcast to another.
struct BroadcastAxis {
  int64_t count, weight,
      stride; ///< in the result; elements of the result and of the source between neighbours
};

/// From the innermost axis on.
std::vector<BroadcastAxis> broadcastAxes(std::span<const int64_t> from, std::span<const int64_t> to) {
  std::vector<BroadcastAxis> axes;
  int64_t weight = 1, stride = 1;
  for (size_t i = to.size(); i--;) {
    axes.push_back({to[i], weight, from[i] == to[i] ? stride : 0});
    weight *= to[i];
    stride *= from[i];
  }
  return axes;
}

void merge(std::vector<Axis> &axes) {
  std::vector<Axis> merged;
  for (const Axis &axis : axes) {
    if (axis.count == 1)
      continue;
    if (!merged.empty() && merged.back().stride == axis.stride * axis.count)
      merged.back() = {merged.back().count * axis.count, axis.stride};
    else
      merged.push_back(axis);
  }
  // One element is read as a row of one.
  if (merged.empty())
    merged.push_back({1, 0});
  axes = std::move(merged);
}

} // namespace

void RepeatPattern::simplify() { merge(axes_); }

bool RepeatPattern::operator==(const RepeatPattern &other) const {
  return std::equal(axes_.begin(), axes_.end(), other.axes_.begin(), other.axes_.end(),
                    [](const Axis &a, const Axis &b) { return a.count == b.count && a.stride == b.stride; });
}

std::optional<RepeatPattern> RepeatPattern::throughBroadcast(std::span<const int64_t> from,
                                                             std::span<const int64_t> to) const {
  std::vector<BroadcastAxis> shape = broadcastAxes(from, to);
  std::vector<Axis> found; // innermost first
  for (auto axis = axes_.rbegin(); axis != axes_.rend(); ++axis) {
    int64_t count = axis->count, stride = axis->stride;
    if (stride == 0) {
      found.push_back(*axis);
      continue;
    }
    // Axis by axis of the shape, from the one that the stride begins in.
    for (const BroadcastAxis &of : shape) {
      if (count == 1)
        break;
      if (of.count == 1 || stride >= of.weight * of.count)
        continue;
      int64_t places = stride / of.weight;
      if (stride % of.weight || of.count % places)
        return std::nullopt;
      int64_t here = std::min(count, of.count / places);
      if (count % here)
        return std::nullopt;
      found.push_back({here, places * of.stride});
      count /= here;
      stride = of.weight * of.count;
    }
    if (count != 1)
      return std::nullopt;
  }
  std::reverse(found.begin(), found.end());
  return RepeatPattern(std::move(found));
}

std::optional<RepeatPattern::Split> RepeatPattern::split(int64_t length) const {
  Split split;
  int64_t left = length; // elements of a row that the axes so far do not make
  for (auto axis = axes_.rbegin(); axis != axes_.rend(); ++axis) {
    if (left == 1) {
      split.rows.insert(split.rows.begin(), *axis);
      continue;
    }
    int64_t here = std::min(left, axis->count);
    if (left % here || axis->count % here)
      return std::nullopt;
    split.row.insert(split.row.begin(), {here, axis->stride});
    if (axis->count > here)
      split.rows.insert(split.rows.begin(), {axis->count / here, axis->stride * here});
    left /= here;
  }
  if (left != 1)
    return std::nullopt;
  merge(split.row);
  merge(split.rows);
  return split;
}

} // namespace tenon::npu
