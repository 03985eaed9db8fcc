// What scheduling and register allocation work on: instructions over mutable registers, in bundles, in a tree
// of loops. Before scheduling a bundle holds one instruction.
#pragma once

#include "compiler/emit/mortise/vector/VectorFunction.h"

#include "isa/mortise/Hardware.h"

namespace tenon::npu {

using RegisterId = uint32_t;
constexpr RegisterId kAlwaysRegister = 0;

/// An instruction; operands that are registers hold a RegisterId. An address register with an increment is
/// read and written.
struct MachineOp {
  Id id = Id::Nop;
  std::array<int32_t, mortise::kMaxOperands> operands{};
  ObjectId object = kNoObject;
  uint32_t base = Value::kNone; ///< the value that the address was made from: same base, comparable offsets

  const mortise::Row &row() const { return mortise::row(id); }
  int position(char name) const;
  int32_t operand(char name) const { return operands[size_t(position(name))]; }
  RegisterId reg(char name) const { return RegisterId(operand(name)); }
  void set(char name, int32_t value) { operands[size_t(position(name))] = value; }
  bool advances() const { return hasOffset(id) && operand('j') != 0; }
  /// `mov`, `vmov` or the same of predicates: the target and the source.
  std::optional<std::pair<RegisterId, RegisterId>> copy() const;
};

/// Calls `visit(register)` for what is read; the always-true predicate is no register here.
template <typename Visit> void visitReads(const MachineOp &op, Visit visit) {
  const mortise::Row &row = op.row();
  for (unsigned k = 0; k < row.operandCount; ++k)
    if (auto c = classOf(row.operands[k].kind);
        c && isRead(row, k) && RegisterId(op.operands[k]) != kAlwaysRegister)
      visit(RegisterId(op.operands[k]));
}
template <typename Visit> void visitWrites(const MachineOp &op, Visit visit) {
  const mortise::Row &row = op.row();
  for (unsigned k = 0; k < row.operandCount; ++k)
    if (auto c = classOf(row.operands[k].kind); c && !isRead(row, k))
      visit(RegisterId(op.operands[k]));
  if (op.advances())
    visit(op.reg('a'));
}

MachineOp makeOp(Id id, std::initializer_list<int64_t> operands);
MachineOp makeCopy(RegisterClass registerClass, RegisterId to, RegisterId from);

using Bundle = std::vector<MachineOp>; ///< in the order of slots once scheduled

struct MachineLoop;
/// Bundles, or one loop.
struct Node {
  std::vector<Bundle> bundles;
  std::vector<MachineLoop> loop;
  bool isLoop() const { return !loop.empty(); }
};
struct MachineLoop {
  int64_t count = 0; ///< where there is no register
  std::optional<RegisterId> countRegister;
  std::vector<Node> body;
  bool runs = false;   ///< at least once, whatever the register says
  unsigned number = 0; ///< of the loop in the source, in the order of beginnings
  bool isInnermost() const { return body.size() == 1 && !body.front().isLoop(); }
};

struct RegisterInfo {
  RegisterClass registerClass = RegisterClass::Vector;
  int pinned = -1;                 ///< the physical register, where it is given
  std::optional<int64_t> constant; ///< of a register that is written once, with this
  RegisterId origin = 0;           ///< the register that this one is a copy of for another iteration
  bool keep = false; ///< neither spilled nor coalesced: counts of loops, and what spilling makes
};

struct MachineFunction {
  std::string name;
  std::vector<RegisterInfo> registers; ///< the first is the always-true predicate
  std::vector<MemoryObject> objects;
  std::vector<Node> body;
  unsigned loops = 0;
  RegisterId add(RegisterClass registerClass);
  /// A new register like that one.
  RegisterId duplicate(RegisterId of);
};

/// Instructions over one mutable register for each value, with copies where loops carry values and where
/// addresses advance.
MachineFunction lower(const VectorFunction &function);
/// Removes copies whose two registers can be one.
void coalesce(MachineFunction &function);

/// Cycles until the result may be used, on that machine.
unsigned latencyOf(Id id, const mortise::Hardware &hardware);
bool isSpecial(Id id);
/// 0 scalar, 1 load, 2 store, 3 vector.
unsigned slotOf(Id id);
constexpr unsigned kSlots = 4;
/// Appends bundles to the last node, or to a new one.
std::vector<Bundle> &straightEnd(std::vector<Node> &nodes);

} // namespace tenon::npu
