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

/// Attribute of kernels that compute a product, [argument, first byte, bytes, reach]: while it computes, the
/// kernel asks for this part of a weight (an argument that it does not use otherwise), which a later kernel
/// reads faster than memory delivers it. `reach`: bytes of weights that pass before that, rounded up to a
/// power of two: caches must hold these.
inline constexpr llvm::StringLiteral kAsksAheadAttr = "tenon.asks_ahead";

/// Attribute of the later kernel where all of its weight is asked for: the largest reach, an i64.
inline constexpr llvm::StringLiteral kAskedAheadAttr = "tenon.asked_ahead";

} // namespace tenon
