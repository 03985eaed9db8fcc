//===- KernelSpec.h - a kernel region in its own terms
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Code generation must not depend on where a region stands in a function: equal regions share one kernel. A
// KernelSpec renames the sizes that occur in a region to local symbols s0, s1, ... in order of first use;
// everything that is derived (strides, trip counts, grid) is an expression over them and is passed to the
// kernel as a scalar.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/SizeAnalysis.h"
#include "compiler/dialect/tenon/TenonDialect.h"
#include "llvm/ADT/DenseMap.h"
#include <memory>
#include <string>
#include <vector>

namespace tenon::cpu {

class KernelSpec {
public:
  KernelSpec(KernelOp op, SizeAnalysis &outer);

  KernelOp op() const { return kernel; }
  /// Sizes of a tensor value of the region, over local symbols.
  llvm::ArrayRef<Size> dims(mlir::Value tensor) const;
  /// Expression of an index value of the region, over local symbols.
  Size index(mlir::Value value) const;
  SizeContext &context() const { return *local; }

  /// The position of `e` among the scalars that the kernel receives; adds it when it is new.
  unsigned scalar(Size e);
  const std::vector<Size> &scalars() const { return scalarList; }

  /// The same expression over the symbols of the function around the region this spec was made from.
  Size outer(Size e) const;

  /// Text that is equal for regions that can share a kernel.
  const std::string &key() const { return keyText; }
  /// Rough cost of an element: the sum of the costs of the region's elementwise operations, in vector
  /// instructions.
  Size outerValue(unsigned localSymbol) const { return outerSizes[localSymbol]; }

private:
  Size localOf(Size outerSize);

  KernelOp kernel;
  std::unique_ptr<SizeContext> local;
  SizeContext *outerContext;
  llvm::DenseMap<mlir::Value, Dims> tensorDims;
  llvm::DenseMap<mlir::Value, Size> indexSizes;
  std::vector<Size> outerSizes; // per local symbol
  std::vector<Size> scalarList;
  std::string keyText;
};

/// `e`, whose symbols are s0, s1, ..., with each symbol replaced by the given expression.
Size substitute(Size e, SizeContext &into, llvm::ArrayRef<Size> values);

} // namespace tenon::cpu
