//===- Movement.cpp - the meaning of operations that move elements -------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "reference/Evaluators.h"
#include "reference/Indexing.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::reference;

using Dims64 = llvm::SmallVector<int64_t>;

static FailureOr<Tensor> evaluateReshape(ReshapeOp op, Values in) {
  FailureOr<Dims64> dims = resultDims(op, op.getType(), in.drop_front());
  if (failed(dims))
    return failure();
  if (countOf(*dims) != in[0].size())
    return op->emitError() << "TN0712: 'tenon.reshape' turns " << in[0].size() << " elements ("
                           << in[0].typeText() << ") into " << countOf(*dims)
                           << "; check the sizes that name the result's dimensions";
  return in[0].withDims(*dims);
}

static FailureOr<Tensor> evaluateBroadcast(BroadcastOp op, Values in) {
  FailureOr<Dims64> dims = resultDims(op, op.getType(), in.drop_front());
  if (failed(dims))
    return failure();
  Index strides = stridesOf(in[0].dims());
  for (int64_t d = 0; d < in[0].rank(); ++d) {
    if (in[0].dims()[d] == (*dims)[d])
      continue;
    if (in[0].dims()[d] != 1)
      return op->emitError() << "TN0712: 'tenon.broadcast' cannot repeat axis " << d << " of "
                             << in[0].typeText() << " to size " << (*dims)[d] << "; only size 1 is repeated";
    strides[d] = 0;
  }
  return rearrange(in[0], *dims, [&](ArrayRef<int64_t> index) { return dot(index, strides); });
}

static Tensor evaluateTranspose(TransposeOp op, Values in) {
  Index from = stridesOf(in[0].dims()), strides;
  Dims64 dims;
  for (int64_t axis : op.getPermutation()) {
    strides.push_back(from[axis]);
    dims.push_back(in[0].dims()[axis]);
  }
  return rearrange(in[0], dims, [&](ArrayRef<int64_t> index) { return dot(index, strides); });
}

/// The numbers of an array attribute with its dynamic entries taken in order from `operands`.
static Dims64 mixedValues(ArrayRef<int64_t> statics, Values operands) {
  Dims64 values(statics);
  for (int64_t &v : values)
    if (v == kDynamic) {
      v = operands.front().firstInt();
      operands = operands.drop_front();
    }
  return values;
}

static FailureOr<Tensor> evaluateSlice(SliceOp op, Values in) {
  FailureOr<Dims64> dims = resultDims(op, op.getType(), segment(in, op.getODSOperandIndexAndLength(2)));
  if (failed(dims))
    return failure();
  Dims64 offsets = mixedValues(op.getStaticOffsets(), segment(in, op.getODSOperandIndexAndLength(1)));
  const Tensor &x = in[0];
  for (int64_t d = 0; d < x.rank(); ++d) {
    int64_t last = offsets[d] + ((*dims)[d] - 1) * op.getStrides()[d];
    bool inside = offsets[d] >= 0 && offsets[d] < x.dims()[d] && last >= 0 && last < x.dims()[d];
    if ((*dims)[d] > 0 && !inside)
      return outOfRange(op) << "'tenon.slice' takes elements " << offsets[d] << " to " << last << " of axis "
                            << d << ", which has " << x.dims()[d] << "; the box must lie inside the input";
  }
  Index strides = stridesOf(x.dims());
  return rearrange(x, *dims, [&](ArrayRef<int64_t> index) {
    int64_t from = 0;
    for (size_t d = 0; d < index.size(); ++d)
      from += (offsets[d] + index[d] * op.getStrides()[d]) * strides[d];
    return from;
  });
}

/// Copies all of `part` into `whole`, its first element to `offsets`.
static void paste(Tensor &whole, const Tensor &part, ArrayRef<int64_t> offsets) {
  Index strides = stridesOf(whole.dims());
  int64_t start = dot(offsets, strides), from = 0;
  forEachIndex(part.dims(), [&](ArrayRef<int64_t> index) {
    whole.copyElement(start + dot(index, strides), part, from++);
  });
}

static FailureOr<Tensor> evaluateConcat(ConcatOp op, Values in) {
  int64_t axis = op.getAxis();
  Dims64 dims(in[0].dims());
  for (const Tensor &x : in.drop_front()) {
    for (int64_t d = 0; d < x.rank(); ++d)
      if (d != axis && x.dims()[d] != dims[d])
        return op->emitError() << "TN0712: 'tenon.concat' joins " << in[0].typeText() << " and "
                               << x.typeText() << " along axis " << axis
                               << "; their other sizes must be equal";
    dims[axis] += x.dims()[axis];
  }
  Tensor result(in[0].dtype(), dims);
  Dims64 offsets(dims.size(), 0);
  for (const Tensor &x : in) {
    paste(result, x, offsets);
    offsets[axis] += x.dims()[axis];
  }
  return result;
}

static FailureOr<Tensor> evaluatePad(PadOp op, Values in) {
  Dims64 low = mixedValues(op.getStaticLow(), segment(in, op.getODSOperandIndexAndLength(2)));
  Dims64 high = mixedValues(op.getStaticHigh(), segment(in, op.getODSOperandIndexAndLength(3)));
  Dims64 dims(in[0].dims());
  for (size_t d = 0; d < dims.size(); ++d) {
    if (low[d] < 0 || high[d] < 0)
      return outOfRange(op) << "'tenon.pad' pads axis " << d << " by " << low[d] << " and " << high[d]
                            << "; amounts are not negative, slice to crop";
    dims[d] += low[d] + high[d];
  }
  Tensor result = rearrange(in[1], dims, [](ArrayRef<int64_t>) { return 0; });
  paste(result, in[0], low);
  return result;
}

static FailureOr<Tensor> evaluateIota(IotaOp op, Values in) {
  FailureOr<Dims64> dims = resultDims(op, op.getType(), in);
  if (failed(dims))
    return failure();
  std::vector<int64_t> values;
  forEachIndex(*dims, [&](ArrayRef<int64_t> index) { values.push_back(index[op.getAxis()]); });
  DType dtype = resultDType(op.getResult());
  if (isFloat(dtype))
    return Tensor::fromDoubles(dtype, *dims, std::vector<double>(values.begin(), values.end()));
  return Tensor::fromInts(dtype, *dims, values);
}

static FailureOr<Tensor> evaluateUpdateSlice(UpdateSliceOp op, Values in) {
  Dims64 offsets;
  for (const Tensor &offset : in.drop_front(2))
    offsets.push_back(offset.firstInt());
  for (int64_t d = 0; d < in[0].rank(); ++d)
    if (offsets[d] < 0 || in[1].dims()[d] > in[0].dims()[d] || offsets[d] > in[0].dims()[d] - in[1].dims()[d])
      return outOfRange(op) << "'tenon.update_slice' puts " << in[1].dims()[d] << " elements at "
                            << offsets[d] << " of axis " << d << ", which has " << in[0].dims()[d]
                            << "; a state that is full must be reset or declared larger";
  Tensor result = in[0];
  paste(result, in[1], offsets);
  return result;
}

void tenon::reference::addMovement(EvaluatorTable &table) {
  table.add<ReshapeOp>(evaluateReshape);
  table.add<BroadcastOp>(evaluateBroadcast);
  table.add<TransposeOp>(evaluateTranspose);
  table.add<SliceOp>(evaluateSlice);
  table.add<ConcatOp>(evaluateConcat);
  table.add<PadOp>(evaluatePad);
  table.add<IotaOp>(evaluateIota);
  table.add<UpdateSliceOp>(evaluateUpdateSlice);
}
