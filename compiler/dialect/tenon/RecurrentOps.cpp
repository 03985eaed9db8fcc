//===- RecurrentOps.cpp - verification and sizes of recurrent layers --------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/SizeRules.h"

using namespace mlir;
using namespace tenon;

static int64_t times(int64_t gates, int64_t size) { return size == kDynamic ? kDynamic : gates * size; }

/// What every recurrent layer has: x [T, B, I], w [gates * H, I], r [gates * H, H], bias [2 * gates * H],
/// lengths [B], the first hidden state [B, H], and its activations.
template <typename LayerOp> static LogicalResult verifyLayer(LayerOp op, int64_t gates, size_t activations) {
  RankedTensorType x = tensorType(op.getX()), r = tensorType(op.getR());
  if (failed(verifyRank(op, "x", x.getRank(), 3)) || failed(verifyRank(op, "r", r.getRank(), 2)))
    return failure();
  int64_t batch = x.getDimSize(1), hidden = r.getDimSize(1), rows = times(gates, hidden);
  if (failed(verifyShape(op, "w", tensorType(op.getW()).getShape(), {rows, x.getDimSize(2)})) ||
      failed(verifyShape(op, "r", r.getShape(), {rows, hidden})))
    return failure();
  if (op.getBias() && failed(verifyShape(op, "bias", tensorType(op.getBias()).getShape(), {times(2, rows)})))
    return failure();
  if (op.getLengths() && failed(verifyShape(op, "lengths", tensorType(op.getLengths()).getShape(), {batch})))
    return failure();
  if (op.getInitialH() &&
      failed(verifyShape(op, "initial_h", tensorType(op.getInitialH()).getShape(), {batch, hidden})))
    return failure();
  if (ArrayAttr names = op.getActivationsAttr()) {
    if (failed(verifyLength(op, "activations", names.size(), activations)))
      return failure();
    static constexpr StringLiteral known[] = {"Sigmoid",         "Tanh",      "Relu",      "Elu",
                                              "HardSigmoid",     "LeakyRelu", "Softplus",  "Softsign",
                                              "ThresholdedRelu", "Affine",    "ScaledTanh"};
    for (Attribute name : names)
      if (!llvm::is_contained(known, cast<StringAttr>(name).getValue()))
        return op.emitOpError() << "expected an activation of ONNX's recurrent layers, found " << name;
  }
  return verifyInferred(op);
}

/// Y [T, B, H], then the last states [B, H].
template <typename LayerOp>
static LogicalResult inferLayer(LayerOp, ArrayRef<Dims> operands, SmallVectorImpl<Dims> &results) {
  const Dims &x = operands[0], &r = operands[2];
  if (x.size() != 3 || r.size() != 2)
    return failure();
  results.push_back({x[0], x[1], r[1]});
  results.resize(LayerOp::getOperationName() == LstmOp::getOperationName() ? 3 : 2, Dims{x[1], r[1]});
  return success();
}

LogicalResult LstmOp::verify() {
  if (failed(verifyLayer(*this, 4, 3)))
    return failure();
  int64_t batch = tensorType(getX()).getDimSize(1), hidden = tensorType(getR()).getDimSize(1);
  if (getInitialC() &&
      failed(verifyShape(*this, "initial_c", tensorType(getInitialC()).getShape(), {batch, hidden})))
    return failure();
  if (getPeephole())
    return verifyShape(*this, "peephole", tensorType(getPeephole()).getShape(), {times(3, hidden)});
  return success();
}
LogicalResult GruOp::verify() { return verifyLayer(*this, 3, 2); }
LogicalResult RnnOp::verify() { return verifyLayer(*this, 1, 1); }

LogicalResult LstmOp::inferSizes(SizeContext &, ArrayRef<Dims> operands, IndexFn,
                                 SmallVectorImpl<Dims> &results) {
  return inferLayer(*this, operands, results);
}
LogicalResult GruOp::inferSizes(SizeContext &, ArrayRef<Dims> operands, IndexFn,
                                SmallVectorImpl<Dims> &results) {
  return inferLayer(*this, operands, results);
}
LogicalResult RnnOp::inferSizes(SizeContext &, ArrayRef<Dims> operands, IndexFn,
                                SmallVectorImpl<Dims> &results) {
  return inferLayer(*this, operands, results);
}
