#include "compiler/emit/mortise/vector/Allocate.h"

namespace tenon::npu {

using mortise::Error;

bool Spiller::canSpill(RegisterId r) const {
  const RegisterInfo &info = function_.registers[r];
  return !info.keep && (info.registerClass == RegisterClass::Vector || info.constant);
}

RegisterId Spiller::base() {
  if (base_)
    return *base_;
  if (area_.base) {
    base_ = area_.base->index;
  } else {
    base_ = function_.add(RegisterClass::Scalar);
    if (function_.body.front().isLoop())
      function_.body.emplace(function_.body.begin());
    std::vector<Bundle> &start = function_.body.front().bundles;
    start.insert(start.begin(), {makeOp(Id::Li, {*base_, area_.address})});
  }
  function_.registers[*base_].keep = true;
  function_.registers[*base_].constant.reset();
  return *base_;
}

void Spiller::spill(RegisterId r) {
  int64_t bytes = lanes_ * 4, slot = int64_t(stored_) * bytes;
  bool constant = function_.registers[r].constant.has_value();
  if (!constant && (slot + bytes > area_.bytes || slot > INT16_MAX))
    throw Error("TN1351", "kernel '" + function_.name + "': more than " +
                              std::to_string(mortise::kRegisters) + " vectors are live at once, and " +
                              std::to_string(stored_ + 1) + " of them need " + std::to_string(slot + bytes) +
                              " bytes, but the spill area has " + std::to_string(area_.bytes) +
                              "; give a larger area or a smaller tile");
  if (!constant)
    base();
  rewrite(function_.body, r, slot);
  ++(constant ? remade_ : stored_);
}

void Spiller::reload(std::vector<Bundle> &to, RegisterId r, RegisterId fresh, int64_t slot) {
  const RegisterInfo &info = function_.registers[r];
  if (!info.constant) {
    MachineOp load = makeOp(Id::VldW, {fresh, *base_, slot, 0, kAlwaysRegister});
    load.object = ObjectId(function_.objects.size()) - 1;
    to.push_back({load});
    return;
  }
  int64_t bits = *info.constant;
  if (info.registerClass == RegisterClass::Scalar) {
    to.push_back({makeOp(Id::Li, {fresh, bits})});
    return;
  }
  RegisterId scalar = function_.add(RegisterClass::Scalar);
  function_.registers[scalar].keep = true;
  to.push_back({makeOp(Id::Li, {scalar, bits})});
  to.push_back({makeOp(Id::Vbc, {fresh, scalar})});
}

void Spiller::rewrite(std::vector<Node> &nodes, RegisterId r, int64_t slot) {
  bool constant = function_.registers[r].constant.has_value();
  if (&nodes == &function_.body && !constant)
    function_.objects.push_back({"spilled " + std::to_string(r), false});
  for (Node &node : nodes) {
    for (MachineLoop &loop : node.loop)
      rewrite(loop.body, r, slot);
    std::vector<Bundle> to;
    for (Bundle &bundle : node.bundles) {
      MachineOp op = bundle.front();
      bool reads = false, writes = false;
      visitReads(op, [&](RegisterId x) { reads |= x == r; });
      visitWrites(op, [&](RegisterId x) { writes |= x == r; });
      if (constant && writes)
        continue; // it is made where it is used
      RegisterId fresh = r;
      if (reads || writes) {
        fresh = function_.add(function_.registers[r].registerClass);
        function_.registers[fresh].keep = true;
      }
      if (reads)
        reload(to, r, fresh, slot);
      for (unsigned k = 0; k < op.row().operandCount; ++k)
        if (classOf(op.row().operands[k].kind) && RegisterId(op.operands[k]) == r)
          op.operands[k] = int32_t(fresh);
      to.push_back({op});
      if (writes) {
        MachineOp store = makeOp(Id::VstW, {*base_, slot, fresh, 0, kAlwaysRegister});
        store.object = ObjectId(function_.objects.size()) - 1;
        to.push_back({store});
      }
    }
    node.bundles = std::move(to);
  }
}

} // namespace tenon::npu
