//===- Encode.cpp - the control processor's code --------------------===//
//
// Part of the Tenon project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "compiler/emit/mortise/stream/Stream.h"

#include <algorithm>
#include <array>
#include <map>

namespace tenon::npu {

namespace {

using mortise::Field, mortise::Id, mortise::Instruction;

/// Values that a fixed number of places hold; the place used longest ago makes room.
class Places {
public:
  Places(unsigned first, unsigned count) : first_(first), values_(count), used_(count, 0) {}

  /// The place of a value, and whether it must be written first.
  std::pair<unsigned, bool> placeOf(int64_t value) {
    ++now_;
    size_t oldest = 0;
    for (size_t i = 0; i < values_.size(); ++i) {
      if (values_[i] == value) {
        used_[i] = now_;
        return {first_ + unsigned(i), false};
      }
      if (used_[i] < used_[oldest])
        oldest = i;
    }
    values_[oldest] = value;
    used_[oldest] = now_;
    return {first_ + unsigned(oldest), true};
  }

private:
  unsigned first_;
  std::vector<std::optional<int64_t>> values_;
  std::vector<uint64_t> used_;
  uint64_t now_ = 0;
};

class Encoder {
public:
  Encoder(const Stream &stream, const Order &order, const mortise::Hardware &hardware)
      : stream_(stream), order_(order), hardware_(hardware), starts_(stream.kernels.size()),
        releases_(stream.commands.size()), acquisitions_(stream.commands.size()) {
    for (const Order::Pair &pair : order.pairs) {
      releases_[pair.before].push_back(stream.commands[pair.after].engine);
      acquisitions_[pair.after].push_back(stream.commands[pair.before].engine);
    }
    for (auto &descriptor : descriptors_) {
      descriptor.values.fill(0);
      for (Field field : {Field::N0, Field::N1, Field::N2, Field::N3, Field::Esize})
        descriptor.values[size_t(field)] = 1;
      for (Field field : {Field::Bias, Field::Scale})
        descriptor.values[size_t(field)] = -1;
      // What clamps nothing cannot be written by an instruction: every drain says its limits.
      for (Field field : {Field::Low, Field::High})
        descriptor.values[size_t(field)] = INT64_MIN;
    }
  }

  FinishedStream run() {
    for (uint32_t c : order_.commands) {
      const Command &command = stream_.commands[c];
      if (program_.origins.empty() || program_.origins.back().node != command.node)
        program_.origins.push_back({uint32_t(program_.code.size()), command.node});
      for (unsigned from : acquisitions_[c])
        emit(Id::Acq, {int64_t(command.engine), semaphore(from, command.engine), 1});
      encode(command);
      for (unsigned to : releases_[c])
        emit(Id::Rel, {int64_t(command.engine), semaphore(command.engine, to), 1});
    }
    emit(Id::Halt, {});
    placeKernels();
    FinishedStream result;
    if (int64_t(semaphores_.size()) > hardware_.semaphores)
      result.error = "the order needs " + std::to_string(semaphores_.size()) + " semaphores, " +
                     hardware_.name + " has " + std::to_string(hardware_.semaphores);
    else
      result.program = std::move(program_);
    return result;
  }

private:
  struct Descriptor {
    std::array<int64_t, mortise::kFields> values;
    uint64_t used = 0;
  };

  uint32_t emit(Id id, std::initializer_list<int64_t> operands) {
    Instruction instruction;
    instruction.id = id;
    size_t i = 0;
    for (int64_t operand : operands)
      instruction.operands[i++] = int32_t(operand);
    program_.code.push_back(instruction);
    return uint32_t(program_.code.size()) - 1;
  }

  int64_t semaphore(unsigned from, unsigned to) {
    return semaphores_.try_emplace({from, to}, int64_t(semaphores_.size())).first->second;
  }

  unsigned registerOf(int64_t value) {
    auto [place, isNew] = registers_.placeOf(value);
    if (isNew) {
      emit(Id::Li, {place, int32_t(uint32_t(uint64_t(value)))});
      if (value != int64_t(int32_t(value)))
        emit(Id::Lih, {place, place, value >> 32});
    }
    return place;
  }

  /// The descriptor that needs the fewest changes.
  unsigned descriptorOf(const Command &command) {
    unsigned best = 0, fewest = ~0U;
    for (unsigned d = 0; d < descriptors_.size(); ++d) {
      unsigned changes = 0;
      for (const FieldValue &f : command.fields)
        changes += descriptors_[d].values[size_t(f.field)] != f.value;
      bool older = changes == fewest && descriptors_[d].used < descriptors_[best].used;
      if (changes < fewest || older) {
        best = d;
        fewest = changes;
      }
    }
    descriptors_[best].used = ++uses_;
    for (const FieldValue &f : command.fields) {
      int64_t &value = descriptors_[best].values[size_t(f.field)];
      if (value == f.value)
        continue;
      value = f.value;
      if (value == int64_t(int32_t(value)))
        emit(Id::Dseti, {best, int64_t(f.field), value});
      else
        emit(Id::Dset, {best, int64_t(f.field), registerOf(value)});
    }
    return best;
  }

  void encode(const Command &command) {
    switch (command.id) {
    case Id::Dma: {
      unsigned descriptor = descriptorOf(command), a = registerOf(command.a), b = registerOf(command.b);
      emit(Id::Dma, {int64_t(command.engine), descriptor, a, b});
      return;
    }
    case Id::MmLoad: {
      unsigned descriptor = descriptorOf(command), a = registerOf(command.a);
      emit(Id::MmLoad, {descriptor, a});
      return;
    }
    case Id::MmMul: {
      unsigned descriptor = descriptorOf(command), a = registerOf(command.a), b = registerOf(command.b);
      emit(Id::MmMul, {descriptor, a, b, command.flags});
      return;
    }
    case Id::Drain: {
      unsigned descriptor = descriptorOf(command), a = registerOf(command.a), b = registerOf(command.b);
      emit(Id::Drain, {descriptor, a, b});
      return;
    }
    default:
      // Kernels may change the registers that they are given.
      for (size_t i = 0; i < command.arguments.size(); ++i)
        emit(Id::Vset, {int64_t(i) + 1, registerOf(command.arguments[i])});
      runs_.emplace_back(emit(Id::Vrun, {0}), command.kernel);
    }
  }

  void placeKernels() {
    for (size_t k = 0; k < stream_.kernels.size(); ++k) {
      starts_[k] = uint32_t(program_.code.size());
      for (Instruction instruction : stream_.kernels[k].code) {
        const mortise::Row &row = instruction.row();
        for (unsigned i = 0; i < row.operandCount; ++i)
          if (row.operands[i].kind == mortise::OperandKind::Label)
            instruction.operands[i] += int32_t(starts_[k]);
        program_.code.push_back(instruction);
      }
    }
    for (auto [at, kernel] : runs_)
      program_.code[at].operands[0] = int32_t(starts_[kernel]);
  }

  const Stream &stream_;
  const Order &order_;
  const mortise::Hardware &hardware_;
  mortise::Program program_;
  Places registers_{1, 31};
  std::array<Descriptor, mortise::kDescriptors> descriptors_;
  uint64_t uses_ = 0;
  std::map<std::pair<unsigned, unsigned>, int64_t> semaphores_;
  std::vector<uint32_t> starts_;
  std::vector<std::pair<uint32_t, uint32_t>> runs_; ///< vrun instructions and their kernels
  std::vector<std::vector<unsigned>> releases_, acquisitions_;
};

} // namespace

/// Nothing needs to be ordered behind reads of what nobody writes: weights above all.
static void dropReadsOfConstants(Stream &stream) {
  auto tensorOf = [&](int64_t address) {
    auto after = std::upper_bound(stream.tensors.begin(), stream.tensors.end(), uint64_t(address),
                                  [](uint64_t at, const mortise::Tensor &t) { return at < t.address; });
    return size_t(after - stream.tensors.begin());
  };
  std::vector<bool> written(stream.tensors.size() + 1);
  for (const Command &command : stream.commands)
    for (const Access &access : command.accesses)
      if (access.space == Space::Memory && access.write)
        written[tensorOf(access.base)] = true;
  for (Command &command : stream.commands)
    std::erase_if(command.accesses, [&](const Access &access) {
      return access.space == Space::Memory && !access.write && !written[tensorOf(access.base)];
    });
}

FinishedStream finishStream(Stream stream, const mortise::Hardware &hardware, const StreamOptions &options) {
  dropReadsOfConstants(stream);
  Order order = orderStream(stream, options);
  FinishedStream result;
  if (std::optional<std::string> error = verifyOrder(stream, order)) {
    result.error = *error;
    return result;
  }
  result = Encoder(stream, order, hardware).run();
  if (result.error.empty()) {
    result.program.tensors = std::move(stream.tensors);
    result.program.nodes = std::move(stream.nodes);
  }
  return result;
}

} // namespace tenon::npu
