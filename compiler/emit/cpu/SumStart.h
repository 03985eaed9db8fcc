//===- SumStart.h - what integer sums begin with
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Integers may be added up in any order: what is added to all rows of a product alike, a bias and the share
// of zero points, the sums begin with. That takes no instruction, and no register where results are computed.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/KernelFamilies.h"

namespace tenon::cpu {

class SumStart {
public:
  SumStart(KernelBuilder &k, mlir::Value product);

  /// The tensor of the region that finished sums are: the product, or the sum that alone reads it.
  mlir::Value result() const { return sum; }
  bool isZero() const { return !added; }
  /// What the sums of `lanes` columns from `column` on begin with; where that is not zero.
  mlir::Value at(mlir::Value column, unsigned lanes, mlir::Value mask) const;

private:
  KernelBuilder &k;
  mlir::Value sum, added;
};

} // namespace tenon::cpu
