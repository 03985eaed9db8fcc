// Emits instructions by mnemonic, with operands in the order of the table.
#pragma once

#include "isa/mortise/Program.h"

namespace tenon::sim {

class Builder {
public:
  explicit Builder(mortise::Program &program) : program_(program) {}

  /// Returns the instruction's index; labels are set with `label`.
  uint32_t emit(mortise::Id id, std::initializer_list<int64_t> operands) {
    mortise::Instruction instruction;
    instruction.id = id;
    size_t i = 0;
    for (int64_t operand : operands)
      instruction.operands[i++] = int32_t(operand);
    program_.code.push_back(instruction);
    return uint32_t(program_.code.size()) - 1;
  }
  uint32_t here() const { return uint32_t(program_.code.size()); }
  /// The instruction's last operand becomes this place.
  void label(uint32_t instruction) {
    mortise::Instruction &i = program_.code[instruction];
    i.operands[i.row().operandCount - 1U] = int32_t(here());
  }
  /// The bundle goes on after the instruction.
  void chain(uint32_t instruction) { program_.code[instruction].chained = true; }
  void constant(unsigned reg, int64_t value) {
    emit(mortise::Id::Li, {reg, int32_t(uint32_t(value))});
    if (value != int64_t(int32_t(value)))
      emit(mortise::Id::Lih, {reg, reg, value >> 32});
  }
  void field(unsigned descriptor, mortise::Field field, int64_t value) {
    emit(mortise::Id::Dseti, {descriptor, int64_t(field), value});
  }
  void acquire(unsigned engine, unsigned semaphore, int64_t count = 1) {
    emit(mortise::Id::Acq, {engine, semaphore, count});
  }
  void release(unsigned engine, unsigned semaphore, int64_t count = 1) {
    emit(mortise::Id::Rel, {engine, semaphore, count});
  }
  /// The address. `onChip`: in the second level.
  uint64_t tensor(const std::string &name, mortise::Role role, mortise::Type type, std::vector<int64_t> shape,
                  bool onChip = false) {
    mortise::Tensor tensor{name, role, type, std::move(shape), onChip ? l2Next_ : next_, {}};
    uint64_t address = tensor.address;
    (onChip ? l2Next_ : next_) += (tensor.bytes() + 63) / 64 * 64;
    if (!onChip || !sharesL2_)
      program_.tensors.push_back(std::move(tensor));
    return address;
  }
  /// From here on everything in the second level lies in one tensor of that size.
  void shareL2(int64_t bytes) {
    tensor("l2", mortise::Role::Temporary, mortise::Type::I8, {bytes}, true);
    sharesL2_ = true;
  }
  /// The next layer may overwrite what lies there.
  void reuseL2() { l2Next_ = mortise::kL2Base; }

private:
  mortise::Program &program_;
  uint64_t next_ = 0, l2Next_ = mortise::kL2Base;
  bool sharesL2_ = false;
};

} // namespace tenon::sim
