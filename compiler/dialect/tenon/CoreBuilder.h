//===- CoreBuilder.h - core operations with types worked out ---------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Shorthand for decompositions and rewrites. Result types follow from operand types; a dynamic size is named
// with `tensor.dim` on the operand that has it. Sizes are `index` values, constants where the type is static.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/TenonDialect.h"

namespace tenon {

class CoreBuilder {
public:
  using Value = mlir::Value;
  using Values = llvm::SmallVector<Value>;

  CoreBuilder(mlir::OpBuilder &builder, mlir::Location loc) : builder(builder), loc(loc) {}

  // Sizes.
  Value index(int64_t v);
  Value dim(Value tensor, int64_t d);
  Values dims(Value tensor);
  Value addIndex(Value a, Value b);
  Value subIndex(Value a, Value b);
  Value mulIndex(Value a, Value b);
  Value ceilDivIndex(Value a, Value b);
  Value floorDivIndex(Value a, Value b);
  Value minIndex(Value a, Value b);
  Value product(llvm::ArrayRef<Value> sizes);

  // Constants. Integers saturate.
  /// A tensor of `rank` dimensions of size 1.
  Value constant(double v, mlir::Type element, int64_t rank = 0);
  /// The constant with the shape of a tensor (and its element type unless another is given).
  Value splat(double v, Value like, mlir::Type element = {});
  /// A size as an element, with `rank` dimensions of size 1.
  Value fromIndex(Value size, mlir::Type element, int64_t rank = 0);

  // Elementwise operations. Operands have one shape, up to what their types know of it.
  template <typename OpTy> Value unary(Value x) { return OpTy::create(builder, loc, x.getType(), x); }
  template <typename OpTy> Value binary(Value a, Value b) {
    unify(a, b);
    return OpTy::create(builder, loc, a.getType(), a, b);
  }
  template <typename OpTy> Value binary(Value a, double b) { return binary<OpTy>(a, splat(b, a)); }
  Value add(Value a, Value b) { return binary<AddOp>(a, b); }
  Value add(Value a, double b) { return binary<AddOp>(a, b); }
  Value sub(Value a, Value b) { return binary<SubOp>(a, b); }
  Value mul(Value a, Value b) { return binary<MulOp>(a, b); }
  Value mul(Value a, double b) { return binary<MulOp>(a, b); }
  Value div(Value a, Value b) { return binary<DivOp>(a, b); }
  Value max(Value a, Value b) { return binary<MaxOp>(a, b); }
  Value max(Value a, double b) { return binary<MaxOp>(a, b); }
  Value min(Value a, Value b) { return binary<MinOp>(a, b); }
  Value min(Value a, double b) { return binary<MinOp>(a, b); }
  Value neg(Value x) { return unary<NegOp>(x); }
  Value exp(Value x) { return unary<ExpOp>(x); }
  Value compare(CmpPredicate predicate, Value a, Value b);
  Value compare(CmpPredicate predicate, Value a, double b) { return compare(predicate, a, splat(b, a)); }
  Value select(Value condition, Value a, Value b);
  Value cast(Value x, mlir::Type element);

  // Movement.
  Value reshape(Value x, llvm::ArrayRef<Value> sizes);
  Value broadcast(Value x, llvm::ArrayRef<Value> sizes);
  Value broadcastLike(Value x, Value like) { return broadcast(x, dims(like)); }
  Value transpose(Value x, llvm::ArrayRef<int64_t> permutation);
  /// `size` elements from `offset` on along one axis.
  Value slice(Value x, int64_t axis, Value offset, Value size);
  Value concat(llvm::ArrayRef<Value> inputs, int64_t axis);
  Value iota(mlir::Type element, llvm::ArrayRef<Value> sizes, int64_t axis);
  Value gather(Value x, Value indices, int64_t axis);
  Value updateSlice(Value x, Value update, llvm::ArrayRef<Value> offsets);

  // Reductions and contractions.
  Value reduce(ReduceKind kind, Value x, llvm::ArrayRef<int64_t> axes);
  Value contract(Value lhs, Value rhs, bool transposeRhs, mlir::Type element = {});

  /// The value under a type that knows more or less of its shape.
  Value refine(Value x, mlir::Type type);

  mlir::OpBuilder &builder;
  mlir::Location loc;

private:
  void unify(Value &a, Value &b);
};

} // namespace tenon
