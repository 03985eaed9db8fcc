//===- EmitMap.cpp - elementwise work as tiles --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/tile/Commands.h"
#include "compiler/emit/mortise/tile/Transfers.h"

#include <algorithm>

namespace tenon::npu {

bool emitMap(const Map &map, const mortise::Hardware &h, int64_t scratchpad, int64_t scratchpadBytes,
             Stream &stream) {
  const MapStage &stage = map.stage;
  int64_t period = 0, tables = 0, lanes = h.vector.lanes;
  for (const MapStage::Operand &operand : stage.operands) {
    period = std::max(period, operand.period > 1 ? operand.period : 0);
    tables += operand.period ? alignedBytes(std::max(operand.period, lanes) * operand.bytes) : 0;
  }
  tables += alignedBytes(stage.tableBytes);
  // Tiles of whole rows; without a period, of whole vectors.
  int64_t unit = period ? period : lanes, units = (map.elements + unit - 1) / unit;
  // What is resident needs no buffers.
  int64_t elementBytes = isResident(map.result) ? 0 : stage.resultBytes;
  for (const MapStage::Operand &operand : stage.operands)
    elementBytes += operand.period || isResident(operand.memory) ? 0 : operand.bytes;
  int64_t unitBytes = unit * elementBytes + 64 * int64_t(stage.operands.size() + 1) / 8;
  int64_t room = (scratchpadBytes - tables) / 2 - 64 * int64_t(stage.operands.size() + 1) - lanes * 4;
  // At least four tiles, so that loading, computing and storing overlap.
  constexpr int64_t kTiles = 4, kLeastBytes = 4096;
  int64_t most = room / unitBytes;
  if (most < 1)
    return false;
  int64_t step =
      std::clamp<int64_t>((units + kTiles - 1) / kTiles, std::min(most, kLeastBytes / unitBytes + 1), most);
  Commands commands(stream, h, map.node);
  int64_t table = scratchpad;
  std::vector<int64_t> tableAt;
  for (const MapStage::Operand &operand : stage.operands) {
    tableAt.push_back(table);
    if (!operand.period)
      continue;
    tableAt.back() =
        commands.fetch(commands.inputChannel(), table, operand.memory, operand.period * operand.bytes);
    table += alignedBytes(std::max(operand.period, lanes) * operand.bytes);
  }
  int64_t numbers = table;
  if (stage.tableBytes) {
    commands.loadBytes(commands.inputChannel(), numbers, stage.tables, stage.tableBytes);
    table += alignedBytes(stage.tableBytes);
  }
  int64_t bufferBytes = 0;
  std::vector<int64_t> offset;
  // A row's last vector reaches beyond its end.
  for (const MapStage::Operand &operand : stage.operands) {
    offset.push_back(bufferBytes);
    bufferBytes += operand.period || isResident(operand.memory)
                       ? 0
                       : alignedBytes((step * unit + lanes) * operand.bytes);
  }
  int64_t resultOffset = bufferBytes;
  bufferBytes += isResident(map.result) ? 0 : alignedBytes((step * unit + lanes) * stage.resultBytes);
  if (table + 2 * bufferBytes > scratchpad + scratchpadBytes)
    return false;
  for (int64_t first = 0, tile = 0; first < units; first += step, ++tile) {
    int64_t count = std::min(step, units - first), from = first * unit,
            elements = std::min(count * unit, map.elements - from), at = table + tile % 2 * bufferBytes;
    std::vector<int64_t> arguments;
    std::vector<Commands::Range> ranges;
    for (size_t i = 0; i < stage.operands.size(); ++i) {
      const MapStage::Operand &operand = stage.operands[i];
      int64_t local = operand.period ? tableAt[i] : at + offset[i];
      if (!operand.period)
        local = commands.fetch(commands.inputChannel(), local, operand.memory + from * operand.bytes,
                               elements * operand.bytes);
      arguments.push_back(local);
      ranges.push_back(
          {local, (operand.period ? std::max(operand.period, lanes) : count * unit) * operand.bytes, false});
    }
    int64_t to = Commands::target(at + resultOffset, map.result + from * stage.resultBytes);
    arguments.push_back(to);
    if (stage.tableBytes) {
      arguments.push_back(numbers);
      ranges.push_back({numbers, stage.tableBytes, false});
    }
    arguments.push_back(count);
    ranges.push_back({to, count * unit * stage.resultBytes, true});
    commands.run(stage.kernel, std::move(arguments), ranges);
    commands.storeBlock(commands.outputChannel(), to, map.result + from * stage.resultBytes,
                        {elements * stage.resultBytes, {1, 1}, {0, 0}, {0, 0}});
  }
  return true;
}

} // namespace tenon::npu
