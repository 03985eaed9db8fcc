//===- Commands.h - commands of engines with what they touch --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/tile/Product.h"

namespace tenon::npu {

/// Rows that the matrix unit reads, in bytes from one to the next.
struct Rows {
  int64_t count[2] = {1, 1}, stride[2] = {0, 0};
};
/// A block of `bytes`, repeated along two axes.
struct TransferBlock {
  int64_t bytes = 0, count[2] = {1, 1}, local[2] = {0, 0}, memory[2] = {0, 0};
};

/// Elements of 1, 2 or 4 bytes along up to four axes, the first innermost, with strides in bytes on both
/// sides.
struct ElementBlock {
  int64_t size = 1, count[4] = {1, 1, 1, 1}, local[4] = {0, 0, 0, 0}, memory[4] = {0, 0, 0, 0};
};

/// Appends commands to a stream. Counts beyond a descriptor's limit are split.
class Commands {
public:
  Commands(Stream &stream, const mortise::Hardware &hardware, uint32_t node)
      : stream_(stream), h_(hardware), node_(node) {}

  unsigned inputChannel() const { return unsigned(mortise::Engine::In0); }
  unsigned weightChannel() const { return inputChannel() + (h_.dma.inChannels > 1 ? 1 : 0); }
  unsigned outputChannel() const { return unsigned(mortise::Engine::Out0); }

  void loadBytes(unsigned channel, int64_t local, int64_t memory, int64_t bytes);
  /// Where `bytes` of a tensor lie for who reads them: a resident tensor's are there, others go to `local`.
  int64_t fetch(unsigned channel, int64_t local, int64_t memory, int64_t bytes);
  /// Where a part of a tensor is written: a resident tensor's in its place, others at `local`.
  static int64_t target(int64_t local, int64_t memory) {
    return isResident(memory) ? residentAt(memory) : local;
  }
  void loadRows(unsigned channel, int64_t local, int64_t localStride, int64_t memory, int64_t memoryStride,
                int64_t bytes, int64_t count);
  void loadBlock(unsigned channel, int64_t local, int64_t memory, const TransferBlock &block) {
    transfer(channel, local, memory, block, false);
  }
  /// Nothing is stored where the tensor is resident.
  void storeBlock(unsigned channel, int64_t local, int64_t memory, const TransferBlock &block) {
    if (!isResident(memory))
      transfer(channel, local, memory, block, true);
  }
  /// Counts must be within a descriptor's limits.
  void loadElements(unsigned channel, int64_t local, int64_t memory, const ElementBlock &block) {
    transferElements(channel, local, memory, block, false);
  }
  void storeElements(unsigned channel, int64_t local, int64_t memory, const ElementBlock &block) {
    transferElements(channel, local, memory, block, true);
  }
  /// The elements become `value`; the block's places in memory do not count.
  void fillElements(unsigned channel, int64_t local, int64_t value, const ElementBlock &block);
  /// `count` pieces of `bytes` become elements of `size` bytes and that value.
  void fill(unsigned channel, int64_t local, int64_t bytes, int64_t count, int64_t stride, int64_t value,
            int64_t size);
  /// `rowBytes`: from a row of the tile to the next; where the tile lies `transposed`, from a column.
  void loadTile(int64_t local, int64_t rows, int64_t columns, int64_t rowBytes, mortise::Type type,
                bool transposed = false);
  /// With the next weights that were loaded, or with the `same` as before.
  void multiply(int64_t local, const Rows &rows, int64_t depth, mortise::Type type, int64_t sums,
                int64_t columns, bool accumulate, bool same = false);
  /// `tables`: where bias and scale lie, `width` words each; `pixels`: where they go.
  void drain(int64_t sums, const Rows &pixels, int64_t columns, const DrainForm &form, int64_t width,
             int64_t tables, int64_t local, bool fromFloat);

  /// Runs a kernel: `arguments` go to r1, r2, ...; it reads and writes ranges of the scratchpad, or rows of
  /// the accumulators.
  struct Range {
    int64_t base = 0, bytes = 0;
    bool write = false;
    Space space = Space::Scratchpad;
  };
  void run(uint32_t kernel, std::vector<int64_t> arguments, const std::vector<Range> &ranges);

private:
  void transfer(unsigned channel, int64_t local, int64_t memory, TransferBlock block, bool out);
  void emitTransfer(unsigned channel, int64_t local, int64_t memory, const TransferBlock &block, bool out);
  void transferElements(unsigned channel, int64_t local, int64_t memory, const ElementBlock &block, bool out);
  Command &push(unsigned engine, mortise::Id id);

  Stream &stream_;
  const mortise::Hardware &h_;
  uint32_t node_;
};

} // namespace tenon::npu
