#include "compiler/emit/mortise/vector/VectorFunction.h"

namespace tenon::npu {

using mortise::OperandKind, mortise::Row, mortise::Unit;

VectorFunction::VectorFunction(std::string name) : name(std::move(name)) {
  add(RegisterClass::Predicate, ValueInfo::Kind::Always);
}

Value VectorFunction::add(RegisterClass registerClass, ValueInfo::Kind kind, int64_t bits) {
  values.push_back({registerClass, kind, bits});
  return {uint32_t(values.size()) - 1};
}

int Operation::position(char name) const {
  const Row &r = row();
  for (unsigned k = 0; k < r.operandCount; ++k)
    if (r.operands[k].name == name)
      return int(k);
  return -1;
}

std::optional<RegisterClass> classOf(OperandKind kind) {
  switch (kind) {
  case OperandKind::Register:
    return RegisterClass::Scalar;
  case OperandKind::VectorRegister:
    return RegisterClass::Vector;
  case OperandKind::Predicate:
    return RegisterClass::Predicate;
  default:
    return std::nullopt;
  }
}

bool isLoad(Id id) { return mortise::row(id).unit == Unit::Load; }
bool isStore(Id id) { return mortise::row(id).unit == Unit::Store; }
bool hasOffset(Id id) { return isMemory(id) && id != Id::Vgather && id != Id::Vscatter; }

int64_t bytesTouched(Id id, int64_t lanes) {
  switch (id) {
  case Id::Vgather:
  case Id::Vscatter:
    return 0;
  case Id::VlbW:
  case Id::Slds:
    return 4;
  case Id::VlbBf:
    return 2;
  case Id::VlbB:
    return 1;
  case Id::VldW:
  case Id::VstW:
    return 4 * lanes;
  case Id::VldB:
  case Id::VldUb:
  case Id::VstB:
  case Id::VstUb:
    return lanes;
  default:
    return 2 * lanes;
  }
}

bool isRead(const Row &row, unsigned k) { return row.operands[k].name != 'd' || row.unit == Unit::Store; }

void forEachRead(const Operation &operation, const std::function<void(Value)> &visit) {
  const Row &row = operation.row();
  for (unsigned k = 0; k < row.operandCount; ++k)
    if (classOf(row.operands[k].kind) && isRead(row, k))
      visit({uint32_t(operation.operands[k])});
}

void forEachDefinition(const Operation &operation, const std::function<void(Value)> &visit) {
  const Row &row = operation.row();
  for (unsigned k = 0; k < row.operandCount; ++k)
    if (classOf(row.operands[k].kind) && !isRead(row, k))
      visit({uint32_t(operation.operands[k])});
  if (operation.advanced.isValid())
    visit(operation.advanced);
}

} // namespace tenon::npu
