//===- EmitWindow.cpp - windows on the vector core as tiles --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/tile/Transfers.h"
#include "compiler/emit/mortise/tile/Window.h"

#include <algorithm>

namespace tenon::npu {

namespace {

void loadTable(Commands &commands, const ChannelTable &table, int64_t repeats, int64_t local) {
  int64_t row = table.elements * table.bytes;
  if (!table.perChannel)
    repeats = 1;
  TransferBlock block;
  block.bytes = row;
  block.count[0] = repeats;
  block.local[0] = row;
  block.count[1] = table.rows;
  block.local[1] = row * repeats;
  block.memory[1] = table.pitch ? table.pitch * table.bytes : row;
  if (repeats == 1 && block.memory[1] == row)
    commands.loadBytes(commands.inputChannel(), local, table.memory, row * table.rows);
  else
    commands.loadBlock(commands.inputChannel(), local, table.memory, block);
}

} // namespace

int64_t Window::resultPitch(int64_t lanes) const {
  int64_t row = outputWidth() * channels;
  // A row's last vector reaches beyond its end.
  if (pixelsOfVector(lanes) > 1)
    row = (row + lanes - 1) / lanes * lanes;
  return row * resultBytes;
}

Window Window::part(int64_t first, int64_t count) const {
  Window some = *this;
  some.channels = count;
  some.output += first * resultBytes;
  some.image.memory += first * image.elementBytes;
  some.image.pixelBytes = count * image.elementBytes;
  some.image.memoryPixelBytes = allChannels * image.elementBytes;
  for (ChannelTable &table : some.tables)
    if (table.perChannel) {
      table.memory += first * table.bytes;
      table.pitch = table.elements;
      table.elements = count;
    }
  return some;
}

namespace {

/// Bytes of a window's buffers.
struct WindowBuffers {
  const Window &w;
  int64_t lanes, tables = 0;

  WindowBuffers(const Window &w, int64_t lanes) : w(w), lanes(lanes) {
    for (const ChannelTable &table : w.tables)
      tables += table.localBytes(w.pixelsOfVector(lanes));
  }
  int64_t input(int64_t rows) const { return w.image.isResident() ? 0 : alignedBytes(touched(rows)); }
  /// Bytes that a tile reads.
  int64_t touched(int64_t rows) const {
    return w.image.linesOf(rows) * w.image.lineBytes() + lanes * w.image.elementBytes;
  }
  int64_t result(int64_t rows) const {
    return isResident(w.output) ? 0 : alignedBytes(rows * w.resultPitch(lanes));
  }
  bool fit(int64_t rows, int64_t bytes) const { return tables + 2 * (input(rows) + result(rows)) <= bytes; }
};

} // namespace

int64_t windowChannels(const Window &w, const mortise::Hardware &h, int64_t scratchpadBytes) {
  for (int64_t parts = 1; parts <= w.channels; ++parts) {
    int64_t count = ceilDiv(w.channels, parts);
    if (w.channels > h.vector.lanes)
      count = upTo(count, h.vector.lanes);
    count = std::min(count, w.channels);
    Window part = w.part(0, count);
    if (WindowBuffers(part, h.vector.lanes).fit(1, scratchpadBytes))
      return count;
    if (count <= h.vector.lanes && w.channels > h.vector.lanes)
      break;
  }
  return 0;
}

bool windowFits(const Window &w, const mortise::Hardware &h, int64_t scratchpadBytes) {
  return WindowBuffers(w, h.vector.lanes).fit(1, scratchpadBytes);
}

bool windowWritesInPlace(const Window &w, const mortise::Hardware &h) {
  return w.channels == w.allChannels &&
         w.resultPitch(h.vector.lanes) == w.outputWidth() * w.channels * w.resultBytes;
}

bool emitWindow(const Window &w, const mortise::Hardware &h, int64_t scratchpad, int64_t scratchpadBytes,
                Stream &stream) {
  int64_t lanes = h.vector.lanes, repeats = w.pixelsOfVector(lanes);
  WindowBuffers buffers(w, lanes);
  auto inputBytes = [&](int64_t rows) { return buffers.input(rows); };
  auto resultBytes = [&](int64_t rows) { return buffers.result(rows); };
  auto fits = [&](int64_t rows) { return buffers.fit(rows, scratchpadBytes); };
  if (!fits(1))
    return false;
  // Several tiles, so that loading, computing and storing overlap; few, as each loads lines of its neighbour.
  int64_t height = w.outputHeight(), step = (height + 3) / 4;
  if (step * w.image.y.stride < 2 * w.image.y.extent())
    step = (height + 1) / 2;
  while (!fits(step))
    step = step / 2;
  Commands commands(stream, h, w.node);
  int64_t at = scratchpad;
  std::vector<int64_t> tableAt;
  for (const ChannelTable &table : w.tables) {
    loadTable(commands, table, repeats, at);
    tableAt.push_back(at);
    at += table.localBytes(repeats);
  }
  int64_t input = at, result = input + 2 * inputBytes(step), tile = 0;
  for (int64_t image = 0; image < w.image.images; ++image)
    for (int64_t row = 0; row < height; row += step, ++tile) {
      int64_t rows = std::min(step, height - row), from = input + tile % 2 * inputBytes(step),
              pixel = w.allChannels * w.resultBytes,
              memory = w.output + (image * height + row) * w.outputWidth() * pixel,
              to = Commands::target(result + tile % 2 * resultBytes(step), memory);
      if (w.image.isResident())
        from = w.image.residentLines(image, row);
      else
        w.image.load(commands, from, image, row, rows);
      std::vector<int64_t> arguments = {from, to, rows};
      std::vector<Commands::Range> ranges = {{from, buffers.touched(rows), false},
                                             {to, rows * w.resultPitch(lanes), true}};
      for (size_t t = 0; t < w.tables.size(); ++t) {
        arguments.push_back(tableAt[t]);
        ranges.push_back({tableAt[t], w.tables[t].localBytes(repeats), false});
      }
      commands.run(w.kernel, std::move(arguments), ranges);
      bool joined = w.allChannels == w.channels;
      TransferBlock block;
      block.bytes = (joined ? w.outputWidth() : 1) * w.channels * w.resultBytes;
      block.count[0] = joined ? 1 : w.outputWidth();
      block.local[0] = w.channels * w.resultBytes;
      block.memory[0] = pixel;
      block.count[1] = rows;
      block.local[1] = w.resultPitch(lanes);
      block.memory[1] = w.outputWidth() * pixel;
      commands.storeBlock(commands.outputChannel(), to, memory, block);
    }
  return true;
}

} // namespace tenon::npu
