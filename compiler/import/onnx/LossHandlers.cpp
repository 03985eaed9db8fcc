//===- LossHandlers.cpp - losses of classification --------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/NodeContext.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

namespace {

enum class LossReduction { None, Sum, Mean };

FailureOr<LossReduction> reductionOf(NodeContext &n) {
  std::string name = n.stringAttr("reduction", "mean");
  if (name == "none")
    return LossReduction::None;
  if (name == "sum")
    return LossReduction::Sum;
  if (name == "mean")
    return LossReduction::Mean;
  return n.invalid("expected reduction none, sum or mean, found '" + name + "'");
}

Tensor sumOfAll(GraphBuilder &g, const Tensor &x) {
  return g.reshape(g.reduce(ReduceKind::sum, x, axesFrom(0, x.rank())), {});
}

/// Classes [N, d...] for scores [N, C, d...], and weights [C] when there are any.
LogicalResult checkOperands(NodeContext &n) {
  if (failed(n.needInputs(2)) || failed(n.needFloat(0)) || failed(n.needRank(0, 2)))
    return failure();
  const Tensor &scores = n.in(0), &classes = n.in(1);
  if (classes.rank() != scores.rank() - 1 || !isa<IntegerType>(classes.element) ||
      classes.element.isInteger(1))
    return n.invalid("expected integers [N, d...] as the classes of " + describe(scores) + ", found " +
                     describe(classes));
  for (int64_t i = 0; i < classes.rank(); ++i)
    if (failed(n.sameSize(classes.dims[i], scores.dims[i ? i + 1 : 0], "the scores and the classes")))
      return failure();
  if (!n.has(2))
    return success();
  const Tensor &weights = n.in(2);
  if (weights.rank() != 1 || weights.element != scores.element)
    return n.invalid("expected a weight of the scores' type for each class, found " + describe(weights));
  return n.sameSize(weights.dims[0], scores.dims[1], "the weights and the classes");
}

/// -x[n, class[n, d], d] * weight[class[n, d]], 0 where the class is ignore_index; the mean divides by the
/// sum of the weights that took part.
LogicalResult negativeLogLikelihood(NodeContext &n, const Tensor &x) {
  ONNX_TRY(reduction, reductionOf(n));
  GraphBuilder &g = n.g;
  Tensor classes = n.in(1), ignored;
  if (n.attr("ignore_index")) {
    Tensor other = g.fullInt(n.intAttr("ignore_index", 0), classes.element, classes.dims);
    ignored = g.compare(CmpPredicate::eq, classes, other);
    classes = g.select(ignored, g.fullInt(0, classes.element, classes.dims), classes);
  }
  Value scores = g.value(x), at = g.value(g.unsqueeze(classes, 1));
  Dims one = x.dims;
  one[1] = g.size(1);
  Value picked = GatherElementsOp::create(g.builder, g.loc, g.type(x.element, one), scores, at, /*axis=*/1);
  Tensor loss = g.unary<NegOp>(g.squeeze(g.wrap(picked, one), 1));
  Tensor weights = n.has(2) ? g.gather(n.in(2), classes, 0) : g.full(1, x.element, loss.dims);
  if (ignored)
    weights = g.select(ignored, g.full(0, x.element, loss.dims), weights);
  loss = g.binary<MulOp>(loss, weights);
  if (reduction == LossReduction::None)
    return n.out(loss);
  Tensor sum = sumOfAll(g, loss);
  return n.out(reduction == LossReduction::Sum ? sum : g.binary<DivOp>(sum, sumOfAll(g, weights)));
}

LogicalResult negativeLogLikelihoodLoss(NodeContext &n) {
  if (failed(checkOperands(n)))
    return failure();
  return negativeLogLikelihood(n, n.in(0));
}

LogicalResult softmaxCrossEntropyLoss(NodeContext &n) {
  if (failed(checkOperands(n)))
    return failure();
  Value scores = n.g.value(n.in(0));
  auto op = LogSoftmaxOp::create(n.g.builder, n.g.loc, scores.getType(), scores, /*axis=*/1);
  Tensor logarithms = n.g.wrap(op, n.in(0).dims);
  if (n.wants(1))
    (void)n.out(logarithms, 1);
  return negativeLogLikelihood(n, logarithms);
}

} // namespace

void tenon::importer::registerLosses(OpTable &t) {
  t.add("NegativeLogLikelihoodLoss", negativeLogLikelihoodLoss, 12);
  t.add("SoftmaxCrossEntropyLoss", softmaxCrossEntropyLoss, 12);
}
