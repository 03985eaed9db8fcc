//===- KernelOps.cpp - fused kernels ----------------------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/SizeRules.h"

using namespace mlir;
using namespace tenon;

LogicalResult KernelOp::verify() {
  Block &body = getBody().front();
  SmallVector<Type> expected(getInputs().getTypes());
  llvm::append_range(expected, getSizes().getTypes());
  if (!llvm::equal(expected, body.getArgumentTypes()))
    return emitOpError() << "expected block arguments of types (" << expected << "), found ("
                         << body.getArgumentTypes() << ")";
  auto yield = dyn_cast<YieldOp>(body.back());
  if (!yield)
    return emitOpError("expected the body to end in tenon.yield");
  if (!llvm::equal(yield.getValues().getTypes(), getOutputs().getTypes()))
    return yield.emitOpError() << "expected values of types (" << getOutputs().getTypes() << "), found ("
                               << yield.getValues().getTypes() << ")";
  size_t dynamic = 0;
  for (Type type : getOutputs().getTypes())
    dynamic += cast<RankedTensorType>(type).getNumDynamicDims();
  if (dynamic != getResultSizes().size())
    return emitOpError() << "expected " << dynamic << " result sizes, found " << getResultSizes().size();
  return success();
}

LogicalResult KernelOp::inferSizes(SizeContext &context, ArrayRef<Dims>, IndexFn index,
                                   SmallVectorImpl<Dims> &results) {
  ValueRange sizes = getResultSizes();
  for (Value output : getOutputs()) {
    RankedTensorType type = tensorType(output);
    results.push_back(namedDims(context, type, sizes.take_front(type.getNumDynamicDims()), index));
    sizes = sizes.drop_front(type.getNumDynamicDims());
  }
  return success();
}
