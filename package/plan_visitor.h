// Which slots and buffers a command touches: shared by the verifier, the writer's derived fields and tools.
#pragma once

#include "package/model.h"
#include "package/schema_generated.h"

namespace tenon::package {

/// The device that runs a kernel, an index into Manifest.devices; kNone: the CPU.
inline uint32_t deviceOf(const fb::Kernel &kernel, const fb::Manifest &manifest) {
  return kernel.program() == kNone ? kNone : manifest.programs()->Get(kernel.program())->device();
}

/// Calls visit(slot) for each slot that the command itself reads (not those of the buffers that it names, nor
/// the operands of EvalSymbols).
template <typename Visitor> void visitSlotReads(const fb::Command &command, Visitor visit) {
  auto optional = [&](uint32_t slot) {
    if (slot != kNone)
      visit(slot);
  };
  switch (command.body_type()) {
  case fb::CommandBody::Dispatch: {
    const fb::Dispatch &body = *command.body_as_Dispatch();
    for (const fb::Variant *variant : *body.variants())
      optional(variant->guard());
    for (uint32_t slot : *body.symbols())
      visit(slot);
    visit(body.grid());
    optional(body.grain()), optional(body.scratch()), optional(body.cost());
    optional(body.flops()), optional(body.bytes());
    optional(body.compute()), optional(body.traffic());
    return;
  }
  case fb::CommandBody::Copy:
    return visit(command.body_as_Copy()->size());
  case fb::CommandBody::ReadScalar:
    return visit(command.body_as_ReadScalar()->index());
  case fb::CommandBody::WriteScalar:
    visit(command.body_as_WriteScalar()->index());
    return visit(command.body_as_WriteScalar()->src());
  case fb::CommandBody::SetSlot:
    return visit(command.body_as_SetSlot()->src());
  case fb::CommandBody::Branch:
    return visit(command.body_as_Branch()->cond());
  case fb::CommandBody::Check:
    return visit(command.body_as_Check()->cond());
  case fb::CommandBody::HostCall:
    for (uint32_t slot : *command.body_as_HostCall()->symbols())
      visit(slot);
    return;
  default:
    return;
  }
}

/// Calls visit(slot) for each External slot that the command writes.
template <typename Visitor> void visitSlotWrites(const fb::Command &command, Visitor visit) {
  if (const fb::ReadScalar *read = command.body_as_ReadScalar())
    visit(read->dst());
  if (const fb::SetSlot *set = command.body_as_SetSlot())
    visit(set->dst());
  if (const fb::HostCall *call = command.body_as_HostCall())
    for (uint32_t slot : *call->results())
      visit(slot);
}

/// Calls visit(buffer, reads, writes) for each buffer that the command's body names, in order. For a HostCall
/// the command's own lists say it.
template <typename Visitor>
void visitBuffers(const fb::Command &command, const fb::Manifest &manifest, Visitor visit) {
  switch (command.body_type()) {
  case fb::CommandBody::Dispatch: {
    const fb::Dispatch &body = *command.body_as_Dispatch();
    const fb::Kernel &kernel = *manifest.kernels()->Get(body.variants()->Get(0)->kernel());
    for (uint32_t i = 0; i < body.buffers()->size(); ++i) {
      uint8_t access = kernel.access()->Get(i);
      visit(body.buffers()->Get(i), (access & static_cast<uint8_t>(Access::Read)) != 0,
            (access & static_cast<uint8_t>(Access::Write)) != 0);
    }
    return;
  }
  case fb::CommandBody::Copy:
    visit(command.body_as_Copy()->src(), true, false);
    return visit(command.body_as_Copy()->dst(), false, true);
  case fb::CommandBody::Fill:
    return visit(command.body_as_Fill()->dst(), false, true);
  case fb::CommandBody::ReadScalar:
    return visit(command.body_as_ReadScalar()->buffer(), true, false);
  case fb::CommandBody::WriteScalar:
    return visit(command.body_as_WriteScalar()->buffer(), false, true);
  case fb::CommandBody::HostCall:
    if (command.reads())
      for (uint32_t buffer : *command.reads())
        visit(buffer, true, false);
    if (command.writes())
      for (uint32_t buffer : *command.writes())
        visit(buffer, false, true);
    return;
  default:
    return;
  }
}

} // namespace tenon::package
