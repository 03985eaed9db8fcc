#include "compiler/emit/mortise/vector/VectorBuilder.h"

#include <bit>

namespace tenon::npu {

using mortise::Error, mortise::Row;

Value VectorBuilder::parameter(const std::string &name) {
  if (function_.parameters.size() + 2 >= mortise::kRegisters)
    throw Error("TN1350", "kernel '" + function_.name + "': at most " +
                              std::to_string(mortise::kRegisters - 2) + " parameters fit the registers, '" +
                              name + "' is one more; pass a table in the scratchpad");
  Value value = function_.add(RegisterClass::Scalar, ValueInfo::Kind::Parameter);
  function_.parameters.push_back(value);
  function_.parameterNames.push_back(name);
  return value;
}

ObjectId VectorBuilder::object(const std::string &name, bool independentIterations) {
  function_.objects.push_back({name, independentIterations});
  return ObjectId(function_.objects.size()) - 1;
}

Value VectorBuilder::constant(RegisterClass registerClass, int64_t bits) {
  for (uint32_t i = 0; i < function_.values.size(); ++i)
    if (const ValueInfo &info = function_.values[i];
        info.kind == ValueInfo::Kind::Constant && info.registerClass == registerClass && info.bits == bits)
      return {i};
  return function_.add(registerClass, ValueInfo::Kind::Constant, bits);
}

Value VectorBuilder::scalar(int64_t value) { return constant(RegisterClass::Scalar, value); }
Value VectorBuilder::splat(float value) { return splatInt(std::bit_cast<int32_t>(value)); }
Value VectorBuilder::splatInt(int32_t value) { return constant(RegisterClass::Vector, value); }

Operation &VectorBuilder::append(const Operation &operation) {
  block_->items.emplace_back(operation);
  return block_->items.back().operation;
}

Value VectorBuilder::op(Id id, std::span<const Value> sources, std::optional<Immediate> immediate) {
  Operation operation;
  operation.id = id;
  const Row &row = mortise::row(id);
  size_t next = 0;
  Value result;
  for (unsigned k = 0; k < row.operandCount; ++k) {
    std::optional<RegisterClass> registerClass = classOf(row.operands[k].kind);
    bool isSource = registerClass && isRead(row, k);
    bool given = isSource ? next < sources.size() : registerClass || immediate;
    if (given && isSource) {
      operation.operands[k] = int32_t(sources[next++].index);
    } else if (given && registerClass) {
      result = function_.add(*registerClass);
      operation.operands[k] = int32_t(result.index);
    } else if (given) {
      operation.operands[k] = immediate->value;
    }
    if (!given)
      throw Error("TN1350", "kernel '" + function_.name + "': '" + row.mnemonic +
                                "' lacks a value for operand '" + row.operands[k].name + "' of '" +
                                row.syntax + "'");
  }
  if (next != sources.size() || !result.isValid())
    throw Error("TN1350", "kernel '" + function_.name + "': '" + row.mnemonic + " " + row.syntax +
                              "' is called with " + std::to_string(sources.size()) +
                              " sources, or gives no result; use load, store or loop for those");
  append(operation);
  return result;
}

Operation VectorBuilder::memory(Id id, const Address &address, Value predicate, int32_t step) {
  if (!isMemory(id))
    throw Error("TN1350",
                "kernel '" + function_.name + "': '" + mortise::row(id).mnemonic + "' is no load or store");
  Operation operation;
  operation.id = id;
  operation.object = address.object;
  operation.set('a', address.base);
  if (operation.position('g') >= 0)
    operation.set('g', predicate);
  if (hasOffset(id)) {
    operation.set('i', address.offset);
    operation.set('j', step);
  }
  if (step)
    operation.advanced = function_.add(RegisterClass::Scalar);
  if (isLoad(id))
    operation.set('d', function_.add(id == Id::Slds ? RegisterClass::Scalar : RegisterClass::Vector));
  return operation;
}

Value VectorBuilder::load(Id id, const Address &from, Value predicate) {
  return append(memory(id, from, predicate, 0)).value('d');
}

void VectorBuilder::store(Id id, const Address &to, Value value, Value predicate) {
  append(memory(id, to, predicate, 0)).set('d', value);
}

Value VectorBuilder::loadAdvance(Id id, Address &from, int32_t step, Value predicate) {
  Operation operation = memory(id, from, predicate, step);
  if (step)
    from.base = operation.advanced;
  return append(operation).value('d');
}

void VectorBuilder::storeAdvance(Id id, Address &to, Value value, int32_t step, Value predicate) {
  Operation operation = memory(id, to, predicate, step);
  if (step)
    to.base = operation.advanced;
  append(operation).set('d', value);
}

Value VectorBuilder::gather(const Address &table, Value bytes, Value predicate) {
  Address base = table;
  if (table.offset)
    base = {add(table.base, table.offset), table.object, 0};
  Operation &operation = append(memory(Id::Vgather, base, predicate, 0));
  operation.set('b', bytes);
  return operation.value('d');
}

void VectorBuilder::scatter(const Address &table, Value bytes, Value value, Value predicate) {
  Address base = table;
  if (table.offset)
    base = {add(table.base, table.offset), table.object, 0};
  Operation &operation = append(memory(Id::Vscatter, base, predicate, 0));
  operation.set('b', bytes);
  operation.set('d', value);
}

std::vector<Value> VectorBuilder::loop(TripCount count, const std::vector<Value> &initial,
                                       const BodyFunction &body) {
  VectorLoop loop;
  loop.count = count;
  std::vector<Value> inside, results;
  for (Value value : initial) {
    RegisterClass registerClass = function_.info(value).registerClass;
    Carried carried{value, function_.add(registerClass), {}, function_.add(registerClass)};
    inside.push_back(carried.inside);
    results.push_back(carried.result);
    loop.carried.push_back(carried);
  }
  VectorBlock *outer = block_;
  block_ = &loop.body;
  std::vector<Value> yielded = body(inside);
  block_ = outer;
  if (yielded.size() != initial.size())
    throw Error("TN1350", "kernel '" + function_.name + "': a loop carries " +
                              std::to_string(initial.size()) + " values, its body returns " +
                              std::to_string(yielded.size()));
  for (size_t i = 0; i < yielded.size(); ++i)
    loop.carried[i].yielded = yielded[i];
  block_->items.emplace_back(std::move(loop));
  return results;
}

} // namespace tenon::npu
