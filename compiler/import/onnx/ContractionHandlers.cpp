//===- ContractionHandlers.cpp - MatMul and Gemm ----------------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/import/onnx/Products.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::importer;

FailureOr<Tensor> tenon::importer::matMul(NodeContext &n, Tensor a, Tensor b) {
  GraphBuilder &g = n.g;
  if (a.element != b.element || a.element.isInteger(1))
    return n.invalid("expected two tensors of numbers of one type, found " + describe(a) + " and " +
                     describe(b));
  if (a.rank() == 0 || b.rank() == 0)
    return n.invalid("expected at least one dimension, found " + describe(a) + " and " + describe(b));
  bool vectorLeft = a.rank() == 1, vectorRight = b.rank() == 1;
  if (vectorLeft)
    a = g.unsqueeze(a, 0);
  if (vectorRight)
    b = g.unsqueeze(b, 1);
  ONNX_TRY(k, n.sameSize(a.dims.back(), b.dims[b.rank() - 2],
                         "the contracted dimension of " + describe(a) + " and " + describe(b)));
  // Batch dimensions that are all 1 on the right are none: one right side serves every batch.
  bool single = llvm::all_of(ArrayRef<Size>(b.dims).drop_back(2), [](Size s) { return s.isConstant(1); });
  if (single && a.rank() >= b.rank()) {
    b = g.reshape(b, ArrayRef<Size>(b.dims).take_back(2));
  } else {
    Tensor batchA, batchB;
    batchA.dims.assign(a.dims.begin(), a.dims.end() - 2);
    batchB.dims.assign(b.dims.begin(), b.dims.end() - 2);
    batchA.element = batchB.element = a.element;
    ONNX_TRY(batch, n.broadcastDims({batchA, batchB}));
    auto expand = [&](const Tensor &t) {
      Dims dims = batch;
      dims.append(t.dims.end() - 2, t.dims.end());
      return g.broadcast(g.toRank(t, dims.size()), dims);
    };
    a = expand(a);
    b = expand(b);
  }
  // Where equality is not proven, the shorter side's reads are clamped.
  Dims left = a.dims, right = b.dims;
  left.back() = right[right.size() - 2] = k;
  Tensor result = g.contract(g.broadcast(a, left), g.broadcast(b, right));
  if (vectorRight)
    result = g.squeeze(result, result.rank() - 1);
  if (vectorLeft)
    result = g.squeeze(result, result.rank() - (vectorRight ? 1 : 2));
  return result;
}

namespace {

LogicalResult importMatMul(NodeContext &n) {
  if (failed(n.needInputs(2)))
    return failure();
  ONNX_TRY(result, matMul(n, n.in(0), n.in(1)));
  return n.out(result);
}

Tensor swapLast(GraphBuilder &g, const Tensor &t) {
  SmallVector<int64_t> permutation = axesFrom(0, t.rank());
  std::swap(permutation[t.rank() - 1], permutation[t.rank() - 2]);
  return g.transpose(t, permutation);
}

LogicalResult fusedMatMul(NodeContext &n) {
  if (failed(n.needInputs(2)) || failed(n.needFloat(0)) || failed(n.needRank(0, 2)) ||
      failed(n.needRank(1, 2)))
    return failure();
  if (n.intAttr("transBatchA", 0) || n.intAttr("transBatchB", 0))
    return n.unsupported("transBatchA and transBatchB are not supported");
  Tensor a = n.intAttr("transA", 0) ? swapLast(n.g, n.in(0)) : n.in(0);
  Tensor b = n.intAttr("transB", 0) ? swapLast(n.g, n.in(1)) : n.in(1);
  ONNX_TRY(result, matMul(n, a, b));
  double alpha = n.floatAttr("alpha", 1.0);
  return n.out(alpha == 1.0 ? result : n.g.binary<MulOp>(result, alpha));
}

LogicalResult gemm(NodeContext &n) {
  if (failed(n.needInputs(2)))
    return failure();
  if (n.in(0).rank() != 2 || n.in(1).rank() != 2 || n.in(0).element != n.in(1).element)
    return n.invalid("expected two matrices of one type, found " + describe(n.in(0)) + " and " +
                     describe(n.in(1)));
  GraphBuilder &g = n.g;
  Tensor a = n.intAttr("transA", 0) ? swapLast(g, n.in(0)) : n.in(0);
  bool transposed = n.intAttr("transB", 0);
  const Tensor &b = n.in(1);
  if (failed(n.sameSize(a.dims[1], b.dims[transposed ? 1 : 0], "the contracted dimension")))
    return failure();
  Tensor result = g.contract(a, b, transposed);
  double alpha = n.floatAttr("alpha", 1.0), beta = n.floatAttr("beta", 1.0);
  if (alpha != 1.0)
    result = g.binary<MulOp>(result, alpha);
  if (!n.has(2) || beta == 0.0)
    return n.out(result);
  if (n.in(2).element != result.element)
    return n.invalid("expected C to have the element type of A, found " + describe(n.in(2)));
  ONNX_TRY(c, n.broadcastTo(n.in(2), result.dims, "C"));
  return n.out(g.binary<AddOp>(result, beta == 1.0 ? c : g.binary<MulOp>(c, beta)));
}

} // namespace

void tenon::importer::registerContractions(OpTable &t) {
  t.add("MatMul", importMatMul);
  t.add("Gemm", gemm);
  t.add("com.microsoft:FusedMatMul", fusedMatMul);
}
