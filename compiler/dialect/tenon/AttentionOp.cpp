//===- AttentionOp.cpp - verification and sizes of attention ----------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/SizeRules.h"

using namespace mlir;
using namespace tenon;

/// mask [B or 1, H or 1, M or 1, N], of type i1 or of the query's type.
static LogicalResult verifyMask(AttentionOp op, int64_t keys) {
  RankedTensorType mask = tensorType(op.getMask()), query = tensorType(op.getQuery());
  if (failed(verifyRank(op, "mask", mask.getRank(), 4)))
    return failure();
  if (!mask.getElementType().isInteger(1) && mask.getElementType() != query.getElementType())
    return op.emitOpError() << "expected element type i1 or " << query.getElementType() << " for mask, found "
                            << mask.getElementType();
  for (int64_t d = 0; d < 3; ++d)
    if (mask.getDimSize(d) != 1 &&
        failed(verifyDim(op, "dimension " + Twine(d) + " of mask", mask.getDimSize(d), query.getDimSize(d))))
      return failure();
  return verifyDim(op, "dimension 3 of mask", mask.getDimSize(3), keys);
}

LogicalResult AttentionOp::verify() {
  RankedTensorType query = tensorType(getQuery()), key = tensorType(getKey()), value = tensorType(getValue());
  if (failed(verifyRank(*this, "query", query.getRank(), 4)) ||
      failed(verifyRank(*this, "key", key.getRank(), 4)) ||
      failed(verifyRank(*this, "value", value.getRank(), 4)))
    return failure();
  int64_t batch = query.getDimSize(0), heads = query.getDimSize(1), groups = key.getDimSize(1);
  if (heads != kDynamic && groups != kDynamic && (groups == 0 || heads % groups != 0))
    return emitOpError() << "expected query heads that are a multiple of the " << groups
                         << " key heads, found " << heads;
  if (failed(verifyDim(*this, "dimension 3 of key", key.getDimSize(3), query.getDimSize(3))) ||
      failed(verifyShape(*this, "the leading dimensions of value", value.getShape().drop_back(),
                         key.getShape().drop_back())))
    return failure();
  int64_t keys = key.getDimSize(2);
  if (getPageTable()) {
    ArrayRef<int64_t> table = tensorType(getPageTable()).getShape();
    if (failed(verifyShape(*this, "page_table", table, {batch, kDynamic})))
      return failure();
    keys = table[1] == kDynamic || keys == kDynamic ? kDynamic : table[1] * keys;
  } else if (failed(verifyDim(*this, "dimension 0 of key", key.getDimSize(0), batch))) {
    return failure();
  }
  if (getMask() && failed(verifyMask(*this, keys)))
    return failure();
  if (getLengths() && failed(verifyShape(*this, "lengths", tensorType(getLengths()).getShape(), {batch})))
    return failure();
  if (getSinks() && failed(verifyShape(*this, "sinks", tensorType(getSinks()).getShape(), {heads})))
    return failure();
  for (auto [name, scale, scaled] :
       {std::tuple{"key_scale", getKeyScale(), key}, {"value_scale", getValueScale(), value}})
    if (scale &&
        failed(verifyShape(*this, name, tensorType(scale).getShape(), scaled.getShape().drop_back())))
      return failure();
  if (getWindow() < 0)
    return emitOpError() << "expected a window that is not negative, found "
                         << static_cast<int64_t>(getWindow());
  return verifyInferred(*this);
}

LogicalResult AttentionOp::inferSizes(SizeContext &, ArrayRef<Dims> operands, IndexFn,
                                      SmallVectorImpl<Dims> &results) {
  Dims dims = operands[0];
  if (dims.size() != 4 || operands[2].size() != 4)
    return failure();
  dims[3] = operands[2][3];
  results.push_back(dims);
  return success();
}
