//===- SizeRules.h - rules about sizes that operations share ---------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the verifiers and the size inference of the operations have in common. Verifiers see types only: a
// dynamic dimension agrees with everything.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/TenonDialect.h"

namespace tenon {

/// Attribute of a function: the ranges of its inputs' symbols, [{name, min, max, multiple_of, likely}], which
/// hold although no operation uses the symbol any more.
inline constexpr llvm::StringLiteral kSymbolsAttr = "tenon.ranges";

mlir::DictionaryAttr symbolAttr(mlir::MLIRContext *context, const SymbolInfo &info);
/// The reverse; a missing key has its default.
SymbolInfo symbolInfo(mlir::DictionaryAttr attr);

/// Attribute of tenon.read_scalar: what a run says when the value is out of bounds, instead of naming them.
inline constexpr llvm::StringLiteral kMessageAttr = "tenon.message";

using IndexFn = llvm::function_ref<Size(mlir::Value)>;

mlir::RankedTensorType tensorType(mlir::Value v);

/// True unless a transpose moves dimensions of size 1 alone.
bool movesElements(mlir::RankedTensorType from, llvm::ArrayRef<int64_t> permutation);
/// True where a transpose changes which elements lie beside each other.
bool movesInnermost(mlir::RankedTensorType from, llvm::ArrayRef<int64_t> permutation);

/// True unless both are static and differ.
inline bool mayEqual(int64_t a, int64_t b) { return a == b || a == kDynamic || b == kDynamic; }

/// The size that two equal dimensions have: the constant one if either is, else the first.
Size sameSize(Size a, Size b);

/// The sizes of a tensor type whose dynamic dimensions are named, in order, by `sizes`.
Dims namedDims(SizeContext &context, mlir::RankedTensorType type, mlir::ValueRange sizes, IndexFn index);

/// The number of positions of a window along an axis; `ceilMode` as in the pooling operations.
Size windowPositions(Size size, Size window, int64_t stride, int64_t dilation, int64_t low, int64_t high,
                     bool ceilMode);

/// Checks that `sizes` has one value for each dynamic dimension of `type`.
llvm::LogicalResult verifySizeCount(mlir::Operation *op, mlir::RankedTensorType type, mlir::ValueRange sizes);
/// Checks 0 <= axis < rank.
llvm::LogicalResult verifyAxis(mlir::Operation *op, int64_t axis, int64_t rank);
llvm::LogicalResult verifyRank(mlir::Operation *op, llvm::StringRef what, int64_t found, int64_t expected);
/// Checks one dimension; `what` names it in the message.
llvm::LogicalResult verifyDim(mlir::Operation *op, const llvm::Twine &what, int64_t found, int64_t expected);
llvm::LogicalResult verifyElementType(mlir::Operation *op, llvm::StringRef what, mlir::Type found,
                                      mlir::Type expected);
/// Checks rank and every dimension of a shape; `what` names the tensor.
llvm::LogicalResult verifyShape(mlir::Operation *op, llvm::StringRef what, llvm::ArrayRef<int64_t> found,
                                llvm::ArrayRef<int64_t> expected);
/// Checks that an attribute array has `expected` entries.
llvm::LogicalResult verifyLength(mlir::Operation *op, llvm::StringRef what, size_t found, size_t expected);
/// Checks that every entry is at least `least`.
llvm::LogicalResult verifyAtLeast(mlir::Operation *op, llvm::StringRef what, llvm::ArrayRef<int64_t> found,
                                  int64_t least);
/// Checks that `value`, which padding is to read, is 0 or an element of an integer input.
llvm::LogicalResult verifyPadValue(mlir::Operation *op, mlir::Type inputElement, int64_t value);
/// Checks the types against what the operation's own inference says of them, taking dynamic dimensions as
/// unknown.
llvm::LogicalResult verifyInferred(mlir::Operation *op);

} // namespace tenon
