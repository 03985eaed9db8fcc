// A kernel of Mortise's vector core in virtual registers: what instruction selection makes and
// `compile` (CompileKernel.h) turns into bundles.
//
// Values are in static single assignment form and have one of three classes. A function is a block; a block
// is a list of operations and counted loops. What changes from one iteration to the next is carried by the
// loop: it has an initial value, a name inside the body, the value that an iteration yields, and a result. A
// load or store that advances its address defines a value, too: the address after it.
#pragma once

#include "isa/mortise/Isa.h"

#include <functional>
#include <span>

namespace tenon::npu {

using mortise::Id;

enum class RegisterClass : uint8_t { Scalar, Vector, Predicate };
constexpr unsigned kRegisterClasses = 3;

/// A virtual register of one function.
struct Value {
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t index = kNone;
  bool isValid() const { return index != kNone; }
  bool operator==(const Value &) const = default;
};

/// The predicate that is true in every lane (p0).
constexpr Value kAlways{0};

/// A part of the scratchpad that loads and stores name; those of different objects never touch the same byte.
struct MemoryObject {
  std::string name;
  /// Whether a byte that one iteration of any loop writes is touched by no other iteration of that loop, so
  /// that iterations may overlap.
  bool independentIterations = false;
};
using ObjectId = uint32_t;
constexpr ObjectId kNoObject = UINT32_MAX;

/// An instruction of the table. Operands stand in the table's order: of registers the index of the value, of
/// immediates the number.
struct Operation {
  Id id = Id::Nop;
  std::array<int32_t, mortise::kMaxOperands> operands{};
  Value advanced;              ///< the address after a load or store with an increment
  ObjectId object = kNoObject; ///< of loads and stores

  const mortise::Row &row() const { return mortise::row(id); }
  /// Position of the operand of that name, or -1.
  int position(char name) const;
  /// The register or immediate of that name; the row must have it.
  int32_t operand(char name) const { return operands[size_t(position(name))]; }
  Value value(char name) const { return {uint32_t(operand(name))}; }
  void set(char name, int32_t operand) { operands[size_t(position(name))] = operand; }
  void set(char name, Value value) { set(name, int32_t(value.index)); }
};

/// The class of a kind of operand; nothing for immediates.
std::optional<RegisterClass> classOf(mortise::OperandKind kind);
bool isLoad(Id id);
bool isStore(Id id);
inline bool isMemory(Id id) { return isLoad(id) || isStore(id); }
/// Whether it has an address of the form base plus offset, and may advance the base.
bool hasOffset(Id id);
/// Bytes that one execution may touch from its address on; 0: anywhere (gather, scatter).
int64_t bytesTouched(Id id, int64_t lanes);
/// Whether operand `k` is read (or else written). Address registers are read.
bool isRead(const mortise::Row &row, unsigned k);
/// The values that an operation reads and those that it defines.
void forEachRead(const Operation &operation, const std::function<void(Value)> &visit);
void forEachDefinition(const Operation &operation, const std::function<void(Value)> &visit);

struct Item;
struct VectorBlock {
  std::vector<Item> items;
};

/// How often a loop runs: a number, or a scalar register (which may be zero or less: never).
struct TripCount {
  TripCount(int64_t count) : count(count) {}
  TripCount(Value value) : value(value) {}
  bool isConstant() const { return !value.isValid(); }
  int64_t count = 0;
  Value value;
};

struct Carried {
  Value initial, inside, yielded, result;
};

struct VectorLoop {
  TripCount count = 0;
  std::vector<Carried> carried;
  VectorBlock body;
};

/// An operation, or a loop.
struct Item {
  Operation operation;
  std::vector<VectorLoop> loop; ///< one, or none

  Item(const Operation &operation) : operation(operation) {}
  Item(VectorLoop inner) { loop.push_back(std::move(inner)); }
  bool isLoop() const { return !loop.empty(); }
};

struct ValueInfo {
  enum class Kind : uint8_t { Always, Parameter, Constant, Computed };
  RegisterClass registerClass = RegisterClass::Vector;
  Kind kind = Kind::Computed;
  int64_t bits = 0; ///< of a constant: a scalar, or the 32 bits of every lane
};

struct VectorFunction {
  std::string name;
  std::vector<ValueInfo> values; ///< the first is kAlways
  std::vector<Value> parameters; ///< parameter k is in scalar register k + 1 when the kernel starts
  std::vector<std::string> parameterNames;
  std::vector<MemoryObject> objects;
  VectorBlock body;
  bool contract = false; ///< whether a product and a sum may become one instruction that rounds once

  explicit VectorFunction(std::string name = "kernel");
  Value add(RegisterClass registerClass, ValueInfo::Kind kind = ValueInfo::Kind::Computed, int64_t bits = 0);
  const ValueInfo &info(Value value) const { return values[value.index]; }
  bool isConstant(Value value) const { return info(value).kind == ValueInfo::Kind::Constant; }
};

/// TN1350 where operands do not fit the table, a use is not dominated by its definition, a value is defined
/// twice, or an immediate is out of range; TN1352 where loops are nested deeper than the machine allows.
void verify(const VectorFunction &function);

/// One line for each operation, indented by loops: `%5 = vadd.f %3, %4`.
std::string toText(const VectorFunction &function);

} // namespace tenon::npu
