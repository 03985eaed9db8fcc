//===- EmitColumns.cpp - reductions over all axes but the last --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/tile/Columns.h"
#include "compiler/emit/mortise/tile/TileKernel.h"
#include "compiler/emit/mortise/tile/Transfers.h"

#include <algorithm>

namespace tenon::npu {

namespace {

int64_t tableBytes(const Columns &c) {
  int64_t sum = 0;
  for (const ChannelTable &table : c.tables)
    sum += table.localBytes(1);
  return sum;
}

} // namespace

int64_t Columns::bufferBytes(const mortise::Hardware &h) const {
  int64_t width = tileChannels(h), input = inPlace ? 0 : alignedBytes(rows * width * elementBytes);
  return tableBytes(*this) + 2 * (input + alignedBytes(width * resultBytes));
}

int64_t Columns::tileChannels(const mortise::Hardware &h) const {
  int64_t lanes = h.vector.lanes, vectors = (channels + lanes - 1) / lanes;
  constexpr int64_t kMost = 8;
  if (inPlace)
    return vectors * lanes;
  for (int64_t count = std::clamp<int64_t>(vectors / 4, 1, kMost); count > 0; --count) {
    int64_t tile =
        alignedBytes(rows * count * lanes * elementBytes) + alignedBytes(count * lanes * resultBytes);
    if (tableBytes(*this) + 2 * tile <= bytesBesideAny(h))
      return count * lanes;
  }
  return 0;
}

std::optional<CompiledKernel> columnsKernel(const Columns &c, const ColumnsBody &body,
                                            const mortise::Hardware &h, std::string &why) {
  int64_t lanes = h.vector.lanes, pitch = (c.inPlace ? c.channels : c.tileChannels(h)) * c.elementBytes;
  // Several sums at a time: one would wait for each addition.
  int64_t chains = std::min<int64_t>(4, c.rows);
  constexpr int64_t kMostOffset = 32767; // of a load
  if (pitch == 0 || chains * pitch > kMostOffset) {
    why = "a vector of its columns needs more scratchpad than there is";
    return std::nullopt;
  }
  VectorFunction function("columns");
  VectorBuilder b(function);
  try {
    std::vector<Value> initial = {b.parameter("input"), b.parameter("result")};
    Value vectors = b.parameter("vectors");
    initial.push_back(b.parameter("channels"));
    ObjectId from = b.object("input"), to = b.object("result", true);
    std::vector<ObjectId> objects;
    for (size_t t = 0; t < c.tables.size(); ++t) {
      initial.push_back(b.parameter("table" + std::to_string(t)));
      objects.push_back(b.object("table" + std::to_string(t)));
    }
    b.loop(vectors, initial, [&](std::span<const Value> at) {
      Value active = b.op(Id::Ptail, at[2]);
      std::vector<Value> values,
          yielded = {b.add(at[0], int32_t(lanes * c.elementBytes)),
                     b.add(at[1], int32_t(lanes * c.resultBytes)), b.add(at[2], int32_t(-lanes))};
      for (size_t t = 0; t < c.tables.size(); ++t) {
        const ChannelTable &table = c.tables[t];
        values.push_back(b.load(table.load, {at[3 + t], objects[t]}, table.perChannel ? active : kAlways));
        yielded.push_back(table.perChannel ? b.add(at[3 + t], int32_t(lanes * table.bytes)) : at[3 + t]);
      }
      auto step = [&](std::vector<Value> &state, int64_t count) {
        for (int64_t i = 0; i < count; ++i) {
          Value element = b.load(c.load, {state[0], from, int32_t(i * pitch)}, active);
          Value &sum = state[size_t(i + 1)];
          sum = body.combine(b, sum, body.map(b, element, values));
        }
      };
      std::vector<Value> state = {at[0]};
      state.resize(size_t(chains + 1), b.splatInt(body.neutral));
      state = b.loop(c.rows / chains, state, [&](std::span<const Value> inside) {
        std::vector<Value> next(inside.begin(), inside.end());
        step(next, chains);
        next[0] = b.add(next[0], int32_t(chains * pitch));
        return next;
      });
      step(state, c.rows % chains);
      Value total = state[1];
      for (size_t i = 2; i < state.size(); ++i)
        total = body.combine(b, total, state[i]);
      b.store(c.store, {at[1], to}, body.finish(b, total, values), active);
      return yielded;
    });
    return compileForTiles(function, h, why);
  } catch (const mortise::Error &e) {
    why = e.message();
    return std::nullopt;
  }
}

void emitColumns(const Columns &c, const mortise::Hardware &h, int64_t scratchpad, Stream &stream) {
  int64_t lanes = h.vector.lanes, width = c.tileChannels(h), pitch = width * c.elementBytes;
  Commands commands(stream, h, c.node);
  int64_t at = scratchpad;
  std::vector<int64_t> tableAt;
  for (const ChannelTable &table : c.tables) {
    commands.loadBytes(commands.inputChannel(), at, table.memory, table.rows * table.elements * table.bytes);
    tableAt.push_back(at);
    at += table.localBytes(1);
  }
  int64_t inputBytes = c.inPlace ? 0 : alignedBytes(c.rows * pitch),
          resultBytes = alignedBytes(width * c.resultBytes), tile = 0;
  for (int64_t outer = 0; outer < c.outer; ++outer)
    for (int64_t first = 0; first < c.channels; first += width, ++tile) {
      int64_t channels = std::min(width, c.channels - first), from = at + tile % 2 * inputBytes,
              memory = c.output + (outer * c.channels + first) * c.resultBytes,
              to = Commands::target(at + 2 * inputBytes + tile % 2 * resultBytes, memory);
      int64_t input = c.input + (outer * c.rows * c.channels + first) * c.elementBytes;
      if (c.inPlace)
        from = residentAt(input);
      else
        commands.loadRows(commands.inputChannel(), from, pitch, input, c.channels * c.elementBytes,
                          channels * c.elementBytes, c.rows);
      std::vector<int64_t> arguments = {from, to, (channels + lanes - 1) / lanes, channels};
      std::vector<Commands::Range> ranges = {
          {from, c.inPlace ? c.rows * c.channels * c.elementBytes : inputBytes, false},
          {to, channels * c.resultBytes, true}};
      for (size_t t = 0; t < c.tables.size(); ++t) {
        const ChannelTable &table = c.tables[t];
        arguments.push_back(tableAt[t] + (table.perChannel ? first * table.bytes : 0));
        ranges.push_back({tableAt[t], table.localBytes(1), false});
      }
      commands.run(c.kernel, std::move(arguments), ranges);
      TransferBlock block;
      block.bytes = channels * c.resultBytes;
      commands.storeBlock(commands.outputChannel(), to, memory, block);
    }
}

} // namespace tenon::npu
