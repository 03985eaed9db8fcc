//===- ColumnsKernel.h - reductions over all axes but the last --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/segment/ChannelOperands.h"
#include "compiler/emit/mortise/tile/Columns.h"

namespace tenon::npu {

/// A kernel of the family reduce for the machine; addresses are not known yet.
struct ColumnsCode {
  Columns columns;
  mlir::Value input;        ///< what is reduced, in the region
  ChannelOperands operands; ///< as columns.tables has them
  CompiledKernel kernel;
};

/// Where it does not fit the machine, `why` says what is in the way.
std::optional<ColumnsCode> makeColumns(KernelOp kernel, const mortise::Hardware &hardware, std::string &why);

} // namespace tenon::npu
