//===- GraphBuilder.h - builds tenon operations on tensors with symbolic sizes
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One function for each kind of core operation: operands and results carry their symbolic sizes, index
// operands are made from size expressions. Callers have checked shapes; nothing here fails.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/import/onnx/Tensor.h"
#include "mlir/IR/Builders.h"
#include <map>
#include <set>

namespace tenon::importer {

/// Two sizes that must be equal and could not be proven to be.
struct Equality {
  Size a, b;
};

/// A size that must be at least so large, which the ranges of the symbols do not promise.
struct LowerBound {
  Size value;
  int64_t least;
};

class GraphBuilder {
public:
  GraphBuilder(mlir::OpBuilder &builder, SizeContext &sizes) : builder(builder), sizes(sizes) {}

  mlir::OpBuilder &builder;
  SizeContext &sizes;
  mlir::Location loc = builder.getUnknownLoc();
  /// Where the value of each symbol is; symbols made inside a region are found there only.
  std::map<std::string, mlir::Value, std::less<>> symbols;

  // Sizes.
  Size size(int64_t v) { return sizes.constant(v); }
  Dims dimsOf(llvm::ArrayRef<int64_t> shape);
  mlir::Value index(Size s);
  llvm::SmallVector<mlir::Value> indices(llvm::ArrayRef<Size> list);
  /// Index values of the dimensions that are not constant, in order.
  llvm::SmallVector<mlir::Value> dynamic(llvm::ArrayRef<Size> dims);
  mlir::RankedTensorType type(mlir::Type element, llvm::ArrayRef<Size> dims);
  /// Equal as polynomials, or numerically for many values of the symbols (floor divisions that the canonical
  /// form keeps apart).
  bool sameSize(Size a, Size b);
  /// The size that two dimensions that ONNX requires to be equal have; an unproven equality is noted for the
  /// importer.
  Size require(Size a, Size b);
  std::vector<Equality> unproven;
  /// What the nodes that run in every case ask of sizes, noted for the importer.
  std::vector<LowerBound> bounds;
  /// Pairs for which `require` gives up proof: reads are clamped instead.
  bool mayClamp = false;

  // Values.
  mlir::Value value(const Tensor &t);
  Tensor wrap(mlir::Value v, llvm::ArrayRef<Size> dims);
  Tensor fromContent(Content content, mlir::Type element, llvm::ArrayRef<Size> dims);
  Tensor fromConstant(mlir::DenseElementsAttr attr);
  /// A rank-0 constant.
  Tensor scalar(double v, mlir::Type element);
  Tensor scalarInt(int64_t v, mlir::Type element);
  Tensor integers(llvm::ArrayRef<int64_t> values, mlir::Type element);
  /// A constant repeated to a shape.
  Tensor full(double v, mlir::Type element, llvm::ArrayRef<Size> dims);
  Tensor fullInt(int64_t v, mlir::Type element, llvm::ArrayRef<Size> dims);
  /// A size as a tensor of rank 0.
  Tensor fromSize(Size s, mlir::Type element);
  /// An element of an integer tensor, read when the model runs.
  Size readScalar(const Tensor &t, int64_t position, std::optional<int64_t> min, std::optional<int64_t> max);

  /// The same size, checked against bounds when the model runs; what bounds memory where the expression does
  /// not.
  Size checked(Size s, int64_t min, int64_t max);

  // Elementwise; operands have one shape.
  template <typename Op, typename... Args> Tensor unary(const Tensor &x, Args &&...args) {
    mlir::Value v = value(x);
    return wrap(Op::create(builder, loc, v.getType(), v, std::forward<Args>(args)...), x.dims);
  }
  template <typename Op> Tensor binary(const Tensor &a, const Tensor &b) {
    mlir::Value l = value(a), r = value(b);
    return wrap(Op::create(builder, loc, l.getType(), l, conform(r, l.getType())), a.dims);
  }
  /// The second operand is a number.
  template <typename Op> Tensor binary(const Tensor &a, double b) {
    return binary<Op>(a, full(b, a.element, a.dims));
  }
  Tensor compare(CmpPredicate predicate, const Tensor &a, const Tensor &b);
  Tensor select(const Tensor &c, const Tensor &a, const Tensor &b);
  Tensor convert(const Tensor &x, mlir::Type element);
  /// Fits a value to a type that is equal but for what is known statically.
  mlir::Value conform(mlir::Value v, mlir::Type type);

  // Movement.
  Tensor reshape(const Tensor &x, llvm::ArrayRef<Size> dims);
  /// Adds leading dimensions of 1.
  Tensor toRank(const Tensor &x, int64_t rank);
  /// Repeats dimensions of 1; ranks are equal.
  Tensor broadcast(const Tensor &x, llvm::ArrayRef<Size> dims);
  Tensor transpose(const Tensor &x, llvm::ArrayRef<int64_t> permutation);
  Tensor slice(const Tensor &x, llvm::ArrayRef<Size> offsets, llvm::ArrayRef<Size> dims,
               llvm::ArrayRef<int64_t> strides);
  /// The part [offset, offset + length) of one axis.
  Tensor sliceAxis(const Tensor &x, int64_t axis, Size offset, Size length, int64_t stride = 1);
  Tensor concat(llvm::ArrayRef<Tensor> parts, int64_t axis);
  Tensor pad(const Tensor &x, const Tensor &value, llvm::ArrayRef<Size> low, llvm::ArrayRef<Size> high);
  Tensor iota(llvm::ArrayRef<Size> dims, int64_t axis, mlir::Type element);
  Tensor squeeze(const Tensor &x, int64_t axis);
  Tensor unsqueeze(const Tensor &x, int64_t axis);

  // Others.
  Tensor gather(const Tensor &x, const Tensor &index, int64_t axis, int64_t batchDims = 0);
  /// Reduced dimensions stay with size 1.
  Tensor reduce(ReduceKind kind, const Tensor &x, llvm::ArrayRef<int64_t> axes);
  Tensor mean(const Tensor &x, llvm::ArrayRef<int64_t> axes);
  /// [batch..., M, K] by [batch..., K, N] or [K, N]; [.., N, K] when `transposeRhs`.
  Tensor contract(const Tensor &a, const Tensor &b, bool transposeRhs = false);
  std::optional<Tensor> gatherContent(const Tensor &x, const Tensor &positions, int64_t axis,
                                      int64_t batchDims, llvm::ArrayRef<Size> dims);
  Tensor updateSlice(const Tensor &x, const Tensor &update, llvm::ArrayRef<Size> offsets);
};

} // namespace tenon::importer
