//===- RecognizeComposites.cpp - composites from exporters' expansions ------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/graph/Passes.h"
#include "compiler/graph/Recognition.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;
using namespace tenon;

namespace tenon {
#define GEN_PASS_DEF_RECOGNIZECOMPOSITES
#include "compiler/graph/Passes.h.inc"
} // namespace tenon

Value tenon::withoutBroadcast(Value v) {
  while (Operation *op = v.getDefiningOp()) {
    if (!isa<BroadcastOp, tensor::CastOp>(op))
      break;
    v = op->getOperand(0);
  }
  return v;
}

std::optional<double> tenon::scalarOf(Value v) {
  while (Operation *op = v.getDefiningOp()) {
    if (!isa<BroadcastOp, tensor::CastOp, ReshapeOp, CastOp>(op))
      break;
    v = op->getOperand(0);
  }
  auto constant = v.getDefiningOp<ConstantOp>();
  auto elements = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
  if (!elements || !elements.isSplat())
    return std::nullopt;
  if (isa<FloatType>(elements.getElementType()))
    return elements.getSplatValue<APFloat>().convertToDouble();
  return elements.getSplatValue<APInt>().roundToDouble(!elements.getElementType().isUnsignedInteger());
}

bool tenon::isScalar(Value v, double expected) {
  std::optional<double> found = scalarOf(v);
  return found && std::abs(*found - expected) <= 1e-3 * std::abs(expected);
}

namespace {
struct RecognizeCompositesPass : tenon::impl::RecognizeCompositesBase<RecognizeCompositesPass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    populateActivationRecognition(patterns);
    populateNormRecognition(patterns);
    populateAttentionRecognition(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace
