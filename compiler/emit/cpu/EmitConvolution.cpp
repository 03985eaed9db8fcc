//===- EmitConvolution.cpp - convolutions with fused epilogues
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Direct convolution: items are blocks of output positions and panels of the filter.
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/ConvolutionTiles.h"
#include "compiler/emit/cpu/TileResults.h"

using namespace mlir;

namespace tenon::cpu {
namespace {

class ConvolutionEmitter {
public:
  ConvolutionEmitter(KernelBuilder &k, KernelShape &shape)
      : k(k), shape(shape), context(k.spec().context()), c(k), line(lineTile(k, c)) {}
  LogicalResult run();

private:
  /// Where a row of a tile stands: image and spatial positions.
  using Place = llvm::function_ref<SmallVector<Value>(unsigned row)>;
  void describe(int64_t blockRows);
  void lines(Value block, Value blocks, const ConvolutionTile &tile, bool masked);
  /// The positions [from, to).
  void positions(Value from, Value to, const ConvolutionTile &tile, bool masked);
  void widenedPositions(const PanelRange &range, Value blocks);
  ConvolutionTile tileAt(Value group, Value panel, unsigned panels, bool masked);
  Value columnOf(const ConvolutionTile &tile, unsigned vector); // of all groups
  Value maskOf(const ConvolutionTile &tile, unsigned vector, bool masked);
  void askEarly(const ConvolutionTile &tile, Value position);
  void write(const ConvolutionTile &tile, ArrayRef<Value> acc, Place place, bool masked);

  KernelBuilder &k;
  KernelShape &shape;
  SizeContext &context;
  Convolution c;
  std::optional<LineTile> line;
  TileShape shapeOfTile;
  std::optional<WidenedRows> widened;
  Value firstWidened; // position of the part that is widened now
  Operation *failed = nullptr;
};

LogicalResult ConvolutionEmitter::run() {
  k.setOrigin(c.op);
  shapeOfTile = line ? line->shape : c.tileOf(k.target(), c.positions.constant(), std::nullopt);
  unsigned perPanel = 16 / shapeOfTile.lanes;
  // Each row has a pointer of its own; more of them than general registers would be loaded in every step.
  if (!line)
    shapeOfTile.rows = std::min(shapeOfTile.rows, shapeOfTile.vectors == 1 ? 12u : 8u);
  if (c.widensRows())
    widened.emplace(k, context.constant(c.rowElements()), c.positions.constant(), shapeOfTile.rows);
  PanelRange range;
  range.panels = context.constant(c.panelCount);
  range.ragged = c.outputs % 16 != 0;
  range.beside = shapeOfTile.beside != 0;
  range.wholePanels = context.constant(range.ragged ? c.outputs / 16 : c.panelCount);
  range.perTile = shapeOfTile.vectors / perPanel;
  range.grain = panelGrain(c.positions.constant());
  int64_t bytes = c.inElement.getIntOrFloatBitWidth() / 8;
  int64_t blockRows =
      rowsPerBlock(c.channels * c.groups * bytes, c.groups * c.panelCount * c.panelElements() * bytes);
  Size blocks = c.positions.floorDiv(blockRows).max(context.constant(1));
  shape.grid = blocks * (c.groups * c.panelCount);
  describe(blockRows);

  Value blockCount = k.size(blocks);
  if (widened)
    widenedPositions(range, blockCount);
  else
    forPanels(k, range, [&](Value outer, Value panel, unsigned count, bool masked) {
      SmallVector<Value> at = k.delinearize(outer, {blockCount, k.constant(c.groups)});
      ConvolutionTile tile = tileAt(at[1], panel, count, masked);
      auto byPositions = [&] {
        auto [from, to] = rowsOfBlock(k, at[0], blockCount, k.size(c.positions), shapeOfTile.rows);
        positions(from, to, tile, masked);
      };
      auto byLines = [&] { lines(at[0], blockCount, tile, masked); };
      if (!line)
        byPositions();
      else if (line->wasteful)
        k.ifThen(line->wasteful, byPositions, byLines);
      else
        byLines();
    });
  return failed ? noForm(failed, "conv") : success();
}

ConvolutionTile ConvolutionEmitter::tileAt(Value group, Value panel, unsigned panels, bool masked) {
  ConvolutionTile tile;
  tile.shape = tileOfPanels(shapeOfTile, panels, masked, c.outputs, c.stepsDivisor());
  tile.group = group;
  tile.firstPanel = panel;
  for (unsigned u = 0; u < tile.shape.vectors && !c.start.isZero(); ++u)
    tile.start.push_back(c.start.at(columnOf(tile, u), tile.shape.lanes, maskOf(tile, u, masked)));
  return tile;
}

Value ConvolutionEmitter::columnOf(const ConvolutionTile &tile, unsigned vector) {
  return k.add(k.mul(tile.group, k.constant(c.outputs)),
               cpu::columnOf(k, tile.shape, tile.firstPanel, vector));
}

Value ConvolutionEmitter::maskOf(const ConvolutionTile &tile, unsigned vector, bool masked) {
  return cpu::maskOf(k, tile.shape, tile.firstPanel, vector, masked, context.constant(c.outputs));
}

/// Parts of a block's positions are widened, and then all panels of the range pass by.
void ConvolutionEmitter::widenedPositions(const PanelRange &range, Value blocks) {
  forOuterItems(k, range.panels, [&](Value outer, Value begin, Value end) {
    SmallVector<Value> at = k.delinearize(outer, {blocks, k.constant(c.groups)});
    auto [from, to] = rowsOfBlock(k, at[0], blocks, k.size(c.positions), shapeOfTile.rows);
    widened->forParts(from, to, [&, group = at[1]](Value first, Value last) {
      firstWidened = first;
      widenPositions(k, c, group, first, last, *widened);
      forPanels(k, range, begin, end, [&](Value, Value panel, unsigned count, bool masked) {
        positions(first, last, tileAt(group, panel, count, masked), masked);
      });
    });
  });
}

void ConvolutionEmitter::describe(int64_t blockRows) {
  shape.grain = panelGrain(c.positions.constant());
  shape.scratch = widened ? widened->scratchBytes() : context.constant(0);
  shape.flops = c.positions * (2 * c.taps * c.channels * c.outputs * c.groups);
  shape.cost = atShareOfPeak(shape.flops, k.target(), 0.9 * (c.group > 1 ? rateOf(c.form) : 1));
  shape.schedule = "conv tile=" + std::to_string(shapeOfTile.rows) + "x" +
                   std::to_string(shapeOfTile.vectors * shapeOfTile.lanes) + (line ? " of lines" : "") +
                   (c.group > 1 ? " " + nameOf(c.form).str() : "") +
                   " block_positions=" + std::to_string(blockRows);
}

void ConvolutionEmitter::lines(Value block, Value blocks, const ConvolutionTile &tile, bool masked) {
  Value length = k.size(c.g.out.back()), height = k.constant(tile.shape.rows);
  Value perLine = k.div(k.add(length, k.constant(tile.shape.rows - 1)), height);
  SmallVector<Value> extents;
  Value count = k.constant(1);
  for (Size d : k.spec().dims(c.op.getResult()).drop_back(2)) {
    extents.push_back(k.size(d));
    count = k.mul(count, extents.back());
  }
  auto [from, to] = rowsOfBlock(k, block, blocks, k.mul(count, perLine), 1);
  k.loop(from, to, 1, [&](Value t) {
    ConvolutionTile here = tile;
    here.number = k.sub(t, from);
    Value lineIndex = k.div(t, perLine);
    SmallVector<Value> at = k.delinearize(lineIndex, extents);
    Value start = k.min(k.mul(k.rem(t, perLine), height), k.sub(length, height));
    askEarly(here, k.add(k.mul(lineIndex, length), start));
    write(
        here, lineProducts(k, c, here, at, start),
        [&](unsigned r) {
          SmallVector<Value> place(at);
          place.push_back(k.add(start, k.constant(r)));
          return place;
        },
        masked);
  });
}

void ConvolutionEmitter::askEarly(const ConvolutionTile &tile, Value position) {
  Value column = k.add(k.mul(tile.group, k.constant(c.outputs)), k.mul(tile.firstPanel, k.constant(16)));
  prefetchEpilogue(k, c.op.getResult(), position, tile.shape.rows, column, tile.shape.columns());
}

void ConvolutionEmitter::positions(Value from, Value to, const ConvolutionTile &tile, bool masked) {
  SmallVector<Value> lead;
  for (Size d : k.spec().dims(c.op.getResult()).drop_back())
    lead.push_back(k.size(d));
  Value start = from;
  bool oneAxis = seesRowsAsOneAxis(k, c.op.getResult());
  tileRows(k, from, to, shapeOfTile.rows, c.positions.constant(), [&](Value m, unsigned rows) {
    ConvolutionTile here = tile;
    here.shape.rows = rows;
    here.number = k.div(k.sub(m, start), k.constant(shapeOfTile.rows));
    here.only = c.positions.constant() && *c.positions.constant() <= shapeOfTile.rows;
    askEarly(here, m);
    write(
        here,
        widened ? widenedProducts(k, c, here, *widened, k.sub(m, firstWidened))
                : positionProducts(k, c, here, m),
        [&](unsigned r) { return rowPosition(k, k.add(m, k.constant(r)), lead, oneAxis); }, masked);
  });
}

void ConvolutionEmitter::write(const ConvolutionTile &tile, ArrayRef<Value> acc, Place place, bool masked) {
  auto column = [&](unsigned u) { return columnOf(tile, u); };
  auto mask = [&](unsigned u) { return maskOf(tile, u, masked); };
  if (Operation *without = storeTile(k, {tile.shape, acc, c.start.result(), masked, place, column, mask}))
    failed = without;
}

} // namespace

LogicalResult emitConvolution(KernelBuilder &k, KernelShape &shape) {
  return ConvolutionEmitter(k, shape).run();
}

} // namespace tenon::cpu
