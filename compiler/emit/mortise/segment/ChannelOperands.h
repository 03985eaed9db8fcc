//===- ChannelOperands.h - numbers for each channel that a kernel reads --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/segment/LaneCode.h"
#include "compiler/emit/mortise/tile/ChannelTable.h"

namespace tenon::npu {

/// Operands of a region that lie in the scratchpad as tables: one number for each channel, or one for all.
class ChannelOperands {
public:
  /// Adds rows of numbers for each channel. False, with `why`, where the vector core cannot read them.
  bool addRows(mlir::Value value, int64_t rows, int64_t channels, std::string &why);
  /// Adds an operand of the region if its shape is that of a table.
  bool add(mlir::Value value, int64_t channels, std::string &why);

  /// The value of a table, where `loaded` are those from table `first` on; invalid for other values.
  LaneValue leaf(VectorBuilder &b, mlir::Value value, llvm::ArrayRef<Value> loaded, size_t first) const;

  const std::vector<ChannelTable> &tables() const { return all; }
  llvm::ArrayRef<mlir::Value> values() const { return operands; }

private:
  bool add(mlir::Value value, ChannelTable table, std::string &why);

  std::vector<ChannelTable> all;
  llvm::SmallVector<mlir::Value> operands;
};

} // namespace tenon::npu
