//===- WidenedRows.cpp - rows of products, widened from bytes to words
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/WidenedRows.h"

#include "compiler/defects/PlantedDefect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace tenon::cpu {

static constexpr int64_t kGroup = 4;

WidenedRows::WidenedRows(KernelBuilder &k, Size depth, std::optional<int64_t> most, unsigned tileRows)
    : k(k), filled(depth.ceilDiv(kGroup) * kGroup), tileRows(tileRows) {
  // An odd number of lines: neighbouring rows do not share sets of the first cache. Where the run decides,
  // zeros may follow a whole last group.
  constexpr int64_t lineWords = 32, budget = 256 << 10, unknownRows = 48, fewestTiles = 4;
  Size lines = (depth.constant() ? filled : depth + kGroup).ceilDiv(lineWords);
  stride = (lines.floorDiv(2) * 2 + 1) * lineWords;
  auto words = stride.constant();
  rows = words ? budget / (2 * *words) : unknownRows;
  rows = std::max<int64_t>(fewestTiles, rows / tileRows) * tileRows;
  if (most)
    rows = std::min<int64_t>(rows, llvm::alignTo(*most, tileRows));
}

void WidenedRows::forParts(Value from, Value to, llvm::function_ref<void(Value, Value)> body) {
  Value count = k.sub(to, from), parts = k.div(k.add(count, k.constant(rows - 1)), k.constant(rows));
  k.loop(k.constant(0), parts, 1, [&](Value part) {
    auto [first, last] = rowsOfBlock(k, part, parts, count, tileRows);
    body(k.add(from, first), k.add(from, last));
  });
}

void WidenedRows::widen(Value row, Value at, Value pointer, Value offset, Size count) {
  OpBuilder &b = k.builder();
  Type bytes = b.getIntegerType(8, /*isSigned=*/false), i16 = b.getI16Type();
  Value to = k.add(k.mul(row, k.size(stride)), at), done = k.constant(0);
  if (count.knownDivisor() % kGroup != 0) {
    Size wholeGroups = count.floorDiv(kGroup) * kGroup;
    Value zero = arith::ConstantOp::create(b, k.loc(), b.getZeroAttr(VectorType::get({kGroup}, i16)));
    k.store(zero, k.scratch(), k.add(to, k.size(wholeGroups)), i16, kGroup);
    if (planted(Defect::LastGroupDropped))
      count = wholeGroups;
  }
  Value end = k.size(count);
  auto rest = count.constant();
  for (unsigned width : {32u, 16u, 8u, 4u, 2u, 1u}) {
    auto move = [&](Value i) {
      Value v = k.load(pointer, k.add(offset, i), bytes, width);
      k.store(arith::ExtUIOp::create(b, k.loc(), k.vectorOf(i16, width), v), k.scratch(), k.add(to, i), i16,
              width);
    };
    if (rest && *rest < width)
      continue;
    Value whole = k.add(done, k.mul(k.div(k.sub(end, done), k.constant(width)), k.constant(width)));
    if (rest && *rest / width == 1)
      move(done);
    else
      k.loop(done, whole, width, move);
    done = whole;
    if (rest)
      *rest %= width;
    if (count.knownDivisor() % width == 0)
      return;
  }
}

TileRow WidenedRows::row(Value row) const { return {k.scratch(), k.mul(row, k.size(stride))}; }

void forOuterItems(KernelBuilder &k, Size panels, llvm::function_ref<void(Value, Value, Value)> body) {
  Value count = k.size(panels);
  k.loopWhileLess(k.begin(), k.end(), [&](Value item) {
    Value outer = k.div(item, count);
    Value next = k.min(k.end(), k.mul(k.add(outer, k.constant(1)), count));
    body(outer, item, next);
    return next;
  });
}

} // namespace tenon::cpu
