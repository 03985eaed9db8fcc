//===- ContractionOps.cpp - matrix products and convolutions ----------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/SizeRules.h"

using namespace mlir;
using namespace tenon;

//===----------------------------------------------------------------------===//
// contract
//===----------------------------------------------------------------------===//

/// Operands and result are floating numbers, or integers of any width and sign.
static LogicalResult verifyProductTypes(Operation *op, Value lhs, Value rhs) {
  Type l = tensorType(lhs).getElementType(), r = tensorType(rhs).getElementType();
  Type result = getElementTypeOrSelf(op->getResult(0).getType());
  bool floats = isa<FloatType>(l);
  if (floats != isa<FloatType>(r) || floats != isa<FloatType>(result))
    return op->emitOpError() << "expected operands and result to be all floating or all integer, found " << l
                             << ", " << r << " and " << result;
  return success();
}

LogicalResult ContractOp::verify() {
  ArrayRef<int64_t> lhs = tensorType(getLhs()).getShape(), rhs = tensorType(getRhs()).getShape();
  if (lhs.size() < 2)
    return emitOpError() << "expected rank 2 or more for lhs, found " << lhs.size();
  if (rhs.size() != 2 && rhs.size() != lhs.size())
    return emitOpError() << "expected rank 2 or " << lhs.size() << " for rhs, found " << rhs.size();
  size_t n = rhs.size();
  int64_t k = rhs[getTransposeRhs() ? n - 1 : n - 2];
  if (failed(verifyDim(*this, "the summed dimension of rhs", k, lhs.back())))
    return failure();
  for (size_t d = 0; d + 2 < n; ++d)
    if (failed(verifyDim(*this, "batch dimension " + Twine(d) + " of rhs", rhs[d], lhs[d])))
      return failure();
  if (failed(verifyProductTypes(*this, getLhs(), getRhs())))
    return failure();
  return verifyInferred(*this);
}

LogicalResult ContractOp::inferSizes(SizeContext &, ArrayRef<Dims> operands, IndexFn,
                                     SmallVectorImpl<Dims> &results) {
  const Dims &lhs = operands[0], &rhs = operands[1];
  if (lhs.size() < 2 || rhs.size() < 2 || (rhs.size() != 2 && rhs.size() != lhs.size()))
    return failure();
  Dims dims = lhs;
  for (size_t d = 0; d + 2 < rhs.size(); ++d)
    dims[d] = sameSize(lhs[d], rhs[d]);
  dims.back() = rhs[getTransposeRhs() ? rhs.size() - 2 : rhs.size() - 1];
  results.push_back(dims);
  return success();
}

//===----------------------------------------------------------------------===//
// conv
//===----------------------------------------------------------------------===//

LogicalResult ConvOp::verify() {
  ArrayRef<int64_t> input = tensorType(getInput()).getShape(), filter = tensorType(getFilter()).getShape();
  if (input.size() < 3)
    return emitOpError() << "expected rank 3 or more for the input, [batch, spatial..., channels], found "
                         << input.size();
  size_t spatial = input.size() - 2;
  if (failed(verifyRank(*this, "the filter", filter.size(), input.size())) ||
      failed(verifyLength(*this, "strides", getStrides().size(), spatial)) ||
      failed(verifyLength(*this, "dilations", getDilations().size(), spatial)) ||
      failed(verifyLength(*this, "low", getLow().size(), spatial)) ||
      failed(verifyLength(*this, "high", getHigh().size(), spatial)) ||
      failed(verifyLength(*this, "input_dilations", getInputDilations().size(), spatial)) ||
      failed(verifyAtLeast(*this, "strides", getStrides(), 1)) ||
      failed(verifyAtLeast(*this, "dilations", getDilations(), 1)) ||
      failed(verifyAtLeast(*this, "input_dilations", getInputDilations(), 1)))
    return failure();
  int64_t groups = getGroups(), channels = input.back(), perGroup = filter[spatial],
          outputs = filter[spatial + 1];
  if (groups < 1)
    return emitOpError() << "expected 1 or more groups, found " << groups;
  if (channels != kDynamic && perGroup != kDynamic && channels != perGroup * groups)
    return emitOpError() << "expected channels (" << channels << ") = groups (" << groups
                         << ") * channels of the filter (" << perGroup << ")";
  if (outputs != kDynamic && outputs % groups != 0)
    return emitOpError() << "expected output channels that are a multiple of the " << groups
                         << " groups, found " << outputs;
  if (failed(verifyProductTypes(*this, getInput(), getFilter())) ||
      failed(verifyPadValue(*this, tensorType(getInput()).getElementType(), getPadValue())))
    return failure();
  return verifyInferred(*this);
}

LogicalResult ConvOp::inferSizes(SizeContext &, ArrayRef<Dims> operands, IndexFn,
                                 SmallVectorImpl<Dims> &results) {
  const Dims &input = operands[0], &filter = operands[1];
  size_t spatial = getStrides().size();
  if (input.size() != spatial + 2 || filter.size() != spatial + 2)
    return failure();
  Dims dims = {input[0]};
  for (size_t d = 0; d < spatial; ++d) {
    Size spread = (input[d + 1] - 1) * getInputDilations()[d] + 1;
    dims.push_back(windowPositions(spread, filter[d], getStrides()[d], getDilations()[d], getLow()[d],
                                   getHigh()[d],
                                   /*ceilMode=*/false));
  }
  dims.push_back(filter.back());
  results.push_back(dims);
  return success();
}
