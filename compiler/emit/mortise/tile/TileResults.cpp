//===- TileResults.cpp - what becomes of a tile's sums --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/tile/TileResults.h"

#include <algorithm>

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
                         Commands &commands, int64_t resultAt, int64_t mapAt)
    : p_(p), cut_(cut), h_(h), commands_(commands), panels_(packedWeights(p, h).panels), resultAt_(resultAt),
      mapAt_(mapAt) {}

/// Drains a panel; `stored` panels leave together, after the vector core's part.
void TileResults::store(const Tile &tile, int64_t panel, int64_t sums, int64_t tables) {
  int64_t inGroup = panel % panels_, within = inGroup % cut_.stored, columns = h_.matrix.columns;
  int64_t pitch = cut_.stored * columns, size = p_.drainBytes();
  bool floats = p_.left == mortise::Type::Bf16 || p_.left == mortise::Type::F16;
  int64_t at = resultAt_ + results_ % cut_.resultBuffers * cut_.resultBytes;
  commands_.drain(sums, tile.pixels(), outputsOf(panel), p_.drain, columns, tables,
                  at + within * columns * size, pitch * size, floats);
  if (within + 1 < cut_.stored && inGroup + 1 < panels_)
    return;
  int64_t first = inGroup - within, group = panel / panels_;
  int64_t channel = group * p_.outputs + first * columns, width = within * columns + outputsOf(panel);
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
  return pixel * p_.groups * p_.outputs + channel;
}

/// `width` channels of a tile's pixels, of `size` bytes each, as the scratchpad and the memory have them.
TransferBlock TileResults::blockOf(const Tile &tile, int64_t width, int64_t size) const {
  int64_t pitch = cut_.stored * h_.matrix.columns * size, channels = p_.groups * p_.outputs * size;
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

/// The vector core's part on what the drain left; returns where its result lies.
int64_t TileResults::runMap(const Tile &tile, int64_t drained, int64_t channel, int64_t width) {
  const MapStage &map = *p_.map;
  int64_t lanes = h_.vector.lanes;
  int64_t vectors = (tile.pixels() * cut_.stored * h_.matrix.columns + lanes - 1) / lanes;
  int64_t at = mapAt_ + results_ % cut_.mapBuffers * cut_.mapBytes, unit = cut_.mapBytes / map.elementBytes();
  std::vector<int64_t> arguments = {drained};
  std::vector<Commands::Range> ranges = {{drained, vectors * lanes * p_.drainBytes(), false}};
  for (const MapStage::Operand &operand : map.operands) {
    commands_.loadBlock(commands_.inputChannel(), at, operand.memory + placeOf(tile, channel) * operand.bytes,
                        blockOf(tile, width, operand.bytes));
    arguments.push_back(at);
    ranges.push_back({at, vectors * lanes * operand.bytes, false});
    at += unit * operand.bytes;
  }
  arguments.push_back(at);
  arguments.push_back(vectors);
  ranges.push_back({at, vectors * lanes * map.resultBytes, true});
  commands_.run(map.kernel, std::move(arguments), ranges);
  return at;
}

} // namespace tenon::npu
