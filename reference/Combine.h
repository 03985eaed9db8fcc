//===- Combine.h - how reductions, scans and scatters combine elements ---===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/TenonDialect.h"
#include "reference/Tensor.h"
#include <cmath>
#include <limits>

namespace tenon::reference {

/// What leaves every element unchanged: 0, 1, the lowest or the highest value of the type.
inline double neutralFloat(ReduceKind kind) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  switch (kind) {
  case ReduceKind::sum:
    return 0;
  case ReduceKind::prod:
    return 1;
  case ReduceKind::max:
    return -infinity;
  case ReduceKind::min:
    return infinity;
  }
  llvm_unreachable("unknown kind of reduction");
}

inline int64_t neutralInt(ReduceKind kind, DType dtype) {
  if (kind == ReduceKind::sum)
    return 0;
  if (kind == ReduceKind::prod)
    return 1;
  if (dtype == DType::Bool || isUnsigned(dtype))
    return kind == ReduceKind::max ? 0 : wrapTo(dtype, -1);
  uint64_t lowest = uint64_t(1) << (8 * byteWidth(dtype) - 1);
  return wrapTo(dtype, static_cast<int64_t>(kind == ReduceKind::max ? lowest : lowest - 1));
}

inline double combineFloats(ReduceKind kind, double a, double b) {
  switch (kind) {
  case ReduceKind::sum:
    return a + b;
  case ReduceKind::prod:
    return a * b;
  case ReduceKind::max:
  case ReduceKind::min:
    if (std::isnan(a) || std::isnan(b))
      return std::numeric_limits<double>::quiet_NaN();
    return kind == ReduceKind::max ? std::fmax(a, b) : std::fmin(a, b);
  }
  llvm_unreachable("unknown kind of reduction");
}

/// The result is to be wrapped to the type.
inline int64_t combineInts(ReduceKind kind, int64_t a, int64_t b, DType dtype) {
  bool less = isUnsigned(dtype) ? uint64_t(a) < uint64_t(b) : a < b;
  switch (kind) {
  case ReduceKind::sum:
    return int64_t(uint64_t(a) + uint64_t(b));
  case ReduceKind::prod:
    return int64_t(uint64_t(a) * uint64_t(b));
  case ReduceKind::max:
    return less ? b : a;
  case ReduceKind::min:
    return less ? a : b;
  }
  llvm_unreachable("unknown kind of reduction");
}

} // namespace tenon::reference
