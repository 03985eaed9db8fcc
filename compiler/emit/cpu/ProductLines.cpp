//===- ProductLines.cpp - lines of an image that a window's kernel computes
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/cpu/ProductLines.h"

#include "compiler/defects/PlantedDefect.h"
#include "compiler/emit/cpu/TileResults.h"

using namespace mlir;

namespace tenon::cpu {

/// Of a block of channels. More would not stay in the first cache, fewer make narrow tiles.
static constexpr int64_t kPanelsOfBlock = 2;

ProductLines::ProductLines(KernelBuilder &k, Value image, int64_t span)
    : k(k), op(theOp<PackedContractOp>(k)), image(image), span(span - planted(Defect::LinesShort)) {
  SizeContext &context = k.spec().context();
  ArrayRef<Size> dims = k.spec().dims(image);
  height = dims[1];
  width = dims[2];
  channels = dims[3];
  depth = k.spec().dims(op.getLhs()).back();
  range.panels = channels.ceilDiv(16);
  // A block has as many panels as a tile; what is left over belongs to the last one.
  channelBlocks = range.panels.floorDiv(kPanelsOfBlock).max(context.constant(1));
  int64_t panels = range.panels.constant().value_or(kPanelsOfBlock + 1);
  pixel = 16 * std::min(panels, kPanelsOfBlock + panels % kPanelsOfBlock);
  Type f32 = k.builder().getF32Type();
  depthDivisor = stepsDivisor(f32, f32, f32, depth.knownDivisor());
  auto depthConstant = depth.constant();
  auto rowBytes = depthConstant ? std::optional<int64_t>(*depthConstant * 4) : std::nullopt;
  constexpr int64_t longLine = 1 << 16; // the form is for large images
  shapeOfTile = tileFor(k.target(), 32, width.constant().value_or(longLine), channels.constant(), rowBytes,
                        depthDivisor);
  range.ragged = channels.knownDivisor() % 16 != 0;
  range.beside = shapeOfTile.beside != 0;
  range.wholePanels = range.ragged ? channels.floorDiv(16) : range.panels;
  range.perTile = shapeOfTile.vectors / (16 / shapeOfTile.lanes);
  range.grain = kPanelsOfBlock;
}

Size ProductLines::scratchBytes() const { return width * (span * pixel * 4); }

Size ProductLines::flops() const { return productOf(k.spec().context(), k.spec().dims(image)) * depth * 2; }

std::string ProductLines::schedule() const {
  return " lines=" + std::to_string(span) + " product tile=" + std::to_string(shapeOfTile.rows) + "x" +
         std::to_string(shapeOfTile.vectors * shapeOfTile.lanes);
}

void ProductLines::enter(Value imageIndex, Value part, Value block) {
  batchIndex = imageIndex;
  Value blocks = k.size(channelBlocks), panels = k.size(range.panels);
  first = k.mul(part, k.size(height));
  firstPanel = k.mul(block, k.constant(kPanelsOfBlock));
  endPanel = panels;
  firstChannel = k.mul(firstPanel, k.constant(16));
  endChannel = k.size(channels);
  if (channelBlocks.isConstant(1))
    return;
  Value next = k.add(firstPanel, k.constant(kPanelsOfBlock));
  Value isLast = k.less(k.sub(blocks, k.constant(2)), block);
  OpBuilder &b = k.builder();
  endPanel = arith::SelectOp::create(b, k.loc(), isLast, panels, next);
  endChannel = arith::SelectOp::create(b, k.loc(), isLast, endChannel, k.mul(next, k.constant(16)));
}

Value ProductLines::lineOffset(Value line) {
  return k.mul(k.rem(line, k.constant(span)), k.size(width * pixel));
}

Value ProductLines::offset(Value line, Value x, Value channel) {
  return k.add(k.add(lineOffset(line), k.mul(x, k.constant(pixel))), k.sub(channel, firstChannel));
}

bool ProductLines::fill(Value from, Value to) {
  KernelBuilder::OriginScope origin(k, op);
  Value before = k.sub(k.mul(batchIndex, k.size(height)), first); // lines of all images
  k.loop(from, to, 1, [&](Value line) {
    Value row = k.mul(k.add(line, before), k.size(width));
    forPanels(k, range, firstPanel, endPanel, [&](Value, Value panel, unsigned count, bool masked) {
      TileShape t = tileOfPanels(shapeOfTile, count, masked, channels.constant(), depthDivisor);
      tileRows(k, k.constant(0), k.size(width), shapeOfTile.rows, width.constant(),
               [&](Value x, unsigned rows) {
                 t.rows = rows;
                 tile(line, row, x, t, panel, masked);
               });
    });
  });
  return !failed;
}

void ProductLines::tile(Value line, Value row, Value x, TileShape t, Value panel, bool masked) {
  Type f32 = k.builder().getF32Type();
  Value lhs = k.bufferOf(op.getLhs()), rhs = k.bufferOf(op.getRhs()), depthValue = k.size(depth);
  SmallVector<TileRow> rows;
  for (unsigned r = 0; r < t.rows; ++r)
    rows.push_back({lhs, k.mul(k.add(row, k.add(x, k.constant(r))), depthValue)});
  unsigned perPanel = 16 / t.lanes;
  SmallVector<TileColumn> columns;
  for (unsigned u = 0; u < t.perRow(); ++u) {
    Value offset = k.add(k.mul(k.add(panel, k.constant(u / perPanel)), k.size(depth * 16)),
                         k.constant(u % perPanel * t.lanes));
    columns.push_back({rhs, offset, k.constant(16)});
  }
  SmallVector<Value> sums =
      folded(k, t, tileProduct(k, t, rows, columns, depthValue, f32, f32, f32, tileZero(k, t, f32)));
  auto place = [&](unsigned r) {
    return SmallVector<Value>{batchIndex, k.sub(line, first), k.add(x, k.constant(r))};
  };
  auto column = [&](unsigned u) { return columnOf(k, t, panel, u); };
  auto mask = [&](unsigned u) { return maskOf(k, t, panel, u, masked, channels); };
  TileResults results{t, sums, op.getResult(), masked, place, column, mask};
  Operation *without = evaluateTile(k, results, image, [&](Evaluator &e, const TileElements &elements) {
    Value at = offset(line, k.add(x, k.constant(elements.row)), elements.column);
    k.store(elements.value, k.scratch(), at, f32, e.laneCount());
  });
  if (without)
    failed = without;
}

} // namespace tenon::cpu
