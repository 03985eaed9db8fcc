//===- TileResults.cpp - what becomes of a tile's sums --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/tile/TileResults.h"

#include <algorithm>
#include <utility>

namespace tenon::npu {

std::vector<Tile> tilesOf(const Product &p, const ProductCut &cut) {
  std::vector<Tile> tiles;
  int64_t input = 0;
  for (int64_t image = 0; image < p.images; ++image)
    for (int64_t row = 0; row < p.outputHeight(); row += cut.rows, ++input)
      for (int64_t column = 0; column < p.outputWidth(); column += cut.span)
        tiles.push_back({image, row, std::min(cut.rows, p.outputHeight() - row), column,
                         std::min(cut.span, p.outputWidth() - column), input});
  return tiles;
}

TileResults::TileResults(const Product &p, const ProductCut &cut, const mortise::Hardware &h,
                         Commands &commands, int64_t resultAt, int64_t mapAt, int64_t tablesAt)
    : p_(p), cut_(cut), h_(h), commands_(commands), packed_(packedWeights(p, h)),
      pitch_(ResultTile(p, h, 1, cut.stored).channels), resultAt_(resultAt), mapAt_(mapAt),
      tablesAt_(tablesAt) {}

/// Drains a panel; `stored` panels leave together, after the vector core's part.
void TileResults::store(const Tile &tile, int64_t panel, int64_t sums, int64_t tables) {
  int64_t inRun = panel % packed_.adjacent, within = inRun % cut_.stored, columns = h_.matrix.columns;
  int64_t first = inRun - within, group = (panel - inRun) / packed_.panels;
  int64_t channel = group * p_.outputs + first * columns, width = within * columns + outputsOf(panel);
  int64_t size = p_.drainBytes(), at = resultAt_ + results_ % cut_.resultBuffers * cut_.resultBytes;
  Rows pixels;
  pixels.count[0] = tile.pixels();
  pixels.stride[0] = pitch_ * size;
  if (drainsInPlace()) {
    pixels.count[0] = tile.columns;
    pixels.count[1] = tile.rows;
    pixels.stride[0] = p_.outputPitch() * size;
    pixels.stride[1] = p_.frame.hasBorder() ? p_.frame.lineBytes() : p_.outputWidth() * pixels.stride[0];
    at = residentPlace(tile, channel, size);
  }
  bool floats = p_.left == mortise::Type::Bf16 || p_.left == mortise::Type::F16;
  commands_.drain(sums, pixels, outputsOf(panel), p_.drain, columns, tables, at + within * columns * size,
                  floats);
  if (drainsInPlace() || (within + 1 < cut_.stored && inRun + 1 < packed_.adjacent))
    return;
  if (p_.map) {
    at = runMap(tile, at, channel, width);
    size = p_.map->resultBytes;
  }
  ++results_;
  commands_.storeBlock(commands_.outputChannel(), at, p_.output + placeOf(tile, channel) * size,
                       blockOf(tile, width, size));
}

/// The element of the result where a tile's channels begin.
int64_t TileResults::placeOf(const Tile &tile, int64_t channel) const {
  int64_t pixel = (tile.image * p_.outputHeight() + tile.row) * p_.outputWidth() + tile.column;
  return pixel * p_.outputPitch() + channel;
}

/// Where a tile's channels begin in a resident result, whose elements have `size` bytes.
int64_t TileResults::residentPlace(const Tile &tile, int64_t channel, int64_t size) const {
  if (!p_.frame.hasBorder())
    return residentAt(p_.output) + placeOf(tile, channel) * size;
  return residentAt(p_.output) + p_.frame.first() + tile.image * p_.frame.imageBytes() +
         tile.row * p_.frame.lineBytes() + tile.column * p_.frame.pixelBytes + channel * size;
}

/// `width` channels of a tile's pixels, of `size` bytes each, as the scratchpad and the memory have them.
TransferBlock TileResults::blockOf(const Tile &tile, int64_t width, int64_t size) const {
  int64_t pitch = pitch_ * size, channels = p_.outputPitch() * size;
  TransferBlock block;
  block.bytes = width * size;
  block.count[0] = tile.columns;
  block.local[0] = pitch;
  block.memory[0] = channels;
  block.count[1] = tile.rows;
  block.local[1] = tile.columns * pitch;
  block.memory[1] = p_.outputWidth() * channels;
  return block;
}

ResultTile::ResultTile(const Product &p, const mortise::Hardware &h, int64_t pixels, int64_t stored)
    : channels(p.isDense() ? p.groups * p.outputs : stored * h.matrix.columns), row(h.vector.lanes) {
  if (p.map && p.map->perChannel()) {
    row = std::max(channels, h.vector.lanes);
    regular = row % channels == 0 && row % h.vector.lanes == 0;
  }
  elements = upTo(pixels * channels, row);
}

int64_t ResultTile::ofOperand(const MapStage::Operand &operand) const {
  if (operand.period == 0 && isResident(operand.memory))
    return 0;
  int64_t count = operand.period == 0 ? elements : operand.period == 1 ? 1 : row;
  return alignedBytes(count * operand.bytes);
}

int64_t ResultTile::ofMap(const Product &p) const {
  if (!p.map)
    return 0;
  int64_t bytes = isResident(p.output) ? 0 : alignedBytes(elements * p.map->resultBytes);
  for (const MapStage::Operand &operand : p.map->operands)
    bytes += ofOperand(operand);
  return bytes;
}

/// Elements beside the result's, or numbers for its channels, again for every pixel of a row.
void TileResults::loadOperand(const MapStage::Operand &operand, const ResultTile &results, const Tile &tile,
                              int64_t channel, int64_t width, int64_t at) {
  if (operand.period == 0) {
    commands_.loadBlock(commands_.inputChannel(), at, operand.memory + placeOf(tile, channel) * operand.bytes,
                        blockOf(tile, width, operand.bytes));
    return;
  }
  TransferBlock block;
  block.bytes = (operand.period == 1 ? 1 : width) * operand.bytes;
  block.count[0] = operand.period == 1 ? 1 : results.row / results.channels;
  block.local[0] = results.channels * operand.bytes;
  commands_.loadBlock(commands_.inputChannel(), at,
                      operand.memory + (operand.period == 1 ? 0 : channel * operand.bytes), block);
}

/// The vector core's part on what the drain left; returns where its result lies.
int64_t TileResults::runMap(const Tile &tile, int64_t drained, int64_t channel, int64_t width) {
  const MapStage &map = *p_.map;
  ResultTile results(p_, h_, tile.pixels(), cut_.stored);
  int64_t at = mapAt_ + results_ % cut_.mapBuffers * cut_.mapBytes;
  std::vector<int64_t> arguments = {drained};
  std::vector<Commands::Range> ranges = {{drained, results.elements * p_.drainBytes(), false}};
  for (const MapStage::Operand &operand : map.operands) {
    if (operand.period == 0 && isResident(operand.memory)) {
      int64_t there = residentAt(operand.memory) + placeOf(tile, channel) * operand.bytes;
      arguments.push_back(there);
      ranges.push_back({there, results.elements * operand.bytes, false});
      continue;
    }
    loadOperand(operand, results, tile, channel, width, at);
    arguments.push_back(at);
    ranges.push_back({at, results.ofOperand(operand), false});
    at += results.ofOperand(operand);
  }
  at = Commands::target(at, p_.output + placeOf(tile, channel) * map.resultBytes);
  arguments.push_back(at);
  if (map.tableBytes) {
    if (!std::exchange(haveTables_, true))
      commands_.loadBytes(commands_.inputChannel(), tablesAt_, map.tables, map.tableBytes);
    arguments.push_back(tablesAt_);
    ranges.push_back({tablesAt_, map.tableBytes, false});
  }
  if (map.perChannel()) {
    arguments.push_back(results.elements / results.row);
    arguments.push_back(results.row / h_.vector.lanes);
    arguments.push_back(results.row);
  } else {
    arguments.push_back(results.elements / h_.vector.lanes);
  }
  ranges.push_back({at, results.elements * map.resultBytes, true});
  commands_.run(map.kernel, std::move(arguments), ranges);
  return at;
}

} // namespace tenon::npu
