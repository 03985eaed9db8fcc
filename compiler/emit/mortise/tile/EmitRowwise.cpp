//===- EmitRowwise.cpp - the commands of work on rows --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/tile/Rowwise.h"
#include "compiler/emit/mortise/tile/Transfers.h"

#include <algorithm>
#include <utility>

namespace tenon::npu {

namespace {

/// What a tile has of an operand or of the result.
int64_t tileBytes(int64_t rows, int64_t rowBytes) { return alignedBytes(rows * rowBytes); }

/// Words of a row that the kernel keeps, whole vectors.
int64_t keptBytes(const Rowwise &w) { return w.kept * alignedBytes(w.length * 4); }

int64_t resultRowBytes(const Rowwise &w) { return (w.isRow ? w.length : 1) * w.resultBytes; }

/// Of all operands that change, and of the result.
int64_t movingBytes(const Rowwise &w, int64_t rows) {
  int64_t sum = isResident(w.output) ? 0 : tileBytes(rows, resultRowBytes(w));
  for (const RowOperand &operand : w.operands)
    sum += operand.stays() || isResident(operand.memory) ? 0 : tileBytes(rows, operand.rowBytes(w.length));
  return sum;
}

int64_t stayingBytes(const Rowwise &w) {
  int64_t sum = keptBytes(w);
  for (const RowOperand &operand : w.operands)
    sum += operand.stays() && !isResident(operand.memory) ? tileBytes(1, operand.rowBytes(w.length)) : 0;
  return sum;
}

/// Rows [first, first + count) of an operand, one after the other in the scratchpad.
void loadRows(Commands &commands, const RowOperand &operand, const mortise::Hardware &h, int64_t length,
              int64_t first, int64_t count, int64_t local) {
  int64_t bytes = operand.rowBytes(length), limit = h.dma.maxCount;
  const RowOperand::Axis &inner = operand.axes.back();
  bool joins = inner.stride * operand.bytes == bytes;
  while (count > 0) {
    int64_t place = 0, rest = first;
    for (size_t i = operand.axes.size(); i--; rest /= operand.axes[i].count)
      place += rest % operand.axes[i].count * operand.axes[i].stride;
    int64_t at = first % inner.count, rows = std::min(inner.count - at, count);
    TransferBlock block;
    block.bytes = bytes;
    if (joins)
      block.bytes *= rows;
    else
      block.count[0] = rows = std::min(rows, bytes > limit ? 1 : limit);
    block.local[0] = bytes;
    block.memory[0] = inner.stride * operand.bytes;
    // Whole runs of the innermost axis go together, as far as the next one reaches.
    if (size_t axes = operand.axes.size();
        axes > 1 && at == 0 && rows == inner.count && block.bytes <= limit) {
      const RowOperand::Axis &outer = operand.axes[axes - 2];
      block.count[1] = std::min({outer.count - first / inner.count % outer.count, count / rows, limit});
      block.local[1] = rows * bytes;
      block.memory[1] = outer.stride * operand.bytes;
      rows *= block.count[1];
    }
    commands.loadBlock(commands.inputChannel(), local, operand.memory + place * operand.bytes, block);
    local += rows * bytes;
    first += rows;
    count -= rows;
  }
}

} // namespace

bool RowOperand::stays() const {
  return std::all_of(axes.begin(), axes.end(), [](const Axis &axis) { return axis.stride == 0; });
}

int64_t Rowwise::tileRows() const {
  // Several tiles, so that loading, computing and storing overlap, but none so small that it waits for
  // memory.
  constexpr int64_t kTiles = 16, kLeastBytes = 16384;
  int64_t room = (scratchpadBytes - stayingBytes(*this)) / 2, one = movingBytes(*this, 1);
  if (room < one)
    return 0;
  int64_t perRow = resultRowBytes(*this);
  for (const RowOperand &operand : operands)
    perRow += operand.stays() || isResident(operand.memory) ? 0 : operand.rowBytes(length);
  int64_t count = std::min(std::max((rows + kTiles - 1) / kTiles, kLeastBytes / perRow + 1), rows);
  while (movingBytes(*this, count) > room)
    count = std::min(count - 1, room / perRow);
  return count;
}

void emitRowwise(const Rowwise &w, const mortise::Hardware &h, int64_t scratchpad, Stream &stream) {
  Commands commands(stream, h, w.node);
  int64_t next = scratchpad, step = w.tileRows();
  auto reserve = [&](int64_t bytes) { return std::exchange(next, next + bytes); };
  std::vector<int64_t> places;
  for (const RowOperand &operand : w.operands) {
    int64_t bytes = operand.rowBytes(w.length);
    if (isResident(operand.memory)) {
      places.push_back(residentAt(operand.memory));
      continue;
    }
    places.push_back(reserve((operand.stays() ? 1 : 2) * tileBytes(operand.stays() ? 1 : step, bytes)));
    if (operand.stays())
      commands.loadBytes(commands.inputChannel(), places.back(), operand.memory, bytes);
  }
  int64_t resultBytes = isResident(w.output) ? 0 : tileBytes(step, resultRowBytes(w)),
          result = reserve(2 * resultBytes), kept = reserve(keptBytes(w));
  for (int64_t first = 0, tile = 0; first < w.rows; first += step, ++tile) {
    int64_t count = std::min(step, w.rows - first);
    std::vector<int64_t> arguments;
    std::vector<Commands::Range> ranges;
    for (size_t i = 0; i < places.size(); ++i) {
      const RowOperand &operand = w.operands[i];
      int64_t bytes = operand.rowBytes(w.length), at = places[i];
      if (isResident(operand.memory)) {
        at += operand.stays() ? 0 : first * bytes;
      } else if (!operand.stays()) {
        at += tile % 2 * tileBytes(step, bytes);
        loadRows(commands, operand, h, w.length, first, count, at);
      }
      arguments.push_back(at);
      ranges.push_back({at, (operand.stays() ? 1 : count) * bytes, false});
    }
    int64_t to = Commands::target(result + tile % 2 * resultBytes, w.output + first * resultRowBytes(w));
    arguments.push_back(to);
    ranges.push_back({to, count * resultRowBytes(w), true});
    if (w.kept) {
      arguments.push_back(kept);
      ranges.push_back({kept, keptBytes(w), true});
    }
    arguments.push_back(count);
    commands.run(w.kernel, std::move(arguments), ranges);
    TransferBlock block;
    block.bytes = count * resultRowBytes(w);
    commands.storeBlock(commands.outputChannel(), to, w.output + first * resultRowBytes(w), block);
  }
}

} // namespace tenon::npu
