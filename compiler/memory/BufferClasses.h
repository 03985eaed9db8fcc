//===- BufferClasses.h - values that share a buffer ----------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/BufferTable.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/MapVector.h"
#include <vector>

namespace tenon::memory {

/// Disjoint sets of the tensor values of a function, in the order in which they were met.
class BufferClasses {
public:
  using ClassId = uint32_t;

  /// The class of a value; a new one when the value has not been met.
  ClassId of(mlir::Value value);
  bool known(mlir::Value value) const { return ids.contains(value); }
  /// Makes the values share a buffer. At most one of the classes lies outside the arena.
  void unite(mlir::Value a, mlir::Value b);
  /// Places the class of a value outside the arena.
  void place(mlir::Value value, BufferEntry where);
  const BufferEntry &placeOf(mlir::Value value) { return sets[of(value)].where; }
  llvm::ArrayRef<mlir::Value> members(ClassId id) const { return sets[id].members; }
  /// Classes that are not empty, in order of their first value.
  llvm::SmallVector<ClassId> all() const;

private:
  struct Set {
    BufferEntry where;
    llvm::SmallVector<mlir::Value, 4> members; // empty when united with an earlier set
  };
  llvm::DenseMap<mlir::Value, ClassId> ids;
  std::vector<Set> sets;
};

/// The value whose memory this one shows: looks through reshapes and casts.
mlir::Value rootOf(mlir::Value value);

/// Gives every tensor value of the function a class, inserting tenon.copy where a value must lie in a place
/// in which it cannot be computed: outputs, states, variables of loops, results of conditionals. Fails with a
/// diagnostic when a state is written in a place that Memory does not handle (TN0601).
mlir::FailureOr<BufferClasses> formBufferClasses(mlir::func::FuncOp function);

} // namespace tenon::memory
