//===- EmitContraction.cpp - matrix products with fused epilogues
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/tenon/ProductAttributes.h"
#include "compiler/emit/cpu/DotCode.h"
#include "compiler/emit/cpu/SumStart.h"
#include "compiler/emit/cpu/TilePrefetch.h"
#include "compiler/emit/cpu/TileResults.h"
#include "compiler/emit/cpu/WidenedRows.h"

using namespace mlir;

namespace tenon::cpu {
namespace {

class ContractionEmitter {
public:
  ContractionEmitter(KernelBuilder &k, KernelShape &shape)
      : k(k), shape(shape), context(k.spec().context()), op(theOp<PackedContractOp>(k)) {}
  LogicalResult run();

private:
  void widenedPanels(const PanelRange &range, Size batch, Value blocks);
  void panels(Value batch, Value m0, Value m1, Value firstPanel, unsigned count, bool masked);
  void tile(Value batch, Value m, Value m0, TileShape t, Value firstPanel, bool masked);

  KernelBuilder &k;
  KernelShape &shape;
  SizeContext &context;
  PackedContractOp op;
  Dims resultDims;
  Size rows, depth, columns, panelCount;
  bool batched = false;
  TileShape shapeOfTile;
  int64_t blockRows = 0;
  Type lhsElement, rhsElement, accumulator;
  int64_t group = 1;        // elements of K that a step takes
  int64_t depthDivisor = 1; // for tiles that take several steps of it at once
  DotForm form = DotForm::Words;
  std::optional<WidenedRows> widened;
  Value firstWidened; // row of the part that is widened now
  std::optional<SumStart> start;
  std::optional<AheadPrefetch> ahead;
  Operation *failed = nullptr;
};

LogicalResult ContractionEmitter::run() {
  k.setOrigin(op);
  ArrayRef<Size> lhs = k.spec().dims(op.getLhs()), rhs = k.spec().dims(op.getRhs());
  resultDims = Dims(k.spec().dims(op.getResult()));
  depth = lhs.back();
  columns = resultDims.back();
  panelCount = columns.ceilDiv(16);
  batched = rhs.size() > op.getPanelRank();
  group = op.getGroup();
  Size batch = context.constant(1);
  rows = context.constant(1);
  for (auto [i, d] : llvm::enumerate(lhs.drop_back())) {
    Size &count = i + op.getPanelRank() < rhs.size() ? batch : rows;
    count = count * d;
  }
  lhsElement = cast<RankedTensorType>(op.getLhs().getType()).getElementType();
  rhsElement = cast<RankedTensorType>(op.getRhs().getType()).getElementType();
  start.emplace(k, op.getResult());
  accumulator = accumulatorFor(k, lhsElement, cast<RankedTensorType>(op.getType()).getElementType());
  auto depthConstant = depth.constant();
  int64_t elementBytes = lhsElement.getIntOrFloatBitWidth() / 8;
  auto rowBytes = depthConstant ? std::optional<int64_t>(*depthConstant * elementBytes) : std::nullopt;
  depthDivisor = stepsDivisor(lhsElement, rhsElement, accumulator, depth.knownDivisor());
  shapeOfTile = tileFor(k.target(), accumulator.getIntOrFloatBitWidth(), rows.constant(), columns.constant(),
                        rowBytes, depthDivisor);
  if (group == 1 && rows.isConstant(1))
    shapeOfTile = streamingTile(shapeOfTile, columns.constant(), rowBytes);
  if (group > 1) {
    form = dotForm(k.target(), lhsElement, op->hasAttr(kPairsFitAttr));
    shapeOfTile = dotTile(k.target(), form, shapeOfTile);
    if (form == DotForm::WidenedRows)
      widened.emplace(k, depth, rows.constant(), shapeOfTile.rows);
  }
  auto panelBytes = rowBytes && panelCount.constant()
                        ? std::optional<int64_t>(*rowBytes * *panelCount.constant() * 16)
                        : std::nullopt;
  blockRows = rowsPerBlock(rowBytes, panelBytes);
  Size blocks = rows.floorDiv(blockRows).max(context.constant(1));
  unsigned perPanel = 16 / shapeOfTile.lanes;
  PanelRange range;
  range.panels = panelCount;
  range.ragged = columns.knownDivisor() % 16 != 0;
  range.beside = shapeOfTile.beside != 0;
  range.wholePanels = range.ragged ? columns.floorDiv(16) : panelCount;
  range.perTile = shapeOfTile.vectors / perPanel;
  range.grain = panelGrain(rows.constant());
  shape.grid = batch * blocks * panelCount;
  shape.grain = panelGrain(rows.constant());
  shape.scratch = widened ? widened->scratchBytes() : context.constant(0);
  shape.flops = batch * rows * columns * depth * 2;
  shape.cost = atShareOfPeak(shape.flops, k.target(), 0.9 * (group > 1 ? rateOf(form) : 1));
  shape.schedule = "contraction tile=" + std::to_string(shapeOfTile.rows) + "x" +
                   std::to_string(shapeOfTile.vectors * shapeOfTile.lanes) +
                   (group > 1 ? " " + nameOf(form).str() : "") + " block_rows=" + std::to_string(blockRows);

  if (rows.constant() && depthConstant && panelCount.constant() && !batched)
    ahead.emplace(k, rhsElement,
                  llvm::divideCeil(*rows.constant(), shapeOfTile.rows) *
                      llvm::divideCeil(*panelCount.constant(), range.perTile),
                  llvm::divideCeil(*depthConstant, group));
  if (ahead && ahead->asks())
    shape.schedule += " asks_ahead";

  Value blockCount = k.size(blocks);
  if (widened) {
    widenedPanels(range, batch, blockCount);
    return failed ? noForm(failed, "contraction") : success();
  }
  forPanels(k, range, [&](Value outer, Value panel, unsigned count, bool masked) {
    SmallVector<Value> at = k.delinearize(outer, {k.size(batch), blockCount});
    auto [m0, m1] = rowsOfBlock(k, at[1], blockCount, k.size(rows), shapeOfTile.rows);
    panels(at[0], m0, m1, panel, count, masked);
  });
  return failed ? noForm(failed, "contraction") : success();
}

/// Parts of a block's rows are widened, and then all panels of the range pass by.
void ContractionEmitter::widenedPanels(const PanelRange &range, Size batch, Value blocks) {
  forOuterItems(k, panelCount, [&](Value outer, Value from, Value to) {
    SmallVector<Value> at = k.delinearize(outer, {k.size(batch), blocks});
    auto [m0, m1] = rowsOfBlock(k, at[1], blocks, k.size(rows), shapeOfTile.rows);
    widened->forParts(m0, m1, [&, batchIndex = at[0]](Value first, Value last) {
      firstWidened = first;
      Value base = batched ? k.mul(batchIndex, k.size(rows)) : k.constant(0);
      k.loop(first, last, 1, [&](Value m) {
        widened->widen(k.sub(m, first), k.constant(0), k.bufferOf(op.getLhs()),
                       k.mul(k.add(base, m), k.size(depth)), depth);
      });
      forPanels(k, range, from, to, [&](Value, Value panel, unsigned count, bool masked) {
        panels(batchIndex, first, last, panel, count, masked);
      });
    });
  });
}

void ContractionEmitter::panels(Value batch, Value m0, Value m1, Value firstPanel, unsigned count,
                                bool masked) {
  TileShape t = tileOfPanels(shapeOfTile, count, masked, columns.constant(), depthDivisor);
  tileRows(k, m0, m1, shapeOfTile.rows, rows.constant(), [&](Value m, unsigned height) {
    t.rows = height;
    tile(batch, m, m0, t, firstPanel, masked);
  });
}

void ContractionEmitter::tile(Value batch, Value m, Value m0, TileShape t, Value firstPanel, bool masked) {
  Size panelElements = depth.ceilDiv(group) * (group * 16);
  Value depthValue = k.size(depth), lhs = k.bufferOf(op.getLhs()), rhs = k.bufferOf(op.getRhs());
  Value lhsBase = batched ? k.mul(batch, k.size(rows * depth)) : k.constant(0);
  Value rhsBase = batched ? k.mul(batch, k.size(panelCount * panelElements)) : k.constant(0);
  Value flatRow = batched ? k.add(k.mul(batch, k.size(rows)), m) : m;
  SmallVector<TileRow> tileRowList;
  for (unsigned r = 0; r < t.rows; ++r) {
    Value row = k.add(m, k.constant(r));
    if (widened)
      tileRowList.push_back(widened->row(k.add(k.sub(m, firstWidened), k.constant(r))));
    else
      tileRowList.push_back({lhs, k.add(lhsBase, k.mul(row, depthValue))});
  }
  unsigned perPanel = 16 / t.lanes;
  SmallVector<TileColumn> tileColumns;
  for (unsigned u = 0; u < t.perRow(); ++u) {
    Value panel = k.add(firstPanel, k.constant(u / perPanel));
    Value offset = k.add(k.add(rhsBase, k.mul(panel, k.size(panelElements))),
                         k.constant(u % perPanel * t.lanes * group));
    tileColumns.push_back({rhs, offset, k.constant(16 * group)});
  }
  prefetchEpilogue(k, op.getResult(), flatRow, t.rows, k.mul(firstPanel, k.constant(16)), t.columns());
  auto known = batched ? std::nullopt : panelCount.constant();
  PanelPrefetch panelPrefetch(k, rhs, rhsElement, panelElements, known, group);
  bool onlyTile = rows.constant() && *rows.constant() <= shapeOfTile.rows;
  SmallVector<TilePrefetch> prefetches =
      panelPrefetch.at(k.div(k.sub(m, m0), k.constant(shapeOfTile.rows)), onlyTile, t.rows,
                       tileColumns.front().offset, llvm::divideCeil(t.columns(), 16), k.constant(0));
  if (ahead) {
    Value rowTile = k.div(k.add(m, k.constant(shapeOfTile.rows - 1)), k.constant(shapeOfTile.rows));
    Value panelTile = k.div(firstPanel, k.constant(shapeOfTile.vectors / perPanel));
    int64_t rowTiles = llvm::divideCeil(*rows.constant(), shapeOfTile.rows);
    ahead->at(k.add(k.mul(panelTile, k.constant(rowTiles)), rowTile), prefetches);
  }
  SmallVector<Value> lead;
  for (Size d : ArrayRef<Size>(resultDims).drop_back())
    lead.push_back(k.size(d));
  bool oneAxis = !lead.empty() && seesRowsAsOneAxis(k, op.getResult());
  SmallVector<Value> acc = tileZero(k, t, accumulator);
  for (unsigned u = 0; u < t.vectors && !start->isZero(); ++u) {
    Value first =
        start->at(columnOf(k, t, firstPanel, u), t.lanes, maskOf(k, t, firstPanel, u, masked, columns));
    for (unsigned r = 0; r < t.rows; ++r)
      acc[r * t.perRow() + u] = first;
  }
  acc = group > 1 ? tileDotProduct(k, t, tileRowList, tileColumns, widened ? widened->depth() : depth, group,
                                   form, lhsElement, rhsElement, acc, prefetches)
                  : tileProduct(k, t, tileRowList, tileColumns, depthValue, lhsElement, rhsElement,
                                accumulator, acc, prefetches);
  acc = folded(k, t, acc);

  auto place = [&](unsigned r) { return rowPosition(k, k.add(flatRow, k.constant(r)), lead, oneAxis); };
  auto column = [&](unsigned u) { return columnOf(k, t, firstPanel, u); };
  auto mask = [&](unsigned u) { return maskOf(k, t, firstPanel, u, masked, columns); };
  if (Operation *without = storeTile(k, {t, acc, start->result(), masked, place, column, mask}))
    failed = without;
}

} // namespace

LogicalResult emitContraction(KernelBuilder &k, KernelShape &shape) {
  return ContractionEmitter(k, shape).run();
}

} // namespace tenon::cpu
