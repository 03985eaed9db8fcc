//===- Indexing.h - row-major positions ----------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "reference/Tensor.h"

namespace tenon::reference {

using Index = llvm::SmallVector<int64_t, 6>;

/// Elements between neighbours along each axis.
inline Index stridesOf(llvm::ArrayRef<int64_t> dims) {
  Index strides(dims.size(), 1);
  for (size_t d = dims.size(); d-- > 1;)
    strides[d - 1] = strides[d] * dims[d];
  return strides;
}

inline int64_t dot(llvm::ArrayRef<int64_t> a, llvm::ArrayRef<int64_t> b) {
  int64_t sum = 0;
  for (size_t d = 0; d < a.size(); ++d)
    sum += a[d] * b[d];
  return sum;
}

inline int64_t countOf(llvm::ArrayRef<int64_t> dims) {
  int64_t product = 1;
  for (int64_t d : dims)
    product *= d;
  return product;
}

/// Calls `visit(index)` for every index of the box, last axis fastest; once with {} for rank 0.
template <typename F> void forEachIndex(llvm::ArrayRef<int64_t> dims, F visit) {
  Index index(dims.size(), 0);
  for (int64_t left = countOf(dims); left > 0; --left) {
    visit(llvm::ArrayRef<int64_t>(index));
    for (size_t d = dims.size(); d-- > 0;) {
      if (++index[d] < dims[d])
        break;
      index[d] = 0;
    }
  }
}

/// The tensor whose element at `index` is element `sourceOf(index)`, counted row-major, of `source`.
template <typename F> Tensor rearrange(const Tensor &source, llvm::ArrayRef<int64_t> dims, F sourceOf) {
  Tensor result(source.dtype(), dims);
  int64_t position = 0;
  forEachIndex(
      dims, [&](llvm::ArrayRef<int64_t> index) { result.copyElement(position++, source, sourceOf(index)); });
  return result;
}

/// An index tensor's entry as a position of an axis: negative ones count from the end, others are clamped
/// into it.
inline int64_t clampIndex(int64_t i, int64_t size) {
  if (i < 0)
    i += size;
  return std::max<int64_t>(0, std::min(i, size - 1));
}

} // namespace tenon::reference
