//===- IndexedOps.cpp - operations whose addresses are data -----------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/SizeRules.h"

using namespace mlir;
using namespace tenon;

static LogicalResult verifySameElements(Operation *op, StringRef what, Value v, Value like) {
  return verifyElementType(op, what, tensorType(v).getElementType(), tensorType(like).getElementType());
}

//===----------------------------------------------------------------------===//
// gather, gather_elements, gather_nd
//===----------------------------------------------------------------------===//

static LogicalResult verifyBatchDims(Operation *op, int64_t batch, Value input, Value indices) {
  RankedTensorType in = tensorType(input), at = tensorType(indices);
  if (batch < 0 || batch > std::min(in.getRank(), at.getRank()))
    return op->emitOpError() << "expected batch dimensions from 0 to " << std::min(in.getRank(), at.getRank())
                             << ", found " << batch;
  for (int64_t d = 0; d < batch; ++d)
    if (failed(
            verifyDim(op, "batch dimension " + Twine(d) + " of indices", at.getDimSize(d), in.getDimSize(d))))
      return failure();
  return success();
}

LogicalResult GatherOp::verify() {
  if (failed(verifySameElements(*this, "the result", getResult(), getInput())) ||
      failed(verifyAxis(*this, getAxis(), tensorType(getInput()).getRank())) ||
      failed(verifyBatchDims(*this, getBatchDims(), getInput(), getIndices())))
    return failure();
  if (getBatchDims() > getAxis())
    return emitOpError() << "expected batch dimensions up to the axis " << getAxis() << ", found "
                         << getBatchDims();
  return verifyInferred(*this);
}

LogicalResult GatherOp::inferSizes(SizeContext &, ArrayRef<Dims> operands, IndexFn,
                                   SmallVectorImpl<Dims> &results) {
  ArrayRef<Size> input = operands[0], indices = operands[1];
  Dims dims(input.take_front(getAxis()));
  llvm::append_range(dims, indices.drop_front(getBatchDims()));
  llvm::append_range(dims, input.drop_front(getAxis() + 1));
  results.push_back(dims);
  return success();
}

LogicalResult GatherElementsOp::verify() {
  RankedTensorType in = tensorType(getInput()), at = tensorType(getIndices());
  if (failed(verifySameElements(*this, "the result", getResult(), getInput())) ||
      failed(verifyAxis(*this, getAxis(), in.getRank())) ||
      failed(verifyRank(*this, "indices", at.getRank(), in.getRank())))
    return failure();
  return verifyInferred(*this);
}

LogicalResult GatherElementsOp::inferSizes(SizeContext &, ArrayRef<Dims> operands, IndexFn,
                                           SmallVectorImpl<Dims> &results) {
  results.push_back(operands[1]);
  return success();
}

LogicalResult GatherNdOp::verify() {
  RankedTensorType in = tensorType(getInput()), at = tensorType(getIndices());
  if (failed(verifySameElements(*this, "the result", getResult(), getInput())) ||
      failed(verifyBatchDims(*this, getBatchDims(), getInput(), getIndices())))
    return failure();
  if (at.getRank() <= static_cast<int64_t>(getBatchDims()))
    return emitOpError() << "expected indices of a rank above the " << getBatchDims()
                         << " batch dimensions, found " << at.getRank();
  int64_t depth = at.getShape().back();
  int64_t room = in.getRank() - static_cast<int64_t>(getBatchDims());
  if (depth == kDynamic || depth < 1 || depth > room)
    return emitOpError() << "expected index vectors of a constant length from 1 to " << room << ", found "
                         << (depth == kDynamic ? std::string("?") : std::to_string(depth));
  return verifyInferred(*this);
}

LogicalResult GatherNdOp::inferSizes(SizeContext &, ArrayRef<Dims> operands, IndexFn,
                                     SmallVectorImpl<Dims> &results) {
  ArrayRef<Size> input = operands[0], indices = operands[1];
  std::optional<int64_t> depth = indices.back().constant();
  if (!depth || getBatchDims() + *depth > input.size())
    return failure();
  Dims dims(indices.drop_back());
  llvm::append_range(dims, input.drop_front(getBatchDims() + *depth));
  results.push_back(dims);
  return success();
}

//===----------------------------------------------------------------------===//
// scatter_elements, scatter_nd, update_slice: the result has the sizes of the input
//===----------------------------------------------------------------------===//

LogicalResult ScatterElementsOp::verify() {
  RankedTensorType in = tensorType(getInput());
  if (failed(verifySameElements(*this, "updates", getUpdates(), getInput())) ||
      failed(verifyAxis(*this, getAxis(), in.getRank())) ||
      failed(verifyRank(*this, "indices", tensorType(getIndices()).getRank(), in.getRank())))
    return failure();
  return verifyShape(*this, "updates", tensorType(getUpdates()).getShape(),
                     tensorType(getIndices()).getShape());
}

LogicalResult ScatterElementsOp::inferSizes(SizeContext &, ArrayRef<Dims> operands, IndexFn,
                                            SmallVectorImpl<Dims> &results) {
  results.push_back(operands[0]);
  return success();
}

LogicalResult ScatterNdOp::verify() {
  RankedTensorType in = tensorType(getInput()), at = tensorType(getIndices());
  if (failed(verifySameElements(*this, "updates", getUpdates(), getInput())))
    return failure();
  if (at.getRank() < 1)
    return emitOpError("expected rank 1 or more for indices, found 0");
  int64_t depth = at.getShape().back();
  if (depth == kDynamic || depth < 1 || depth > in.getRank())
    return emitOpError() << "expected index vectors of a constant length from 1 to " << in.getRank()
                         << ", found " << (depth == kDynamic ? std::string("?") : std::to_string(depth));
  SmallVector<int64_t> expected(at.getShape().drop_back());
  llvm::append_range(expected, in.getShape().drop_front(depth));
  return verifyShape(*this, "updates", tensorType(getUpdates()).getShape(), expected);
}

LogicalResult ScatterNdOp::inferSizes(SizeContext &, ArrayRef<Dims> operands, IndexFn,
                                      SmallVectorImpl<Dims> &results) {
  results.push_back(operands[0]);
  return success();
}

LogicalResult UpdateSliceOp::verify() {
  RankedTensorType in = tensorType(getInput()), update = tensorType(getUpdate());
  if (failed(verifySameElements(*this, "update", getUpdate(), getInput())) ||
      failed(verifyRank(*this, "update", update.getRank(), in.getRank())))
    return failure();
  if (static_cast<int64_t>(getOffsets().size()) != in.getRank())
    return emitOpError() << "expected " << in.getRank() << " offsets, found " << getOffsets().size();
  for (auto [d, whole, box] : llvm::enumerate(in.getShape(), update.getShape()))
    if (whole != kDynamic && box != kDynamic && box > whole)
      return emitOpError() << "expected at most " << whole << " elements of update along dimension " << d
                           << ", found " << box;
  return success();
}

LogicalResult UpdateSliceOp::inferSizes(SizeContext &, ArrayRef<Dims> operands, IndexFn,
                                        SmallVectorImpl<Dims> &results) {
  results.push_back(operands[0]);
  return success();
}

//===----------------------------------------------------------------------===//
// top_k, non_zero
//===----------------------------------------------------------------------===//

LogicalResult TopKOp::verify() {
  RankedTensorType in = tensorType(getInput()), values = tensorType(getValues());
  if (failed(verifySameElements(*this, "values", getValues(), getInput())) ||
      failed(verifyAxis(*this, getAxis(), in.getRank())))
    return failure();
  SmallVector<int64_t> expected(in.getShape());
  expected[getAxis()] = kDynamic;
  if (failed(verifyShape(*this, "values", values.getShape(), expected)) ||
      failed(verifyShape(*this, "positions", tensorType(getPositions()).getShape(), values.getShape())))
    return failure();
  int64_t k = values.getDimSize(getAxis()), size = in.getDimSize(getAxis());
  if (k != kDynamic && size != kDynamic && k > size)
    return emitOpError() << "expected at most " << size << " results along the axis, found " << k;
  size_t named = k == kDynamic ? 1 : 0;
  if (getSizes().size() != named)
    return emitOpError() << "expected " << named << " size operands, found " << getSizes().size();
  return success();
}

LogicalResult TopKOp::inferSizes(SizeContext &context, ArrayRef<Dims> operands, IndexFn index,
                                 SmallVectorImpl<Dims> &results) {
  Dims dims = operands[0];
  dims[getAxis()] = getSizes().empty() ? context.constant(tensorType(getValues()).getDimSize(getAxis()))
                                       : index(getSizes().front());
  results.append({dims, dims});
  return success();
}

LogicalResult NonZeroOp::verify() {
  RankedTensorType in = tensorType(getInput()), positions = tensorType(getPositions());
  int64_t capacity = in.hasStaticShape() ? in.getNumElements() : kDynamic;
  if (failed(verifyShape(*this, "positions", positions.getShape(), {in.getRank(), capacity})))
    return failure();
  return verifySizeCount(*this, positions, getSizes());
}

LogicalResult NonZeroOp::inferSizes(SizeContext &context, ArrayRef<Dims> operands, IndexFn,
                                    SmallVectorImpl<Dims> &results) {
  Dims dims = {context.constant(operands[0].size()), productOf(context, operands[0])};
  results.append({dims, Dims()});
  return success();
}
