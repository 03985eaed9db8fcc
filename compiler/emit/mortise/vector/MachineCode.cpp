#include "compiler/emit/mortise/vector/MachineCode.h"

#include <string_view>

namespace tenon::npu {

using mortise::Unit;

int MachineOp::position(char name) const {
  const mortise::Row &r = row();
  for (unsigned k = 0; k < r.operandCount; ++k)
    if (r.operands[k].name == name)
      return int(k);
  return -1;
}

std::optional<std::pair<RegisterId, RegisterId>> MachineOp::copy() const {
  bool same = id == Id::Por && operands[1] == operands[2];
  if (id != Id::Mov && id != Id::Vmov && !same)
    return std::nullopt;
  return std::pair{RegisterId(operands[0]), RegisterId(operands[1])};
}

MachineOp makeOp(Id id, std::initializer_list<int64_t> operands) {
  MachineOp op;
  op.id = id;
  size_t k = 0;
  for (int64_t operand : operands)
    op.operands[k++] = int32_t(operand);
  return op;
}

MachineOp makeCopy(RegisterClass registerClass, RegisterId to, RegisterId from) {
  if (registerClass == RegisterClass::Scalar)
    return makeOp(Id::Mov, {to, from});
  if (registerClass == RegisterClass::Vector)
    return makeOp(Id::Vmov, {to, from});
  return makeOp(Id::Por, {to, from, from});
}

RegisterId MachineFunction::add(RegisterClass registerClass) {
  RegisterInfo info;
  info.registerClass = registerClass;
  info.origin = RegisterId(registers.size());
  registers.push_back(info);
  return info.origin;
}

RegisterId MachineFunction::duplicate(RegisterId of) {
  RegisterId made = add(registers[of].registerClass);
  registers[made].origin = registers[of].origin;
  registers[made].keep = registers[of].keep;
  return made;
}

unsigned latencyOf(Id id, const mortise::Hardware &hardware) {
  const mortise::Row &row = mortise::row(id);
  auto changed = hardware.vector.latency.find(row.mnemonic);
  return changed == hardware.vector.latency.end() ? row.latency : unsigned(changed->second);
}

bool isSpecial(Id id) { return std::string_view(mortise::row(id).action) == "vector.special"; }
unsigned slotOf(Id id) { return unsigned(mortise::row(id).unit) - unsigned(Unit::Scalar); }

std::vector<Bundle> &straightEnd(std::vector<Node> &nodes) {
  if (nodes.empty() || nodes.back().isLoop())
    nodes.emplace_back();
  return nodes.back().bundles;
}

} // namespace tenon::npu
