//===- TilePrefetch.cpp - lines that products ask for early
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/TilePrefetch.h"

#include "compiler/dialect/tenon/ProductAttributes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace tenon::cpu {

static constexpr int64_t kLineBytes = 64;

PanelPrefetch::PanelPrefetch(KernelBuilder &k, Value pointer, Type element, Size elements,
                             std::optional<int64_t> total, int64_t group)
    : k(k), pointer(pointer), elements(elements), perStep(16 * group) {
  constexpr int64_t staysInCache = 192 << 10;
  int64_t bytes = std::max<int64_t>(1, k.storageType(element).getIntOrFloatBitWidth() / 8);
  line = kLineBytes / bytes;
  auto each = elements.constant();
  useful = !total || !each || *total * *each * bytes > staysInCache;
}

SmallVector<TilePrefetch> PanelPrefetch::at(Value tile, bool onlyTile, unsigned rows, Value base,
                                            unsigned panels, Value step) const {
  SmallVector<TilePrefetch> list;
  if (!useful || (onlyTile && rows == 1))
    return list;
  constexpr int64_t stepsAhead = 64;
  if (onlyTile) {
    Value first = k.add(base, k.mul(k.add(step, k.constant(stepsAhead)), k.constant(perStep)));
    for (unsigned p = 0; p < panels; ++p)
      list.push_back({pointer, k.add(first, k.mul(k.constant(p), k.size(elements))), k.constant(perStep),
                      KernelBuilder::Cache::First});
    return list;
  }
  // Each step asks for one line, so that the first tiles of a block fetch all of the next panels; the others
  // ask for the last line again and again.
  Value next = k.mul(k.size(elements), k.constant(panels));
  Value steps = k.div(k.size(elements), k.constant(perStep));
  Value from = k.mul(k.add(k.mul(tile, steps), step), k.constant(line));
  Value some = k.less(from, next);
  OpBuilder &b = k.builder();
  auto pick = [&](Value yes, Value no) { return b.createOrFold<arith::SelectOp>(k.loc(), some, yes, no); };
  list.push_back(
      {pointer, k.add(k.add(base, next), pick(from, k.constant(0))), pick(k.constant(line), k.constant(0))});
  return list;
}

AheadPrefetch::AheadPrefetch(KernelBuilder &k, Type element, int64_t tiles, int64_t steps) : k(k) {
  KernelOp op = k.spec().op();
  auto asked = op->getAttrOfType<DenseI64ArrayAttr>(kAsksAheadAttr);
  if (!asked || tiles <= 0 || steps <= 0 || !k.target().holdsAhead(asked[3]))
    return;
  int64_t unit = std::max<int64_t>(1, k.storageType(element).getIntOrFloatBitWidth() / 8);
  int64_t count = asked[2] / unit, most = kLineBytes / unit;
  step = std::min(most, static_cast<int64_t>(llvm::divideCeil(count, tiles * steps)));
  perTile = step * steps;
  if (perTile > count)
    return;
  first = asked[1] / unit;
  last = count - perTile;
  pointer = k.bufferOf(op.getBody().getArgument(asked[0]));
}

void AheadPrefetch::at(Value tile, SmallVectorImpl<TilePrefetch> &list) const {
  if (!pointer)
    return;
  Value offset = k.min(k.mul(tile, k.constant(perTile)), k.constant(last));
  list.push_back({pointer, k.add(k.constant(first), offset), k.constant(step)});
}

void prefetchEpilogue(KernelBuilder &k, Value product, Value row, unsigned rows, Value column,
                      unsigned columns) {
  ArrayRef<Size> dims = k.spec().dims(product);
  Size elements = productOf(k.spec().context(), dims);
  auto sameRows = [&](Value tensor) {
    ArrayRef<Size> own = k.spec().dims(tensor);
    return !own.empty() && own.back() == dims.back() && productOf(k.spec().context(), own) == elements;
  };
  auto ask = [&](Value buffer, Value tensor, bool write) {
    Type element = cast<RankedTensorType>(tensor.getType()).getElementType();
    int64_t bytes = std::max<int64_t>(1, k.storageType(element).getIntOrFloatBitWidth() / 8);
    for (unsigned r = 0; r < rows; ++r) {
      Value first = k.add(k.mul(k.add(row, k.constant(r)), k.size(dims.back())), column);
      for (int64_t at = 0; at < columns; at += kLineBytes / bytes)
        k.prefetch(buffer, k.add(first, k.constant(at)), element, KernelBuilder::Cache::Second, write);
    }
  };
  for (Value input : k.spec().op().getBody().getArguments())
    if (isa<RankedTensorType>(input.getType()) && !input.use_empty() && k.bufferOf(input) &&
        sameRows(input) && !llvm::is_contained(product.getDefiningOp()->getOperands(), input))
      ask(k.bufferOf(input), input, false);
  if (sameRows(yielded(k, 0)))
    ask(k.outputBuffer(0), yielded(k, 0), true);
}

} // namespace tenon::cpu
