//===- SizeAnalysis.h - symbolic sizes of the values of a function ---------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Answers the size of every dimension of every tensor of a function as an expression over the function's
// symbols, and turns expressions back into SSA values. Symbols are the names in the argument attribute
// `tenon.dims`, the `tenon.symbol` operations, and fresh ones for sizes that nothing else determines
// (data-dependent extents, sizes that differ between the branches of an scf.if or change from one iteration
// to the next).
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/TenonDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Value.h"

namespace tenon {

/// Lazy and memoized. Operations may be added freely while an analysis lives; call `forget` before an
/// operation is erased and `refresh` when its operands change (SizeAnalysisListener does so inside a
/// rewriter).
class SizeAnalysis {
public:
  explicit SizeAnalysis(mlir::func::FuncOp function);
  ~SizeAnalysis();

  SizeContext &context();
  mlir::func::FuncOp function();

  /// The sizes of a ranked tensor's dimensions. The array lives as long as the analysis.
  llvm::ArrayRef<Size> dims(mlir::Value tensor);
  /// The value of an `index`.
  Size index(mlir::Value v);

  /// What a fresh symbol stands for: an index value (dim -1), or a dimension of a tensor. A null value for
  /// the symbols of the function's inputs.
  struct Definition {
    mlir::Value value;
    int64_t dim = -1;
  };
  Definition definitionOf(llvm::StringRef symbol);

  /// What the operation itself says of its results' sizes, whatever their types say at present. Fails when
  /// the operation has no inference or breaks its verifier.
  llvm::FailureOr<llvm::SmallVector<Dims>> inferResultDims(mlir::Operation *op);
  /// Gives the results of a new operation the types that follow from inference (element types stay) and casts
  /// operands of elementwise operations to the refined shape. Fails with a diagnostic at the operation.
  llvm::LogicalResult setInferredTypes(mlir::OpBuilder &builder, mlir::Operation *op);

  /// Code for an expression at the insertion point: arith operations on `index` over the values of its
  /// symbols. Missing `tenon.symbol` operations are created at the function's entry; inside a `tenon.kernel`,
  /// symbols become operands of the kernel. The values of fresh symbols must dominate the insertion point.
  mlir::Value materialize(mlir::OpBuilder &builder, mlir::Location loc, Size size);
  /// Values for the dimensions that are not constant, in order: the `sizes` operands of the operations that
  /// take them.
  llvm::SmallVector<mlir::Value> materializeDynamic(mlir::OpBuilder &builder, mlir::Location loc,
                                                    llvm::ArrayRef<Size> dims);

  /// Drops what was inferred for the operation's results, to be inferred again: its operands have changed.
  void refresh(mlir::Operation *op);
  /// Drops everything about the operation's results and the insides of its regions: it is about to be erased.
  void forget(mlir::Operation *op);

private:
  struct Impl;
  std::unique_ptr<Impl> impl;
};

/// Keeps an analysis true while a rewriter erases and replaces operations.
class SizeAnalysisListener : public mlir::RewriterBase::Listener {
public:
  explicit SizeAnalysisListener(SizeAnalysis &sizes) : sizes(sizes) {}
  void notifyOperationErased(mlir::Operation *op) override { sizes.forget(op); }
  void notifyOperationModified(mlir::Operation *op) override { sizes.refresh(op); }

private:
  SizeAnalysis &sizes;
};

/// The tensor type with these sizes: a dimension is static exactly when its size is constant.
mlir::RankedTensorType typeFor(llvm::ArrayRef<Size> dims, mlir::Type element);

/// Makes the types of a function static where sizes are constant: results, region arguments, the function's
/// own type (when nothing calls it). `sizes` operands that name constants are dropped; `tensor.cast` keeps
/// types apart where control flow or a caller wants the old one.
void refineTypes(mlir::func::FuncOp function);

/// Elementwise operations want operands of one shape. Where the result's type knows more of it than an
/// operand's, the operand is cast in front of the operation.
void castElementwiseOperands(mlir::OpBuilder &builder, mlir::Operation *op);

/// Builds an operation with one tensor result whose type follows from inference; `args` are those of the
/// builder that takes the result type first. Returns a null value after a diagnostic when the operands do not
/// fit together. For operations whose sizes are operands see the functions below.
template <typename OpTy, typename... Args>
mlir::Value createInferred(mlir::OpBuilder &builder, mlir::Location loc, SizeAnalysis &sizes,
                           mlir::Type element, Args &&...args) {
  mlir::Type provisional = mlir::RankedTensorType::get({}, element);
  auto op = OpTy::create(builder, loc, provisional, std::forward<Args>(args)...);
  if (succeeded(sizes.setInferredTypes(builder, op)))
    return op->getResult(0);
  sizes.forget(op);
  op->erase();
  return {};
}

/// Operations whose result sizes are operands, from expressions. Each returns its input where nothing
/// changes.
mlir::Value createReshape(mlir::OpBuilder &builder, mlir::Location loc, SizeAnalysis &sizes,
                          mlir::Value input, llvm::ArrayRef<Size> dims);
mlir::Value createBroadcast(mlir::OpBuilder &builder, mlir::Location loc, SizeAnalysis &sizes,
                            mlir::Value input, llvm::ArrayRef<Size> dims);
mlir::Value createSlice(mlir::OpBuilder &builder, mlir::Location loc, SizeAnalysis &sizes, mlir::Value input,
                        llvm::ArrayRef<Size> offsets, llvm::ArrayRef<Size> dims,
                        llvm::ArrayRef<int64_t> strides);
mlir::Value createPad(mlir::OpBuilder &builder, mlir::Location loc, SizeAnalysis &sizes, mlir::Value input,
                      mlir::Value value, llvm::ArrayRef<Size> low, llvm::ArrayRef<Size> high);
mlir::Value createIota(mlir::OpBuilder &builder, mlir::Location loc, SizeAnalysis &sizes, mlir::Type element,
                       llvm::ArrayRef<Size> dims, int64_t axis);

} // namespace tenon
