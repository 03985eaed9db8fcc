//===- AttentionKernel.h - kernels of attention for the machine --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/dialect/tenon/TenonDialect.h"
#include "compiler/emit/mortise/attention/StaticAttention.h"

namespace tenon::npu {

/// A kernel of the family attention for the machine; addresses are not known yet.
struct AttentionCode {
  StaticAttentionPlan plan;
  mlir::Value query, key, value, mask; ///< arguments of the region; no mask: null
};

/// Where it does not fit the machine, `why` says what is in the way.
std::optional<AttentionCode> makeAttention(KernelOp kernel, const mortise::Hardware &hardware,
                                           std::string &why);

} // namespace tenon::npu
