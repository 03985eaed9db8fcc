//===- ByteProof.cpp - functions of one or two bytes in few operations --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/segment/ByteProof.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace tenon::npu {

int32_t ByteForm::operator()(int32_t x, int32_t y) const {
  float value = std::fmaf(float(x), a, std::fmaf(float(y), b, c));
  return int32_t(std::clamp(std::nearbyint(double(value)), double(low), double(high)));
}

namespace {

class Fitter {
public:
  explicit Fitter(const ByteFunction &function) : f_(function) {
    for (int32_t x = f_.first.low; x <= f_.first.high; ++x)
      for (int32_t y = f_.second.low; y <= f_.second.high; ++y)
        values_.push_back(f_.byte(x, y));
    form_.low = *std::min_element(values_.begin(), values_.end());
    form_.high = *std::max_element(values_.begin(), values_.end());
  }

  std::optional<ByteForm> fit() {
    if (!findSlopes())
      return std::nullopt;
    constexpr int around = 4; // units of the last place, the nearest first
    const float a = form_.a, b = form_.b;
    bool one = f_.second.low == f_.second.high;
    for (int i = 0; i <= 2 * around; ++i)
      for (int j = 0; j <= (one ? 0 : 2 * around); ++j) {
        form_.a = neighbour(a, i);
        form_.b = neighbour(b, j);
        form_.c = float(at_ - double(form_.a) * x_ - double(form_.b) * y_);
        if (agrees())
          return form_;
      }
    return std::nullopt;
  }

private:
  /// 0, 1, -1, 2, ... units of the last place away.
  static float neighbour(float value, int i) {
    for (int steps = (i + 1) / 2; steps; --steps)
      value = std::nextafterf(value, i % 2 ? INFINITY : -INFINITY);
    return value;
  }
  int32_t valueAt(int32_t x, int32_t y) const {
    return values_[size_t((x - f_.first.low) * (f_.second.high - f_.second.low + 1) + y - f_.second.low)];
  }
  bool isInside(int32_t x, int32_t y) const {
    int32_t value = valueAt(x, y);
    return value > form_.low && value < form_.high;
  }

  /// The longest stretch along one byte between the ends of the function gives its slope.
  bool findSlopes() {
    int32_t bestX = 0, bestY = 0;
    double across = 0;
    for (int32_t y = f_.second.low; y <= f_.second.high; ++y) {
      int32_t from = f_.first.low, to = f_.first.high;
      while (from < to && !isInside(from, y))
        ++from;
      while (to > from && !isInside(to, y))
        --to;
      if (to - from <= bestX)
        continue;
      bestX = to - from;
      across = (f_.rounded(to, y) - f_.rounded(from, y)) / bestX;
      x_ = from;
      y_ = y;
      at_ = f_.rounded(from, y);
    }
    if (bestX == 0)
      return false;
    double along = 0;
    for (int32_t x = f_.first.low; x <= f_.first.high && f_.second.low != f_.second.high; ++x) {
      int32_t from = f_.second.low, to = f_.second.high;
      while (from < to && !isInside(x, from))
        ++from;
      while (to > from && !isInside(x, to))
        --to;
      if (to - from <= bestY)
        continue;
      bestY = to - from;
      along = (f_.rounded(x, to) - f_.rounded(x, from)) / bestY;
    }
    if (f_.second.low != f_.second.high && bestY == 0)
      return false;
    form_.a = float(across);
    form_.b = float(along);
    // What is added after rounding is a whole number.
    at_ += std::nearbyint(double(valueAt(int32_t(x_), int32_t(y_))) - at_);
    return std::isfinite(across) && std::isfinite(along);
  }

  bool agrees() const {
    auto next = values_.begin();
    for (int32_t x = f_.first.low; x <= f_.first.high; ++x)
      for (int32_t y = f_.second.low; y <= f_.second.high; ++y)
        if (form_(x, y) != *next++)
          return false;
    return true;
  }

  const ByteFunction &f_;
  std::vector<int32_t> values_;
  ByteForm form_;
  double x_ = 0, y_ = 0, at_ = 0; ///< a point of the plane
};

} // namespace

std::optional<ByteForm> byteForm(const ByteFunction &function) { return Fitter(function).fit(); }

} // namespace tenon::npu
