//===- SegmentProgram.h - the program that a segment's kernels write --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/segment/ChannelOperands.h"
#include "compiler/emit/mortise/segment/KernelConstants.h"
#include "compiler/emit/mortise/segment/MapCode.h"
#include "compiler/emit/mortise/segment/SegmentMemory.h"
#include "compiler/emit/mortise/stream/Stream.h"
#include "compiler/emit/mortise/tile/BufferRing.h"
#include "compiler/emit/mortise/tile/Product.h"

namespace tenon::npu {

/// Addresses, commands and reports of a segment while its kernels are emitted, one after the other.
class SegmentProgram {
public:
  /// `replaced`: bytes of the segment's operands that the package stores in another layout.
  SegmentProgram(KernelOp segment, const mortise::Hardware &hardware,
                 const llvm::DenseMap<mlir::Value, int64_t> &replaced, const ResidentTensors &residents)
      : hardware(hardware), segment(segment), residents(residents),
        memory(segment, hardware, replaced, residents), buffers(hardware) {}

  /// Commands from here on belong to the next kernel of the model; returns its number for them.
  uint32_t beginKernel(std::string name, KernelOp kernel);
  /// Of `bytes` of the scratchpad those that resident tensors leave to the kernel at hand.
  int64_t room(int64_t bytes) const { return residents.room(stream.nodes.size() - 1, bytes); }
  /// How the kernel's result lies where it is resident.
  ResidentFrame frameOf(KernelOp kernel) const;
  /// A line of the report on how the kernel was cut.
  void report(const llvm::Twine &how);

  /// Where a value of the segment's body lies, or an operand or result of one of its kernels.
  int64_t addressOf(mlir::Value value) const {
    return memory.addressOf(KernelConstants::within(value, segment));
  }
  int64_t addConstant(const std::string &name, std::vector<uint8_t> bytes) {
    return memory.addConstant(name, std::move(bytes));
  }
  /// The address of tables that kernels look numbers up in.
  int64_t addTables(const std::vector<uint32_t> &words);
  /// The number of a kernel of the vector core in the stream.
  uint32_t addKernel(const CompiledKernel &kernel);
  /// Addresses of the first tables, which are those of the operands.
  void locate(std::vector<ChannelTable> &tables, const ChannelOperands &operands) const;
  /// The stage with addresses of its operands and its kernel.
  MapStage located(const MapCode &code);

  /// Appends what `emit` does with buffers from a start in the scratchpad on, of which it may use the first
  /// `bytes`. Where there is room, they begin behind those of the kernel before, so that transfers into them
  /// need not wait for it. What `emit` does must not depend on the start but for addresses. False where
  /// `emit` returns so.
  bool emitPlaced(int64_t bytes, llvm::function_ref<bool(int64_t start)> emit);
  /// Commands that were appended without it may use all of the scratchpad.
  void useAll() { buffers.place(hardware.scratchpad.bytes, hardware.scratchpad.bytes); }

  /// The stream, proved and encoded; `schedule` gets what was reported.
  FinishedStream finish(std::string &schedule);

  const mortise::Hardware &hardware;
  Stream stream;

private:
  KernelOp segment;
  const ResidentTensors &residents;
  SegmentMemory memory;
  std::string reported;
  bool resultStays = false; ///< of the kernel at hand
  BufferRing buffers;
  unsigned lookUps = 0; ///< tables so far
};

} // namespace tenon::npu
