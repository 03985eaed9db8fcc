//===- SizeLogic.h - conditions on sizes as size expressions ----------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A condition on sizes is an expression that is 0 or 1; +, *, min and max are enough for comparisons and
// choices of integers. What is known of the ranges keeps the common cases short.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/import/onnx/GraphBuilder.h"

namespace tenon::importer {

/// 1 where a < b, else 0.
inline Size isLess(GraphBuilder &g, Size a, Size b) {
  SizeRange difference = (b - a).range();
  if (difference.min && *difference.min > 0)
    return g.size(1);
  if (difference.max && *difference.max <= 0)
    return g.size(0);
  return (b - a).max(g.size(0)).min(g.size(1));
}

/// 1 where a == b, else 0.
inline Size isEqual(GraphBuilder &g, Size a, Size b) {
  if (a == b)
    return g.size(1);
  SizeRange difference = (b - a).range();
  if ((difference.min && *difference.min > 0) || (difference.max && *difference.max < 0))
    return g.size(0);
  return g.size(1) - isLess(g, a, b) - isLess(g, b, a);
}

/// `yes` where the condition is 1, else `no`.
inline Size choose(Size condition, Size yes, Size no) {
  if (condition.isConstant(1) || yes == no)
    return yes;
  return condition.isConstant(0) ? no : no + condition * (yes - no);
}

/// A position that counts from the end of `dim` when negative.
inline Size fromEnd(GraphBuilder &g, Size position, Size dim) {
  return choose(isLess(g, position, g.size(0)), position + dim, position);
}

} // namespace tenon::importer
