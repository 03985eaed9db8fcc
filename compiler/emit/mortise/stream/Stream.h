//===- Stream.h - what the engines of a Mortise core do, in order --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A stream lists the commands of all engines in one order, as if each began when the one before it had ended.
// Addresses are settled, nothing is said about time. `finishStream` makes a program of it: transfers into the
// scratchpad move forward to where their target is free, semaphores keep between engines what the order
// promised, and the control processor's code is written.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "isa/mortise/Hardware.h"
#include "isa/mortise/Program.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tenon::npu {

/// Where bytes lie that a command touches. Accumulators are counted in rows.
enum class Space : uint8_t { Scratchpad, Accumulators, Memory };

/// Bytes at base + i s0 + j s1 + k s2 + [0, run) for i < count[0], j < count[1], k < count[2] (rows of
/// accumulators alike).
struct Access {
  Space space = Space::Scratchpad;
  bool write = false;
  int64_t base = 0, run = 0;
  int64_t count[3] = {1, 1, 1}, stride[3] = {0, 0, 0};
};

/// The fields of a descriptor that a command needs, the others are whatever they are.
struct FieldValue {
  mortise::Field field = mortise::Field::N0;
  int64_t value = 0;
};

/// A command of one engine.
struct Command {
  unsigned engine = 0;               ///< mortise::Engine, or a channel
  mortise::Id id = mortise::Id::Dma; ///< Dma, MmLoad, MmMul, Drain or Vrun
  std::vector<FieldValue> fields;    ///< of the descriptor
  int64_t a = 0, b = 0;              ///< register operands, in the order of the instruction
  int flags = 0;                     ///< of MmMul
  uint32_t kernel = 0;               ///< Vrun: number in Stream::kernels
  std::vector<int64_t> arguments;    ///< Vrun: scalar registers r1, r2, ... of the vector core
  uint32_t node = 0;                 ///< of the model, in Stream::nodes
  std::vector<Access> accesses;
};

/// Bytes of the scratchpad that a kernel of the vector core keeps vectors in while it runs.
struct SpillArea {
  int64_t address = 0, bytes = 0;
};

/// Code of the vector core. Labels count from its first word.
struct VectorKernel {
  std::vector<mortise::Instruction> code;
  SpillArea spill = {};
};

struct Stream {
  std::vector<mortise::Tensor> tensors; ///< disjoint; commands name memory by address
  std::vector<std::string> nodes;
  std::vector<VectorKernel> kernels;
  std::vector<Command> commands;
};

struct StreamOptions {
  bool hoist = true; ///< transfers into the scratchpad begin as early as their target is free
  size_t ahead =
      16; ///< transfers of a channel that may be issued before their turn: about what a queue holds
};

/// What `order` decided: the commands in the order of issue and the pairs that semaphores order. The k-th
/// pair of two engines is the k-th release and the k-th acquisition of their semaphore.
struct Order {
  std::vector<uint32_t> commands; ///< numbers in the stream
  struct Pair {
    uint32_t before = 0, after = 0; ///< numbers in the stream
  };
  std::vector<Pair> pairs;
};
Order orderStream(const Stream &stream, const StreamOptions &options);

/// Proves that an order has no race and no deadlock, from the order of issue and the pairs alone: queues run
/// to their end, and every two commands of different engines that touch the same bytes, one of them writing,
/// are ordered by queues and pairs. Returns what is wrong, or nothing.
std::optional<std::string> verifyOrder(const Stream &stream, const Order &order);

struct FinishedStream {
  mortise::Program program;
  std::string error; ///< what does not hold; the program is empty then
};
/// The program: ordered, verified, encoded. Semaphores, descriptors and registers of the control processor
/// are the encoder's.
FinishedStream finishStream(Stream stream, const mortise::Hardware &hardware, const StreamOptions &options);

} // namespace tenon::npu
