//===- ControlBuilder.cpp - structured code for the control processor --------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/attention/ControlBuilder.h"

#include <algorithm>
#include <bit>

namespace tenon::npu {

using mortise::Error, mortise::Instruction;

ControlBuilder::ControlBuilder() { set(zero(), 0); }

Reg ControlBuilder::reg() {
  if (registers_ == mortise::kRegisters)
    throw Error("TN1360", "the control code needs more than " + std::to_string(mortise::kRegisters) +
                              " registers; share those whose values are not needed at once");
  return {registers_++};
}

uint32_t ControlBuilder::emit(Id id, std::initializer_list<int64_t> operands) {
  Instruction instruction;
  instruction.id = id;
  size_t i = 0;
  for (int64_t operand : operands)
    instruction.operands[i++] = int32_t(operand);
  program_.code.push_back(instruction);
  return uint32_t(program_.code.size()) - 1;
}

void ControlBuilder::set(Reg to, int64_t value) {
  emit(Id::Li, {to.index, int32_t(uint32_t(uint64_t(value)))});
  if (value != int64_t(int32_t(value)))
    emit(Id::Lih, {to.index, to.index, value >> 32});
}

void ControlBuilder::addTo(Reg to, int64_t value, Reg spare) {
  if (value == 0)
    return;
  if (value == int64_t(int32_t(value)))
    return op(Id::Addi, to, to, value);
  set(spare, value);
  add(to, to, spare);
}

void ControlBuilder::element(Reg to, Reg number, int64_t size, int64_t base) {
  if (std::has_single_bit(uint64_t(size)))
    op(Id::Shli, to, number, int64_t(std::countr_zero(uint64_t(size))));
  else
    op(Id::Muli, to, number, size);
  if (base)
    op(Id::Addi, to, to, base);
}

void ControlBuilder::parameter(Reg to, const std::string &name) {
  auto &names = program_.parameters;
  auto at = std::ranges::find(names, name);
  int64_t number = at - names.begin();
  if (at == names.end())
    names.push_back(name);
  emit(Id::Ldp, {to.index, number});
}

Label ControlBuilder::label() {
  labels_.push_back(UINT32_MAX);
  return {labels_.size() - 1};
}

void ControlBuilder::place(Label label) { labels_[label.index] = uint32_t(program_.code.size()); }

void ControlBuilder::branch(Id id, std::initializer_list<int64_t> registers, Label to) {
  uint32_t at = emit(id, registers);
  branches_.emplace_back(at, to.index);
}

void ControlBuilder::jumpIf(Condition condition, Reg a, Reg b, Label to) {
  constexpr Id kBranches[] = {Id::Beq, Id::Bne, Id::Blt, Id::Bge};
  branch(kBranches[size_t(condition)], {a.index, b.index}, to);
}

void ControlBuilder::when(Condition condition, Reg a, Reg b, const Body &then, const Body &otherwise) {
  constexpr Condition kOpposite[] = {Condition::NotEqual, Condition::Equal, Condition::GreaterEqual,
                                     Condition::Less};
  Label skip = label();
  jumpIf(kOpposite[size_t(condition)], a, b, skip);
  then();
  if (!otherwise)
    return place(skip);
  Label end = label();
  jump(end);
  place(skip);
  otherwise();
  place(end);
}

void ControlBuilder::whenBits(Reg flags, int64_t bits, Reg spare, const Body &then, const Body &otherwise) {
  op(Id::Andi, spare, flags, bits);
  when(Condition::NotEqual, spare, zero(), then, otherwise);
}

void ControlBuilder::repeat(Reg count, const Body &body) {
  Label end = label();
  branch(Id::Loop, {count.index}, end);
  body();
  place(end);
}

unsigned ControlBuilder::semaphore(int64_t initial) {
  if (semaphores_ == mortise::kSemaphores)
    throw Error("TN1360", "the control code needs more than " + std::to_string(mortise::kSemaphores) +
                              " semaphores; share those of the same two engines");
  if (initial)
    emit(Id::SemInit, {semaphores_, initial});
  return semaphores_++;
}

void ControlBuilder::field(unsigned descriptor, mortise::Field field, int64_t value) {
  emit(Id::Dseti, {descriptor, int64_t(field), value});
}

KernelId ControlBuilder::kernel(CompiledKernel kernel) {
  kernels_.push_back(std::move(kernel));
  return {kernels_.size() - 1};
}

void ControlBuilder::start(KernelId kernel) { runs_.emplace_back(emit(Id::Vrun, {0}), kernel.index); }

void ControlBuilder::run(KernelId kernel, std::initializer_list<Reg> arguments) {
  unsigned number = 0;
  for (Reg value : arguments)
    argument(number++, value);
  start(kernel);
}

int64_t ControlBuilder::tensor(const std::string &name, mortise::Role role, mortise::Type type,
                               std::vector<int64_t> shape) {
  mortise::Tensor tensor{name, role, type, std::move(shape), uint64_t(memory_), {}};
  int64_t address = memory_;
  memory_ += int64_t(tensor.bytes() + 63) / 64 * 64;
  program_.tensors.push_back(std::move(tensor));
  return address;
}

mortise::Program ControlBuilder::finish() {
  emit(Id::Halt, {});
  for (auto [at, label] : branches_) {
    Instruction &instruction = program_.code[at];
    instruction.operands[instruction.row().operandCount - 1U] = int32_t(labels_[label]);
  }
  std::vector<uint32_t> starts;
  for (const CompiledKernel &kernel : kernels_)
    starts.push_back(kernel.appendTo(program_));
  for (auto [at, kernel] : runs_)
    program_.code[at].operands[0] = int32_t(starts[kernel]);
  mortise::verify(program_);
  return std::move(program_);
}

} // namespace tenon::npu
