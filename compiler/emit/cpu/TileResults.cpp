//===- TileResults.cpp - what becomes of a tile's sums
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/TileResults.h"

#include "compiler/defects/PlantedDefect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace tenon::cpu {

Operation *evaluateTile(KernelBuilder &k, const TileResults &tile, Value root, TileSink sink) {
  const TileShape &t = tile.shape;
  Type productElement = k.valueType(cast<RankedTensorType>(tile.product.getType()).getElementType());
  Type rootElement = cast<RankedTensorType>(root.getType()).getElementType();
  unsigned together = epilogueVectors(k, t, rootElement, tile.masked);
  for (unsigned r = 0; r < t.rows; ++r) {
    Coords at;
    for (Value p : tile.place(r))
      at.push_back({p});
    at.push_back({});
    for (unsigned u = 0; u < t.perRow(); u += together) {
      unsigned lanes = t.lanesOf(u) * together;
      at.back() = {tile.column(u), 1};
      Value value = joined(k, tile.sums.slice(r * t.perRow() + u, together));
      if (getElementTypeOrSelf(value) != productElement)
        value = arith::TruncFOp::create(k.builder(), k.loc(), k.vectorOf(productElement, lanes), value);
      Evaluator e(k, lanes, tile.mask(u));
      e.bind(tile.product, [value](Evaluator &, ArrayRef<Coord>) { return value; });
      Value out = planted(Defect::EpilogueDropped) ? value : e.eval(root, at);
      if (!out)
        return e.failedOp();
      sink(e, {out, at, r, at.back().base});
    }
  }
  return nullptr;
}

Operation *storeTile(KernelBuilder &k, const TileResults &tile) {
  Value root = yielded(k, 0);
  Dims dims(k.spec().dims(root));
  Type element = cast<RankedTensorType>(root.getType()).getElementType();
  return evaluateTile(k, tile, root, [&](Evaluator &e, const TileElements &elements) {
    e.store(elements.value, k.outputBuffer(0), elements.at, dims, element);
  });
}

} // namespace tenon::cpu
