//===- BufferTable.h - the Memory phase's decisions as attributes -------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// After the Memory phase a function carries `tenon.buffer_table`, and every tensor value lies in a buffer of
// it:
//   results of an operation   `tenon.buffers` of the operation, an entry per result (-1 for an index)
//   function arguments        `tenon.argument_buffers` of the function
//   arguments of scf.while    `tenon.argument_buffers` of the loop, for its first region; those of the second
//   region
//                             share the buffers of the results, which are those of scf.condition's operands
//   arguments of scf.for      the buffers of the loop's results
// Values in one buffer are equal in bytes, or take turns in it.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>
#include <string>
#include <vector>

namespace tenon {

inline constexpr llvm::StringLiteral kBufferTableAttr = "tenon.buffer_table";
inline constexpr llvm::StringLiteral kBuffersAttr = "tenon.buffers";
inline constexpr llvm::StringLiteral kArgumentBuffersAttr = "tenon.argument_buffers";

/// Attribute of tenon.kernel, set by the phase Kernel: for each result the operand whose memory it takes over
/// (the kernel changes parts of it and leaves the rest), or -1. Memory sees to it that the operand's value is
/// not needed afterwards.
inline constexpr llvm::StringLiteral kTiesAttr = "tenon.ties";
/// The operand that a kernel's result takes over, or -1.
int64_t tiedOperand(mlir::OpResult result);

/// Bytes that an element takes in memory: those of its type, one for i1.
int64_t storageBytes(mlir::Type element);

/// What a buffer's memory is.
enum class BufferRegion { Arena, Input, Output, State, Weight, Constant };

struct BufferEntry {
  BufferRegion region = BufferRegion::Arena;
  uint32_t index = 0;                       // Input, Output: its position
  std::string symbol;                       // State, Weight: its symbol
  llvm::SmallVector<uint32_t, 4> conflicts; // Arena: earlier entries alive at the same time, ascending
};

/// The buffers of a function, in an order in which arena buffers can be placed.
struct BufferTable {
  std::vector<BufferEntry> entries;

  /// Stores the table in `tenon.buffer_table`.
  void attach(mlir::func::FuncOp function) const;
  /// Reads it back; emits an error when the attribute is absent or malformed.
  static mlir::FailureOr<BufferTable> of(mlir::func::FuncOp function);
};

/// The buffer of a tensor value, or -1 when it has none.
int64_t bufferOf(mlir::Value value);

} // namespace tenon
