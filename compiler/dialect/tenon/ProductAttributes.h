//===- ProductAttributes.h - what is known of a product's operands ---------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "llvm/ADT/StringRef.h"

namespace tenon {

/// Unit attribute of packed products of bytes: kernels may sum neighbouring products, those of the first two
/// elements of a group and of the last two, in 16 bits, because they fit whatever the left operand is, or
/// because the user accepts what saturates.
inline constexpr llvm::StringLiteral kPairsFitAttr = "tenon.pairs_fit";

} // namespace tenon
