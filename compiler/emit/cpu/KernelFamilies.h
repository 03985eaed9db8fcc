//===- KernelFamilies.h - the emitters, one per kernel family
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/cpu/CostModel.h"
#include "compiler/emit/cpu/Evaluator.h"

namespace tenon::cpu {

/// What a family decides about a kernel; sizes are over the spec's local symbols.
struct KernelShape {
  Size grid;         ///< items; the same for every ISA level
  int64_t grain = 1; ///< ranges begin at multiples of this many items
  Size scratch;      ///< bytes per worker
  Size cost;         ///< nanoseconds of computing on one worker, estimated; memory is CostModel's matter
  Size flops;
  std::string schedule; ///< text for reports
};

/// Each emits the body of a kernel and fails with a diagnostic on the operation that has no form in the
/// family.
mlir::LogicalResult emitMap(KernelBuilder &k, KernelShape &shape);
mlir::LogicalResult emitReduce(KernelBuilder &k, KernelShape &shape);
mlir::LogicalResult emitContraction(KernelBuilder &k, KernelShape &shape);
mlir::LogicalResult emitConvolution(KernelBuilder &k, KernelShape &shape);
mlir::LogicalResult emitWinograd(KernelBuilder &k, KernelShape &shape);
mlir::LogicalResult emitWindow(KernelBuilder &k, KernelShape &shape);
mlir::LogicalResult emitAttention(KernelBuilder &k, KernelShape &shape);
mlir::LogicalResult emitIndexed(KernelBuilder &k, KernelShape &shape);

/// The value that the kernel yields as result i.
mlir::Value yielded(KernelBuilder &k, unsigned i);
/// The single operation of type OpTy in the region, or null.
template <typename OpTy> OpTy theOp(KernelBuilder &k) {
  auto ops = k.spec().op().getBody().front().template getOps<OpTy>();
  return ops.begin() == ops.end() ? OpTy() : *ops.begin();
}
/// True when no operation behind `product` tells its rows (all axes but the last, together) apart: each works
/// element by element on tensors of the product's shape, or on what is the same for all rows. A row then
/// needs one number instead of a coordinate along each axis.
bool seesRowsAsOneAxis(KernelBuilder &k, mlir::Value product);
/// The coordinates of row `row`, of sizes `lead` along all axes but the last.
llvm::SmallVector<mlir::Value> rowPosition(KernelBuilder &k, mlir::Value row,
                                           llvm::ArrayRef<mlir::Value> lead, bool oneAxis);
/// Reports that an operation has no form in this family (TN0401).
mlir::LogicalResult noForm(mlir::Operation *op, llvm::StringRef family);
/// What the region's elementwise operations compute, each on as many elements as it yields.
Size elementwiseWork(KernelBuilder &k);
/// Largest vector, at most `wanted` lanes, that reshapes with constant inner extents and (`withConcats`)
/// pieces of concatenations do not break.
unsigned laneLimit(KernelBuilder &k, unsigned wanted, bool withConcats = true);
/// Integer code for the tile loops: the vector lanes for the family's main type.
unsigned lanesOf(KernelBuilder &k, mlir::Type element);

} // namespace tenon::cpu
