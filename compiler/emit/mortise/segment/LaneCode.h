//===- LaneCode.h - elementwise operations on lanes --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/TenonDialect.h"
#include "compiler/emit/mortise/vector/VectorBuilder.h"
#include "llvm/ADT/DenseMap.h"

namespace tenon::npu {

/// What is known of the numbers that a value can be.
struct Range {
  double low = -1e300, high = 1e300;
  bool integral = false; ///< of floats: whole numbers only
};

/// A value of a region on the lanes of a vector: floats as f32 (bf16 rounded to it), integers as i32,
/// booleans as predicates.
struct LaneValue {
  Value value;
  Range range;
};

/// Computes elementwise operations of a region, each once. Operations that round do so as the region says:
/// products and sums are not joined; a division is correctly rounded (Markstein's theorem: a quotient by a
/// correctly rounded reciprocal, with one correction by fused multiply-adds).
class LaneCode {
public:
  /// `leaf` gives values that come from outside: tensors at the element of each lane. An invalid value: it
  /// cannot.
  using Leaf = std::function<LaneValue(mlir::Value)>;
  LaneCode(VectorBuilder &builder, Leaf leaf) : b(builder), leaf(std::move(leaf)) {}

  /// Why an operation has no form on the vector core; empty when it has.
  static std::string whyNot(mlir::Operation *op);

  LaneValue valueOf(mlir::Value value);
  /// The instruction that loads or stores an element of that type, and its bytes; nothing for other types.
  struct ElementAccess {
    Id load, store;
    int64_t bytes;
  };
  static std::optional<ElementAccess> accessOf(mlir::Type element);
  /// What a load of such an element can give.
  static Range rangeOf(mlir::Type element);
  /// What a store of that type writes without changing it further: bytes in range, as integers.
  Value stored(const LaneValue &value, mlir::Type element);

private:
  LaneValue compute(mlir::Operation *op);
  LaneValue computeFloat(mlir::Operation *op);
  LaneValue computeInteger(mlir::Operation *op);
  LaneValue convert(mlir::Operation *op);
  LaneValue compare(mlir::Operation *op);
  LaneValue constant(mlir::Operation *op);
  Value divide(const LaneValue &x, const LaneValue &y);
  Value truncate(Value x);
  Value roundToBf16(Value x);
  Value exponential(const LaneValue &x);
  Value errorFunction(Value x);

  VectorBuilder &b;
  Leaf leaf;
  llvm::DenseMap<mlir::Value, LaneValue> known;
};

} // namespace tenon::npu
