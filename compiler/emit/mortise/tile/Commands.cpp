//===- Commands.cpp - commands of engines with what they touch --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/tile/Commands.h"

#include <algorithm>
#include <bit>

namespace tenon::npu {

using mortise::Engine, mortise::Field, mortise::Id;

Command &Commands::push(unsigned engine, Id id) {
  Command &command = stream_.commands.emplace_back();
  command.engine = engine;
  command.id = id;
  command.node = node_;
  return command;
}

void Commands::loadBytes(unsigned channel, int64_t local, int64_t memory, int64_t bytes) {
  TransferBlock block;
  block.bytes = bytes;
  transfer(channel, local, memory, block, false);
}

int64_t Commands::fetch(unsigned channel, int64_t local, int64_t memory, int64_t bytes) {
  if (isResident(memory))
    return residentAt(memory);
  loadBytes(channel, local, memory, bytes);
  return local;
}

void Commands::loadRows(unsigned channel, int64_t local, int64_t localStride, int64_t memory,
                        int64_t memoryStride, int64_t bytes, int64_t count) {
  TransferBlock block;
  block.bytes = bytes;
  block.count[0] = count;
  block.local[0] = localStride;
  block.memory[0] = memoryStride;
  transfer(channel, local, memory, block, false);
}

/// Rows that continue each other on both sides become one run; what a counter cannot hold is split.
void Commands::transfer(unsigned channel, int64_t local, int64_t memory, TransferBlock block, bool out) {
  for (int axis = 0; axis < 2; ++axis) {
    bool joins = block.count[0] == 1 || (block.local[0] == block.bytes && block.memory[0] == block.bytes);
    // A run beyond the limit is split below, where nothing repeats it.
    if (!joins || (block.bytes * block.count[0] > h_.dma.maxCount && block.count[1] > 1))
      break;
    block.bytes *= block.count[0];
    block.count[0] = block.count[1];
    block.local[0] = block.local[1];
    block.memory[0] = block.memory[1];
    block.count[1] = 1;
  }
  int64_t most = h_.dma.maxCount;
  if (block.bytes > most && block.count[0] == 1) {
    // A long run: rows of equal length, and the rest.
    int64_t piece = most / 64 * 64, rows = block.bytes / piece, rest = block.bytes % piece;
    TransferBlock whole;
    whole.bytes = piece;
    whole.count[0] = rows;
    whole.local[0] = whole.memory[0] = piece;
    emitTransfer(channel, local, memory, whole, out);
    if (rest) {
      whole.bytes = rest;
      whole.count[0] = 1;
      emitTransfer(channel, local + rows * piece, memory + rows * piece, whole, out);
    }
    return;
  }
  emitTransfer(channel, local, memory, block, out);
}

void Commands::emitTransfer(unsigned channel, int64_t local, int64_t memory, const TransferBlock &block,
                            bool out) {
  Command &c = push(channel, Id::Dma);
  c.a = local;
  c.b = memory;
  c.fields = {{Field::Esize, 1},
              {Field::Mode, int64_t(mortise::DmaMode::Copy)},
              {Field::N0, block.bytes},
              {Field::L0, 1},
              {Field::G0, 1},
              {Field::N1, block.count[0]},
              {Field::N2, block.count[1]},
              {Field::N3, 1}};
  constexpr Field locals[] = {Field::L1, Field::L2}, memories[] = {Field::G1, Field::G2};
  Access here, there;
  here.base = local;
  there.base = memory;
  there.space = Space::Memory;
  here.run = there.run = block.bytes;
  for (int axis = 0; axis < 2; ++axis) {
    if (block.count[axis] > 1) {
      c.fields.push_back({locals[axis], block.local[axis]});
      c.fields.push_back({memories[axis], block.memory[axis]});
    }
    here.count[axis] = there.count[axis] = block.count[axis];
    here.stride[axis] = block.local[axis];
    there.stride[axis] = block.memory[axis];
  }
  here.write = !out;
  there.write = out;
  c.accesses = {here, there};
}

namespace {

constexpr Field kCounts[] = {Field::N0, Field::N1, Field::N2, Field::N3},
                kLocals[] = {Field::L0, Field::L1, Field::L2, Field::L3},
                kMemories[] = {Field::G0, Field::G1, Field::G2, Field::G3};

/// What the elements of a block touch; what lies between those of the first axis counts as touched.
Access accessOf(int64_t base, const ElementBlock &block, const int64_t *strides, bool write) {
  Access access;
  access.write = write;
  int64_t across = (block.count[0] - 1) * strides[0];
  access.base = base + std::min<int64_t>(0, across);
  access.run = std::abs(across) + block.size;
  for (int axis = 1; axis < 4; ++axis) {
    access.count[axis - 1] = block.count[axis];
    access.stride[axis - 1] = block.count[axis] > 1 ? strides[axis] : 0;
  }
  return access;
}

/// Counts and strides; the first stride counts even where there is one element.
void setAxes(Command &c, const ElementBlock &block, const int64_t *strides, const Field *fields) {
  for (int axis = 0; axis < 4; ++axis)
    if (axis == 0 || block.count[axis] > 1)
      c.fields.push_back({fields[axis], block.count[axis] > 1 ? strides[axis] : block.size});
}

} // namespace

void Commands::transferElements(unsigned channel, int64_t local, int64_t memory, const ElementBlock &block,
                                bool out) {
  Command &c = push(channel, Id::Dma);
  c.a = local;
  c.b = memory;
  c.fields = {{Field::Esize, block.size}, {Field::Mode, int64_t(mortise::DmaMode::Copy)}};
  for (int axis = 0; axis < 4; ++axis)
    c.fields.push_back({kCounts[axis], block.count[axis]});
  setAxes(c, block, block.local, kLocals);
  setAxes(c, block, block.memory, kMemories);
  c.accesses = {accessOf(local, block, block.local, !out), accessOf(memory, block, block.memory, out)};
  c.accesses[1].space = Space::Memory;
}

void Commands::fillElements(unsigned channel, int64_t local, int64_t value, const ElementBlock &block) {
  Command &c = push(channel, Id::Dma);
  c.a = local;
  c.fields = {
      {Field::Esize, block.size}, {Field::Mode, int64_t(mortise::DmaMode::Fill)}, {Field::Fill, value}};
  for (int axis = 0; axis < 4; ++axis)
    c.fields.push_back({kCounts[axis], block.count[axis]});
  setAxes(c, block, block.local, kLocals);
  c.accesses = {accessOf(local, block, block.local, true)};
}

void Commands::fill(unsigned channel, int64_t local, int64_t bytes, int64_t count, int64_t stride,
                    int64_t value, int64_t size) {
  if (int64_t most = h_.dma.maxCount / 64 * 64; bytes / size > most) {
    fill(channel, local, most * size, count, stride, value, size);
    fill(channel, local + most * size, bytes - most * size, count, stride, value, size);
    return;
  }
  Command &c = push(channel, Id::Dma);
  c.a = local;
  c.fields = {{Field::Esize, size}, {Field::Mode, int64_t(mortise::DmaMode::Fill)},
              {Field::Fill, value}, {Field::N0, bytes / size},
              {Field::L0, size},    {Field::N1, count},
              {Field::N2, 1},       {Field::N3, 1}};
  if (count > 1)
    c.fields.push_back({Field::L1, stride});
  Access here;
  here.write = true;
  here.base = local;
  here.run = bytes;
  here.count[0] = count;
  here.stride[0] = stride;
  c.accesses = {here};
}

void Commands::loadTile(int64_t local, int64_t rows, int64_t columns, int64_t rowBytes, mortise::Type type,
                        bool transposed) {
  Command &c = push(unsigned(Engine::Weights), Id::MmLoad);
  c.a = local;
  c.fields = {{Field::K, rows},
              {Field::N, columns},
              {Field::L0, rowBytes},
              {Field::Type, int64_t(type)},
              {Field::Mode, transposed ? 1 : 0}};
  Access here;
  here.base = local;
  here.run = (transposed ? rows : columns) * int64_t(mortise::typeBits(type)) / 8;
  here.count[0] = transposed ? columns : rows;
  here.stride[0] = rowBytes;
  c.accesses = {here};
}

void Commands::multiply(int64_t local, const Rows &rows, int64_t depth, mortise::Type type, int64_t sums,
                        int64_t columns, bool accumulate, bool same) {
  Command &c = push(unsigned(Engine::Matrix), Id::MmMul);
  c.a = local;
  c.b = sums;
  c.flags = (same ? 0 : mortise::kFlagSwap) | (accumulate ? mortise::kFlagAccumulate : 0);
  c.fields = {
      {Field::N0, rows.count[0]}, {Field::N1, rows.count[1]}, {Field::N2, 1}, {Field::Type, int64_t(type)}};
  constexpr Field strides[] = {Field::L0, Field::L1};
  Access here, there;
  here.base = local;
  here.run = depth * int64_t(mortise::typeBits(type)) / 8;
  for (int axis = 0; axis < 2; ++axis) {
    if (rows.count[axis] > 1)
      c.fields.push_back({strides[axis], rows.stride[axis]});
    here.count[axis] = rows.count[axis];
    here.stride[axis] = rows.stride[axis];
  }
  there.space = Space::Accumulators;
  there.write = true;
  there.base = sums;
  there.run = rows.count[0] * rows.count[1];
  c.accesses = {here, there};
}

void Commands::drain(int64_t sums, const Rows &pixels, int64_t columns, const DrainForm &form, int64_t width,
                     int64_t tables, int64_t local, bool fromFloat) {
  Command &c = push(unsigned(Engine::Drain), Id::Drain);
  c.a = sums;
  c.b = local;
  int64_t bias = form.bias ? tables : -1, scale = form.scale ? tables + (form.bias ? width * 4 : 0) : -1;
  c.fields = {{Field::N0, pixels.count[0]},
              {Field::N1, pixels.count[1]},
              {Field::N2, 1},
              {Field::N, columns},
              {Field::Type, int64_t(form.type)},
              {Field::Mode, fromFloat ? 1 : 0},
              {Field::Bias, bias},
              {Field::Scale, scale},
              {Field::Zero, form.zero},
              {Field::Low, form.low},
              {Field::High, form.high},
              {Field::Step, std::bit_cast<int32_t>(form.step)}};
  constexpr Field strides[] = {Field::L0, Field::L1};
  Access from, to;
  from.space = Space::Accumulators;
  from.base = sums;
  from.run = pixels.count[0] * pixels.count[1];
  to.write = true;
  to.base = local;
  to.run = columns * int64_t(mortise::typeBits(form.type)) / 8;
  for (int axis = 0; axis < 2; ++axis) {
    if (pixels.count[axis] > 1)
      c.fields.push_back({strides[axis], pixels.stride[axis]});
    to.count[axis] = pixels.count[axis];
    to.stride[axis] = pixels.stride[axis];
  }
  c.accesses = {from, to};
  for (int64_t table : {bias, scale})
    if (table >= 0) {
      Access read;
      read.base = table;
      read.run = columns * 4;
      c.accesses.push_back(read);
    }
}

void Commands::run(uint32_t kernel, std::vector<int64_t> arguments, const std::vector<Range> &ranges) {
  Command &c = push(unsigned(Engine::Vector), Id::Vrun);
  c.kernel = kernel;
  c.arguments = std::move(arguments);
  for (const Range &range : ranges) {
    Access access;
    access.base = range.base;
    access.run = range.bytes;
    access.write = range.write;
    access.space = range.space;
    c.accesses.push_back(access);
  }
  if (const SpillArea &spill = stream_.kernels[kernel].spill; spill.bytes)
    c.accesses.push_back({Space::Scratchpad, true, spill.address, spill.bytes});
}

} // namespace tenon::npu
