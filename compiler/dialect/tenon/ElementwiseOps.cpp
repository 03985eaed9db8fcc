//===- ElementwiseOps.cpp - elementwise core operations ---------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/SizeRules.h"

using namespace mlir;
using namespace tenon;

/// Bytes that an element takes; booleans take one each.
static unsigned storedBits(Type element) {
  unsigned bits = element.getIntOrFloatBitWidth();
  return bits == 1 ? 8 : bits;
}

LogicalResult BitcastOp::verify() {
  unsigned from = storedBits(tensorType(getInput()).getElementType());
  unsigned to = storedBits(getType().getElementType());
  if (from == to)
    return success();
  return emitOpError() << "expected element types of one width, found " << from << " and " << to << " bits";
}

OpFoldResult BitcastOp::fold(FoldAdaptor) { return getInput().getType() == getType() ? getInput() : Value(); }

OpFoldResult CastOp::fold(FoldAdaptor) { return getInput().getType() == getType() ? getInput() : Value(); }

OpFoldResult SelectOp::fold(FoldAdaptor adaptor) {
  if (getOnTrue() == getOnFalse())
    return getOnTrue();
  if (auto condition = dyn_cast_if_present<SplatElementsAttr>(adaptor.getCondition()))
    return condition.getSplatValue<bool>() ? getOnTrue() : getOnFalse();
  return {};
}
