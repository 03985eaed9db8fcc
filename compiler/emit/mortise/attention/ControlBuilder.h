//===- ControlBuilder.h - structured code for the control processor ----------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A stream (stream/Stream.h) lists every command; what depends on sizes that only the launch knows needs
// code: registers by name, conditions, loops with counts in registers, descriptors that are set from
// registers.
//
//   ControlBuilder b;
//   Reg rows = b.reg(), at = b.reg();
//   b.parameter(rows, "rows");
//   b.when(Condition::Less, at, rows, [&] { ... });
//   b.repeat(rows, [&] { b.dma(In0, kDescriptor, local, at); b.addi(at, at, 256); });
//   mortise::Program program = b.finish();
//
//===----------------------------------------------------------------------===//
#pragma once

#include "compiler/emit/mortise/vector/CompileKernel.h"

#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

namespace tenon::npu {

/// A register of the control processor.
struct Reg {
  unsigned index = 0;
};

/// A place in the code that branches name.
struct Label {
  size_t index = 0;
};

enum class Condition : uint8_t { Equal, NotEqual, Less, GreaterEqual };

/// A kernel of the vector core that the program holds.
struct KernelId {
  size_t index = 0;
};

class ControlBuilder {
public:
  using Body = std::function<void()>;

  /// The next free register; TN1360 where there is none. Register 0 is `zero()`.
  Reg reg();
  Reg zero() const { return {0}; }
  ControlBuilder();

  // Numbers.
  void set(Reg to, int64_t value);
  void move(Reg to, Reg from) { emit(Id::Mov, {to.index, from.index}); }
  /// An instruction of the form `id d, a, b`.
  void op(Id id, Reg to, Reg a, Reg b) { emit(id, {to.index, a.index, b.index}); }
  /// An instruction of the form `id d, a, immediate`.
  void op(Id id, Reg to, Reg a, int64_t immediate) { emit(id, {to.index, a.index, immediate}); }
  void add(Reg to, Reg a, Reg b) { op(Id::Add, to, a, b); }
  void sub(Reg to, Reg a, Reg b) { op(Id::Sub, to, a, b); }
  /// Any number of 64 bits may be added; what does not fit an instruction takes `spare`.
  void addTo(Reg to, int64_t value, Reg spare);
  /// to = base + number * size, for a small non-negative number.
  void element(Reg to, Reg number, int64_t size, int64_t base);
  void parameter(Reg to, const std::string &name);
  void loadWord(Reg to, Reg address, int64_t offset) { emit(Id::Lds, {to.index, address.index, offset}); }

  // Course.
  Label label();
  void place(Label label);
  void jump(Label to) { branch(Id::Jmp, {}, to); }
  void jumpIf(Condition condition, Reg a, Reg b, Label to);
  void when(Condition condition, Reg a, Reg b, const Body &then, const Body &otherwise = {});
  /// Whether any of the bits is set; `spare` is overwritten.
  void whenBits(Reg flags, int64_t bits, Reg spare, const Body &then, const Body &otherwise = {});
  /// The body count times, at no cost an iteration; never where count <= 0.
  void repeat(Reg count, const Body &body);
  void fence() { emit(Id::Fence, {}); }

  // Engines.
  /// TN1360 where the machine would need more than 64.
  unsigned semaphore(int64_t initial);
  void acquire(unsigned engine, unsigned semaphore) { emit(Id::Acq, {engine, semaphore, 1}); }
  void release(unsigned engine, unsigned semaphore) { emit(Id::Rel, {engine, semaphore, 1}); }
  void field(unsigned descriptor, mortise::Field field, int64_t value);
  void field(unsigned descriptor, mortise::Field field, Reg value) {
    emit(Id::Dset, {descriptor, int64_t(field), value.index});
  }
  void dma(unsigned channel, unsigned descriptor, Reg local, Reg memory) {
    emit(Id::Dma, {channel, descriptor, local.index, memory.index});
  }
  void loadTile(unsigned descriptor, Reg at) { emit(Id::MmLoad, {descriptor, at.index}); }
  void multiply(unsigned descriptor, Reg rows, Reg accumulators, bool accumulate) {
    emit(Id::MmMul, {descriptor, rows.index, accumulators.index,
                     mortise::kFlagSwap | (accumulate ? mortise::kFlagAccumulate : 0)});
  }
  void drain(unsigned descriptor, Reg accumulators, Reg to) {
    emit(Id::Drain, {descriptor, accumulators.index, to.index});
  }
  KernelId kernel(CompiledKernel kernel);
  /// Parameter `number` (from 0) of the kernel that is started next.
  void argument(unsigned number, Reg value) { emit(Id::Vset, {number + 1, value.index}); }
  void start(KernelId kernel);
  /// Both, for all parameters.
  void run(KernelId kernel, std::initializer_list<Reg> arguments);

  /// Memory of a tensor, 64-byte aligned, one after the other.
  int64_t tensor(const std::string &name, mortise::Role role, mortise::Type type, std::vector<int64_t> shape);

  /// Ends the code with `halt`, appends kernels. Parameters are numbered in the order of `parameter`.
  mortise::Program finish();

private:
  uint32_t emit(Id id, std::initializer_list<int64_t> operands);
  void branch(Id id, std::initializer_list<int64_t> registers, Label to);

  mortise::Program program_;
  unsigned registers_ = 1;
  unsigned semaphores_ = 0;
  int64_t memory_ = 0;
  std::vector<uint32_t> labels_;                      ///< where they are
  std::vector<std::pair<uint32_t, size_t>> branches_; ///< instruction, label
  std::vector<CompiledKernel> kernels_;
  std::vector<std::pair<uint32_t, size_t>> runs_; ///< instruction, kernel
};

} // namespace tenon::npu
