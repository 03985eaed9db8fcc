//===- IndexMap.cpp - from indices of a result to those of what it is made of --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/IndexMap.h"

#include <algorithm>

namespace tenon::npu {

namespace {

/// Quotient and remainder of an index by an extent, where both are affine for all digits.
struct Division {
  AffineIndex quotient, remainder;
};

std::optional<Division> divide(const AffineIndex &index, int64_t extent, llvm::ArrayRef<int64_t> digits,
                               std::optional<DigitCut> &cut) {
  Division result;
  auto floor = [&](int64_t x) { return x >= 0 ? x / extent : -((-x + extent - 1) / extent); };
  result.quotient.constant = floor(index.constant);
  result.remainder.constant = index.constant - result.quotient.constant * extent;
  int64_t least = result.remainder.constant, most = least;
  for (auto [i, factor] : llvm::enumerate(index.factors)) {
    bool whole = factor % extent == 0;
    result.quotient.factors.push_back(whole ? factor / extent : 0);
    result.remainder.factors.push_back(whole ? 0 : factor);
    int64_t reach = whole ? 0 : factor * (digits[i] - 1);
    (reach < 0 ? least : most) += reach;
    bool helps = !whole && factor > 0 && extent % factor == 0 && digits[i] % (extent / factor) == 0 &&
                 digits[i] > extent / factor;
    if (helps && !cut)
      cut = DigitCut{i, extent / factor};
  }
  if (least < 0 || most >= extent)
    return std::nullopt;
  return result;
}

void cutBox(const MovedBox &box, const AffineIndex &index, int64_t low, int64_t high,
            std::vector<MovedBox> &inside, std::vector<MovedBox> &outside) {
  int64_t least = index.constant, most = least;
  size_t widest = 0;
  for (size_t i = 0; i < index.factors.size(); ++i) {
    int64_t first = index.factors[i] * box.low[i], last = index.factors[i] * (box.high[i] - 1);
    least += std::min(first, last);
    most += std::max(first, last);
    auto reach = [&](size_t d) { return std::abs(index.factors[d]) * (box.high[d] - box.low[d] - 1); };
    if (reach(i) > reach(widest))
      widest = i;
  }
  if (least >= low && most < high) {
    inside.push_back(box);
    return;
  }
  if (most < low || least >= high) {
    outside.push_back(box);
    return;
  }
  // By the digit that reaches farthest: most of its numbers are on one side whatever the others are.
  int64_t others = most - least - std::abs(index.factors[widest]) * (box.high[widest] - box.low[widest] - 1);
  auto sideOf = [&](int64_t digit) {
    int64_t first =
        least + (index.factors[widest] > 0 ? digit - box.low[widest] : box.high[widest] - 1 - digit) *
                    std::abs(index.factors[widest]);
    return first >= low && first + others < high ? 0 : first + others < low || first >= high ? 1 : 2;
  };
  for (int64_t digit = box.low[widest]; digit < box.high[widest];) {
    int side = sideOf(digit);
    MovedBox part = box;
    part.low[widest] = digit++;
    while (side < 2 && digit < box.high[widest] && sideOf(digit) == side)
      ++digit;
    part.high[widest] = digit;
    if (side == 2)
      cutBox(part, index, low, high, inside, outside);
    else
      (side == 0 ? inside : outside).push_back(part);
  }
}

} // namespace

std::optional<IndexMap> throughReshape(const IndexMap &map, llvm::ArrayRef<int64_t> shape,
                                       llvm::ArrayRef<int64_t> operand, llvm::ArrayRef<int64_t> digits,
                                       std::optional<DigitCut> &cut) {
  AffineIndex none{0, llvm::SmallVector<int64_t>(digits.size(), 0)};
  IndexMap result(operand.size(), none);
  // From the last axes on, groups that hold as many elements on both sides.
  size_t i = shape.size(), j = operand.size();
  while (i > 0 || j > 0) {
    AffineIndex place = none;
    int64_t left = 1, right = 1;
    size_t end = j;
    do {
      bool takeLeft = j == 0 || (i > 0 && left <= right);
      if (takeLeft) {
        const AffineIndex &index = map[--i];
        place.constant += index.constant * left;
        for (auto [sum, factor] : llvm::zip_equal(place.factors, index.factors))
          sum += factor * left;
        left *= shape[i];
      } else {
        right *= operand[--j];
      }
    } while (left != right && (i > 0 || j > 0));
    for (size_t axis = end; axis-- > j;) {
      bool last = std::all_of(operand.begin() + long(j), operand.begin() + long(axis),
                              [](int64_t e) { return e == 1; });
      if (operand[axis] == 1)
        continue;
      if (last) {
        result[axis] = place;
        break;
      }
      std::optional<Division> parts = divide(place, operand[axis], digits, cut);
      if (!parts)
        return std::nullopt;
      result[axis] = parts->remainder;
      place = parts->quotient;
    }
  }
  return result;
}

void cutBoxes(const std::vector<MovedBox> &boxes, const AffineIndex &index, int64_t low, int64_t high,
              std::vector<MovedBox> &inside, std::vector<MovedBox> &outside) {
  for (const MovedBox &box : boxes)
    cutBox(box, index, low, high, inside, outside);
}

} // namespace tenon::npu
