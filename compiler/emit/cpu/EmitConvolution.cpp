//===- EmitConvolution.cpp - convolutions with fused epilogues
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Direct convolution over flattened output positions: the rows of a register tile are output positions, each
// with a pointer to its pixel for the current tap; a tap that falls into the padding reads a row of zeros.
// Any stride, dilation, group and tile shape is the same code (measured within a few percent of clipping the
// taps for 3x3 at usual sizes).
//
//===----------------------------------------------------------------------===//
#include "compiler/defects/PlantedDefect.h"
#include "compiler/emit/cpu/TileCode.h"
#include "compiler/emit/cpu/WindowGeometry.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace tenon::cpu {
namespace {

class ConvolutionEmitter {
public:
  ConvolutionEmitter(KernelBuilder &k, KernelShape &shape)
      : k(k), b(k.builder()), shape(shape), context(k.spec().context()), op(theOp<PackedConvOp>(k)) {}
  LogicalResult run();

private:
  void tile(Value group, Value m, unsigned rows, Value firstPanel, unsigned vectors, bool masked);
  SmallVector<Value> products(TileShape t, Value group, Value m, Value firstPanel);
  void write(TileShape t, Value group, Value m, Value firstPanel, ArrayRef<Value> acc, bool masked);

  KernelBuilder &k;
  OpBuilder &b;
  KernelShape &shape;
  SizeContext &context;
  PackedConvOp op;
  WindowGeometry g;
  Size positions;
  int64_t groups = 1, channels = 0, outputs = 0, panelCount = 0, taps = 1;
  bool mergedTaps = false;
  Value zeros;
  TileShape shapeOfTile;
  Type inElement, filterElement, accumulator;
  Operation *failed = nullptr;
};

LogicalResult ConvolutionEmitter::run() {
  k.setOrigin(op);
  ArrayRef<Size> in = k.spec().dims(op.getInput()), out = k.spec().dims(op.getResult());
  auto filter = cast<RankedTensorType>(op.getFilter().getType());
  unsigned rank = in.size() - 2;
  g.in.assign(in.begin() + 1, in.end() - 1);
  g.out.assign(out.begin() + 1, out.end() - 1);
  g.window.assign(filter.getShape().begin() + 2, filter.getShape().begin() + 2 + rank);
  g.strides.assign(op.getStrides().begin(), op.getStrides().end());
  g.dilations.assign(op.getDilations().begin(), op.getDilations().end());
  g.low.assign(op.getLow().begin(), op.getLow().end());
  g.high.assign(op.getHigh().begin(), op.getHigh().end());
  g.inputDilations.assign(op.getInputDilations().begin(), op.getInputDilations().end());
  groups = filter.getDimSize(0);
  panelCount = filter.getDimSize(1);
  channels = filter.getDimSize(2 + rank);
  outputs = *out.back().constant() / groups;
  for (int64_t w : g.window)
    taps *= w;
  inElement = cast<RankedTensorType>(op.getInput().getType()).getElementType();
  filterElement = filter.getElementType();
  accumulator = accumulatorFor(k, inElement, cast<RankedTensorType>(op.getType()).getElementType());
  // Without padding the innermost window axis and the channels are one contiguous run.
  mergedTaps =
      g.unpadded() && g.plainInput() && g.dilations.back() == 1 && groups == 1 && g.window.back() > 1;

  positions = out.front();
  for (Size d : g.out)
    positions = positions * d;
  shapeOfTile = tileFor(k.target(), accumulator.getIntOrFloatBitWidth(), positions.constant(), panelCount);
  unsigned perPanel = 16 / shapeOfTile.lanes;
  PanelRange range;
  range.panels = context.constant(panelCount);
  range.ragged = outputs % 16 != 0;
  range.wholePanels = context.constant(range.ragged ? outputs / 16 : panelCount);
  range.perTile = shapeOfTile.vectors / perPanel;
  int64_t blockRows = rowsPerBlock(channels * groups * 4);
  Size blocks = positions.floorDiv(blockRows).max(context.constant(1));
  shape.grid = blocks * (groups * panelCount);
  shape.grain = kPanelGrain;
  shape.scratch = context.constant(0);
  shape.flops = positions * (2 * taps * channels * outputs * groups);
  shape.cost = shape.flops.ceilDiv(static_cast<int64_t>(std::max(1.0, k.target().peakGflops * 0.6)));
  shape.schedule = "conv tile=" + std::to_string(shapeOfTile.rows) + "x" +
                   std::to_string(shapeOfTile.vectors * shapeOfTile.lanes) +
                   " block_positions=" + std::to_string(blockRows);
  if (!g.unpadded() || !g.plainInput())
    zeros = k.constantRow(inElement, channels, cast<TypedAttr>(b.getZeroAttr(k.storageType(inElement))));

  std::optional<int64_t> extent;
  if (auto p = positions.constant())
    extent = std::min(*p, blockRows);
  Value blockCount = k.size(blocks);
  forPanels(k, range, [&](Value outer, Value panel, unsigned count, bool masked) {
    SmallVector<Value> at = k.delinearize(outer, {blockCount, k.constant(groups)});
    Value m0 = k.mul(at[0], k.constant(blockRows));
    Value isLast = b.createOrFold<arith::CmpIOp>(k.loc(), arith::CmpIPredicate::eq, at[0],
                                                 k.sub(blockCount, k.constant(1)));
    Value m1 =
        b.createOrFold<arith::SelectOp>(k.loc(), isLast, k.size(positions), k.add(m0, k.constant(blockRows)));
    tileRows(k, m0, m1, shapeOfTile.rows, extent,
             [&](Value m, unsigned rows) { tile(at[1], m, rows, panel, count * perPanel, masked); });
  });
  return failed ? noForm(failed, "conv") : success();
}

SmallVector<Value> ConvolutionEmitter::products(TileShape t, Value group, Value m, Value firstPanel) {
  Value input = k.bufferOf(op.getInput()), filter = k.bufferOf(op.getFilter());
  unsigned rank = g.rank(), perPanel = 16 / t.lanes;
  SmallVector<Value> extents{k.size(k.spec().dims(op.getResult()).front())};
  for (Size d : g.out)
    extents.push_back(k.size(d));
  SmallVector<SmallVector<Value>> origins;
  SmallVector<Value> images;
  Size pixels = productOf(context, g.in);
  for (unsigned r = 0; r < t.rows; ++r) {
    SmallVector<Value> at = k.delinearize(k.add(m, k.constant(r)), extents);
    origins.push_back(windowOrigin(k, g, ArrayRef<Value>(at).drop_front()));
    images.push_back(k.mul(at[0], k.size(pixels)));
  }
  int64_t pixelStride = channels * groups;
  int64_t panelElements = taps * channels * 16;
  Value groupPanels = k.mul(group, k.constant(panelCount));
  SmallVector<Value> panelBase;
  for (unsigned u = 0; u < t.vectors; ++u)
    panelBase.push_back(k.add(
        k.mul(k.add(groupPanels, k.add(firstPanel, k.constant(u / perPanel))), k.constant(panelElements)),
        k.constant(u % perPanel * t.lanes)));
  Value groupChannel = k.mul(group, k.constant(planted(Defect::GroupOffsetMissing) ? 0 : channels));

  unsigned tapAxes = mergedTaps ? rank - 1 : rank;
  int64_t depth = mergedTaps ? channels * g.window.back() : channels;
  std::function<SmallVector<Value>(unsigned, SmallVector<Value>, Value, ValueRange)> nest =
      [&](unsigned axis, SmallVector<Value> tap, Value tapIndex, ValueRange acc) -> SmallVector<Value> {
    if (axis < tapAxes) {
      auto body = [&](Value i, ValueRange carried) {
        SmallVector<Value> inner = tap;
        inner.push_back(i);
        return nest(axis + 1, inner, k.add(k.mul(tapIndex, k.constant(g.window[axis])), i), carried);
      };
      if (g.window[axis] == 1)
        return body(k.constant(0), acc);
      return k.loop(k.constant(0), k.constant(g.window[axis]), 1, acc, body);
    }
    if (mergedTaps) {
      tap.push_back(k.constant(0));
    }
    SmallVector<TileRow> rows;
    for (unsigned r = 0; r < t.rows; ++r) {
      WindowTap w = windowTap(k, g, origins[r], tap);
      Value offset = k.add(k.mul(k.add(images[r], w.pixel), k.constant(pixelStride)), groupChannel);
      if (!w.inside) {
        rows.push_back({input, offset});
        continue;
      }
      Value pointer =
          arith::SelectOp::create(b, k.loc(), w.inside, k.address(input, offset, inElement), zeros);
      rows.push_back({pointer, k.constant(0)});
    }
    SmallVector<TileColumn> columns;
    Value tapOffset = k.mul(tapIndex, k.constant(depth * 16));
    for (unsigned u = 0; u < t.vectors; ++u)
      columns.push_back({filter, k.add(panelBase[u], tapOffset), k.constant(16)});
    return tileProduct(k, t, rows, columns, k.constant(depth), inElement, filterElement, accumulator,
                       SmallVector<Value>(acc));
  };
  return nest(0, {}, k.constant(0), tileZero(k, t, accumulator));
}

void ConvolutionEmitter::write(TileShape t, Value group, Value m, Value firstPanel, ArrayRef<Value> acc,
                               bool masked) {
  Value root = yielded(k, 0);
  Dims rootDims(k.spec().dims(root));
  Type resultElement = k.valueType(cast<RankedTensorType>(op.getType()).getElementType());
  Type rootElement = cast<RankedTensorType>(root.getType()).getElementType();
  unsigned perPanel = 16 / t.lanes;
  SmallVector<Value> lead;
  for (Size d : k.spec().dims(op.getResult()).drop_back())
    lead.push_back(k.size(d));
  for (unsigned r = 0; r < t.rows; ++r) {
    SmallVector<Value> position = k.delinearize(k.add(m, k.constant(r)), lead);
    for (unsigned u = 0; u < t.vectors; ++u) {
      Value inGroup = k.add(k.mul(k.add(firstPanel, k.constant(u / perPanel)), k.constant(16)),
                            k.constant(u % perPanel * t.lanes));
      Value mask =
          masked && outputs % t.lanes != 0 ? k.tailMask(inGroup, k.constant(outputs), t.lanes) : Value();
      Value value = acc[r * t.vectors + u];
      if (resultElement != accumulator)
        value = arith::TruncFOp::create(b, k.loc(), k.vectorOf(resultElement, t.lanes), value);
      Evaluator e(k, t.lanes, mask);
      e.bind(op.getResult(), [value](Evaluator &, ArrayRef<Coord>) { return value; });
      Coords at;
      for (Value p : position)
        at.push_back({p});
      at.push_back({k.add(k.mul(group, k.constant(outputs)), inGroup), 1});
      Value out = e.eval(root, at);
      if (!out) {
        failed = e.failedOp();
        return;
      }
      e.store(out, k.outputBuffer(0), at, rootDims, rootElement);
    }
  }
}

void ConvolutionEmitter::tile(Value group, Value m, unsigned rows, Value firstPanel, unsigned vectors,
                              bool masked) {
  TileShape t = shapeOfTile;
  t.rows = rows;
  t.vectors = vectors;
  if (masked)
    t = narrowed(t, outputs % 16);
  write(t, group, m, firstPanel, products(t, group, m, firstPanel), masked);
}

} // namespace

LogicalResult emitConvolution(KernelBuilder &k, KernelShape &shape) {
  return ConvolutionEmitter(k, shape).run();
}

} // namespace tenon::cpu
