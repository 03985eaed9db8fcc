#include "compiler/emit/mortise/testing/Interpreter.h"

#include "sim/Machine.h"
#include "sim/functional/Lanes.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace tenon::npu {

using mortise::Engine, mortise::Field, mortise::Role, mortise::Type;

namespace {

class Interpreter {
public:
  Interpreter(const VectorFunction &function, const mortise::Hardware &hardware, const Memory &bytes)
      : function_(function), lanes_(unsigned(hardware.vector.lanes)), local_(hardware, true),
        scalars_(function.values.size(), 0),
        vectors_(function.values.size(), std::vector<int32_t>(lanes_, 0)),
        predicates_(function.values.size(), std::vector<uint8_t>(lanes_, 1)) {
    std::copy(bytes.begin(), bytes.end(), local_.at(0));
    for (uint32_t i = 0; i < function.values.size(); ++i)
      if (function.values[i].kind == ValueInfo::Kind::Constant) {
        scalars_[i] = function.values[i].bits;
        std::fill(vectors_[i].begin(), vectors_[i].end(), int32_t(function.values[i].bits));
      }
  }
  Memory run(const std::vector<int64_t> &parameters, size_t bytes) {
    for (size_t i = 0; i < parameters.size(); ++i)
      scalars_[function_.parameters[i].index] = parameters[i];
    block(function_.body);
    return {local_.at(0), local_.at(0) + bytes};
  }

private:
  void copy(Value to, Value from) {
    scalars_[to.index] = scalars_[from.index];
    vectors_[to.index] = vectors_[from.index];
    predicates_[to.index] = predicates_[from.index];
  }

  void loop(const VectorLoop &loop) {
    for (const Carried &carried : loop.carried)
      copy(carried.result, carried.initial);
    int64_t count = loop.count.isConstant() ? loop.count.count : scalars_[loop.count.value.index];
    for (int64_t n = 0; n < count; ++n) {
      for (const Carried &carried : loop.carried)
        copy(carried.inside, carried.result);
      block(loop.body);
      for (const Carried &carried : loop.carried)
        copy(carried.result, carried.yielded);
    }
  }

  void block(const VectorBlock &block) {
    for (const Item &item : block.items)
      item.isLoop() ? loop(item.loop.front()) : operation(item.operation);
  }

  /// Values go into registers 1 and on, the instruction runs there, and the result comes back.
  void operation(const Operation &op) {
    const mortise::Row &row = op.row();
    sim::Operation machine;
    machine.id = op.id;
    machine.unit = row.unit;
    unsigned next = 1;
    Value result;
    char resultName = 0;
    for (unsigned k = 0; k < row.operandCount; ++k) {
      char name = row.operands[k].name;
      if (!classOf(row.operands[k].kind)) {
        (name == 'j' ? machine.j : machine.i) = op.operands[k];
        continue;
      }
      auto number = uint8_t(next++);
      (name == 'd'   ? machine.d
       : name == 'a' ? machine.a
       : name == 'b' ? machine.b
       : name == 'c' ? machine.c
                     : machine.g) = number;
      Value value{uint32_t(op.operands[k])};
      if (!isRead(row, k)) {
        result = value;
        resultName = name;
        continue;
      }
      registers_[number] = scalars_[value.index];
      std::copy(vectors_[value.index].begin(), vectors_[value.index].end(), state_->vectors[number]);
      std::copy(predicates_[value.index].begin(), predicates_[value.index].end(), state_->predicates[number]);
    }
    int64_t base = registers_[machine.a];
    bool plain = isMemory(op.id) && !hasOffset(op.id);
    if (op.id == Id::Slds)
      std::memcpy(&word_, local_.at(base + machine.i), 4);
    else if (isLoad(op.id))
      executeLoad(machine, *state_, local_, base + (plain ? 0 : machine.i), lanes_);
    else if (isStore(op.id))
      executeStore(machine, *state_, local_, base + (plain ? 0 : machine.i), lanes_);
    else if (row.unit == mortise::Unit::Vector)
      executeVector(machine, *state_, registers_, lanes_);
    if (op.advanced.isValid())
      scalars_[op.advanced.index] = base + machine.j;
    if (!resultName)
      return;
    if (op.id == Id::Slds)
      registers_[machine.d] = word_;
    else if (op.id == Id::Lanes)
      registers_[machine.d] = lanes_;
    else if (row.unit == mortise::Unit::Scalar)
      registers_[machine.d] =
          sim::scalarResult(op.id, registers_[machine.a], registers_[machine.b], machine.i);
    scalars_[result.index] = registers_[machine.d];
    vectors_[result.index].assign(state_->vectors[machine.d], state_->vectors[machine.d] + lanes_);
    predicates_[result.index].assign(state_->predicates[machine.d & 7],
                                     state_->predicates[machine.d & 7] + lanes_);
  }

  const VectorFunction &function_;
  unsigned lanes_;
  sim::LocalMemory local_;
  std::vector<int64_t> scalars_;
  std::vector<std::vector<int32_t>> vectors_;
  std::vector<std::vector<uint8_t>> predicates_;
  std::array<int64_t, mortise::kRegisters> registers_{};
  std::unique_ptr<sim::VectorRegisters> state_ = std::make_unique<sim::VectorRegisters>();
  int32_t word_ = 0;
};

void add(mortise::Program &program, Id id, std::initializer_list<int64_t> operands) {
  mortise::Instruction instruction;
  instruction.id = id;
  size_t k = 0;
  for (int64_t operand : operands)
    instruction.operands[k++] = int32_t(operand);
  program.code.push_back(instruction);
}

void set(mortise::Program &program, int64_t reg, int64_t value) {
  add(program, Id::Li, {reg, int32_t(uint32_t(uint64_t(value)))});
  if (value != int64_t(int32_t(value)))
    add(program, Id::Lih, {reg, reg, value >> 32});
}

} // namespace

Memory interpret(const VectorFunction &function, const mortise::Hardware &hardware, Memory memory,
                 const std::vector<int64_t> &parameters) {
  return Interpreter(function, hardware, memory).run(parameters, memory.size());
}

Simulated simulate(const CompiledKernel &kernel, const mortise::Hardware &hardware, const Memory &memory,
                   const std::vector<int64_t> &parameters) {
  constexpr int64_t in = int64_t(Engine::In0), out = int64_t(Engine::Out0), vector = int64_t(Engine::Vector);
  constexpr int64_t kRow = 1024;
  if (memory.size() % kRow)
    throw std::invalid_argument("the memory is no multiple of 1024 bytes");
  auto bytes = int64_t(memory.size());
  mortise::Program program;
  program.tensors.push_back({"x", Role::Input, Type::I8, {bytes}, 0, {}});
  program.tensors.push_back({"y", Role::Output, Type::I8, {bytes}, uint64_t(bytes), {}});
  for (auto [field, value] : {std::pair{Field::N0, kRow},
                              {Field::N1, bytes / kRow},
                              {Field::L0, int64_t(1)},
                              {Field::G0, int64_t(1)},
                              {Field::L1, kRow},
                              {Field::G1, kRow}})
    add(program, Id::Dseti, {0, int64_t(field), value});
  set(program, 1, 0);
  set(program, 2, 0);
  add(program, Id::Dma, {in, 0, 1, 2});
  add(program, Id::Rel, {in, 0, 1});
  add(program, Id::Acq, {vector, 0, 1});
  for (size_t i = 0; i < parameters.size(); ++i) {
    set(program, 3, parameters[i]);
    add(program, Id::Vset, {int64_t(i) + 1, 3});
  }
  size_t run = program.code.size();
  add(program, Id::Vrun, {0});
  add(program, Id::Rel, {vector, 1, 1});
  add(program, Id::Acq, {out, 1, 1});
  set(program, 2, bytes);
  add(program, Id::Dma, {out, 0, 1, 2});
  add(program, Id::Halt, {});
  program.code[run].operands[0] = int32_t(kernel.appendTo(program));
  verify(program);
  sim::Machine machine(hardware, program, {});
  Memory input = memory;
  machine.bind("x", input);
  sim::Statistics statistics = machine.run();
  Simulated result;
  std::span<uint8_t> y = machine.tensor("y");
  result.memory.assign(y.begin(), y.end());
  for (const sim::EngineCycles &engine : statistics.engines)
    if (engine.name.ends_with("vector"))
      for (auto activity : {sim::Activity::Busy, sim::Activity::Dependency, sim::Activity::Bank})
        result.cycles += engine[activity];
  return result;
}

} // namespace tenon::npu
