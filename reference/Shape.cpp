//===- Shape.cpp - the meaning of constants and of the way between sizes and tensors -===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "reference/Evaluators.h"
#include "reference/Indexing.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::reference;

static FailureOr<Tensor> evaluateConstant(ConstantOp op, Values) {
  std::optional<Tensor> value = Tensor::fromAttribute(op.getValue());
  if (!value)
    return op->emitError() << "TN0715: the value of 'tenon.constant' is not held by the IR ("
                           << op.getValue().getType() << "); dense or loaded resource elements are needed";
  return *value;
}

static FailureOr<Tensor> evaluateFromIndex(FromIndexOp op, Values in) {
  RankedTensorType type = cast<RankedTensorType>(op.getType());
  std::vector<int64_t> values;
  for (const Tensor &v : in)
    values.push_back(v.firstInt());
  llvm::SmallVector<int64_t> dims;
  if (type.getRank() == 1)
    dims.push_back(values.size());
  return Tensor::fromInts(resultDType(op.getResult()), dims, values);
}

static FailureOr<Tensor> evaluateReadScalar(ReadScalarOp op, Values in) {
  int64_t position = op.getPosition();
  if (position < 0 || position >= in[0].size())
    return outOfRange(op) << "'tenon.read_scalar' reads element " << position << " of " << in[0].typeText()
                          << "; the position counts elements in row-major order";
  int64_t v = in[0].ints()[position];
  if ((op.getMin() && v < static_cast<int64_t>(*op.getMin())) ||
      (op.getMax() && v > static_cast<int64_t>(*op.getMax())))
    return outOfRange(op) << "'tenon.read_scalar' found the size " << v
                          << ", which is not within its bounds; "
                          << "declare wider bounds or check the model's input";
  return Tensor::index(v);
}

static FailureOr<Tensor> evaluateDim(tensor::DimOp op, Values in) {
  int64_t axis = in[1].firstInt();
  if (axis < 0 || axis >= in[0].rank())
    return outOfRange(op) << "'tensor.dim' asks for axis " << axis << " of " << in[0].typeText();
  return Tensor::index(in[0].dims()[axis]);
}

static FailureOr<Tensor> evaluateExtract(tensor::ExtractOp op, Values in) {
  Index strides = stridesOf(in[0].dims());
  int64_t from = 0;
  for (int64_t d = 0; d < in[0].rank(); ++d) {
    int64_t i = in[d + 1].firstInt();
    if (i < 0 || i >= in[0].dims()[d])
      return outOfRange(op) << "'tensor.extract' reads position " << i << " of axis " << d << " of "
                            << in[0].typeText();
    from += i * strides[d];
  }
  Tensor result(in[0].dtype(), {});
  result.copyElement(0, in[0], from);
  return result;
}

static Tensor evaluateFromElements(tensor::FromElementsOp op, Values in) {
  Tensor result(resultDType(op.getResult()), cast<RankedTensorType>(op.getType()).getShape());
  for (auto [i, element] : llvm::enumerate(in))
    result.copyElement(i, element, 0);
  return result;
}

void tenon::reference::addShapes(EvaluatorTable &table) {
  table.add<ConstantOp>(evaluateConstant);
  table.add<FromIndexOp>(evaluateFromIndex);
  table.add<ReadScalarOp>(evaluateReadScalar);
  table.add<tensor::DimOp>(evaluateDim);
  table.add<tensor::ExtractOp>(evaluateExtract);
  table.add<tensor::FromElementsOp>(evaluateFromElements);
  table.add<tensor::CastOp>([](tensor::CastOp, Values in) { return in[0]; });
}
