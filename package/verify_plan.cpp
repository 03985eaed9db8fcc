// The commands of a function: operands, access, derived lists. Control flow and the order of slot writes are
// in verify_flow.cpp.

#include "package/verify_plan.h"
#include "package/expr.h"
#include "package/plan_visitor.h"

namespace tenon::package {

const char *name(fb::CommandBody kind) {
  constexpr const char *names[] = {"none",        "dispatch",     "copy",     "fill",     "eval-symbols",
                                   "read-scalar", "write-scalar", "set-slot", "branch",   "jump",
                                   "check",       "signal",       "wait",     "host-call"};
  return static_cast<uint8_t>(kind) < std::size(names) ? names[static_cast<uint8_t>(kind)] : "unknown";
}

template <typename... Args>
static Status fail(Code code, const PlanFacts &facts, uint32_t index, const char *format, Args... args) {
  char text[200];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
  std::snprintf(text, sizeof(text), format, args...);
#pragma GCC diagnostic pop
  return Status::error(code, "function %s, command %u (%s): %s", facts.function->name()->c_str(), index,
                       name(facts.function->commands()->Get(index)->body_type()), text);
}

Status PlanFacts::build(const fb::Function &function, const Allocator &allocator) {
  this->function = &function;
  statics = function.symbols()->size() + function.static_exprs();
  slots = function.symbols()->size() + function.exprs()->size();
  uint32_t count = function.buffers()->size();
  if (!root.allocate(allocator, count) || !late.allocate(allocator, count) ||
      !depth.allocate(allocator, count))
    return Status::error(Code::OutOfMemory, "no memory to check function %s", function.name()->c_str());
  for (uint32_t i = 0; i < count; ++i) {
    const fb::Buffer *buffer = function.buffers()->Get(i);
    root[i] = i;
    if (buffer->region() != static_cast<uint8_t>(Region::View))
      continue;
    root[i] = root[buffer->base()];
    late[i] = late[buffer->base()] || buffer->size() >= statics || buffer->offset() >= statics;
    depth[i] = static_cast<uint8_t>(depth[buffer->base()] + 1);
    if (depth[i] > kMaxViewDepth)
      return Status::error(Code::TooLarge, "function %s: buffer %u is a view nested deeper than %u",
                           function.name()->c_str(), i, kMaxViewDepth);
  }
  return {};
}

static Status verifyVariants(const fb::Dispatch &body, const PlanFacts &facts, uint32_t index,
                             const fb::Manifest &manifest) {
  if (body.variants()->size() == 0)
    return fail(Code::BadCommand, facts, index, "it has no variant");
  const fb::Kernel *first = nullptr;
  for (const fb::Variant *variant : *body.variants()) {
    if (variant->kernel() >= manifest.kernels()->size())
      return fail(Code::BadIndex, facts, index, "it names kernel %u of %u", variant->kernel(),
                  manifest.kernels()->size());
    const fb::Kernel *kernel = manifest.kernels()->Get(variant->kernel());
    if (kernel->access()->size() != body.buffers()->size() ||
        kernel->symbol_count() != body.symbols()->size())
      return fail(Code::BadCommand, facts, index,
                  "%u buffers and %u scalars, but kernel %.64s takes %u and %u", body.buffers()->size(),
                  body.symbols()->size(), kernel->name()->c_str(), kernel->access()->size(),
                  kernel->symbol_count());
    if (first && deviceOf(*first, manifest) != deviceOf(*kernel, manifest))
      return fail(Code::BadCommand, facts, index, "its variants run on different devices");
    if (first && std::memcmp(first->access()->data(), kernel->access()->data(), first->access()->size()) != 0)
      return fail(Code::BadCommand, facts, index, "its variants differ in their access modes");
    first = first ? first : kernel;
  }
  return {};
}

static bool isTied(const fb::Kernel &kernel, uint32_t a, uint32_t b) {
  if (kernel.ties())
    for (const fb::Tie *tie : *kernel.ties())
      if ((tie->first() == a && tie->second() == b) || (tie->first() == b && tie->second() == a))
        return true;
  return false;
}

/// The same buffer in two places is an alias: fine between reads, else every variant must name the pair as
/// tied.
static Status verifyAliases(const fb::Dispatch &body, const PlanFacts &facts, uint32_t index,
                            const fb::Manifest &manifest) {
  constexpr uint32_t maxBuffers = 256;
  if (body.buffers()->size() > maxBuffers)
    return fail(Code::TooLarge, facts, index, "%u buffers, expected at most %u", body.buffers()->size(),
                maxBuffers);
  const fb::Kernel &first = *manifest.kernels()->Get(body.variants()->Get(0)->kernel());
  for (uint32_t a = 0; a < body.buffers()->size(); ++a)
    for (uint32_t b = a + 1; b < body.buffers()->size(); ++b) {
      if (body.buffers()->Get(a) != body.buffers()->Get(b) ||
          ((first.access()->Get(a) | first.access()->Get(b)) & static_cast<uint8_t>(Access::Write)) == 0)
        continue;
      for (const fb::Variant *variant : *body.variants())
        if (!isTied(*manifest.kernels()->Get(variant->kernel()), a, b))
          return fail(Code::BadAccess, facts, index,
                      "buffer %u is both argument %u and %u, which are not tied", body.buffers()->Get(a), a,
                      b);
    }
  return {};
}

static Status verifyScalar(uint8_t dtype, const PlanFacts &facts, uint32_t index) {
  if (dtype >= static_cast<uint8_t>(DType::I8) && dtype <= static_cast<uint8_t>(DType::Bool))
    return {};
  return fail(Code::BadEnum, facts, index, "element type %u, expected an integer or bool", (unsigned)dtype);
}

static Status verifyTarget(uint32_t target, const PlanFacts &facts, uint32_t index) {
  if (target <= facts.function->commands()->size())
    return {};
  return fail(Code::BadTarget, facts, index, "it goes to command %u of %u", target,
              facts.function->commands()->size());
}

static Status verifyEval(const fb::EvalSymbols &body, PlanFacts &facts, uint32_t index) {
  uint32_t count = facts.function->exprs()->size();
  if (body.first() < facts.function->static_exprs() || body.first() > count ||
      body.count() > count - body.first())
    return fail(Code::BadIndex, facts, index,
                "it evaluates %u expressions from %u on, expected late ones of %u", body.count(),
                body.first(), count);
  for (uint32_t i = body.first(); i < body.first() + body.count(); ++i)
    if (static_cast<ExprOp>(facts.function->exprs()->Get(i)->op()) == ExprOp::External)
      return fail(Code::BadExpr, facts, index, "expression %u is external", i);
  facts.evaluations += body.count();
  constexpr uint64_t maxEvaluations = 1u << 24;
  if (facts.evaluations > maxEvaluations)
    return fail(Code::TooLarge, facts, index, "the plan evaluates more than %llu expressions",
                (unsigned long long)maxEvaluations);
  return {};
}

static Status verifyDispatch(const fb::Dispatch &body, const PlanFacts &facts, uint32_t index,
                             const fb::Manifest &manifest) {
  TENON_TRY(verifyVariants(body, facts, index, manifest));
  TENON_TRY(verifyAliases(body, facts, index, manifest));
  const fb::Kernel &kernel = *manifest.kernels()->Get(body.variants()->Get(0)->kernel());
  if (body.scratch() != kNone && kernel.program() != kNone)
    return fail(Code::BadCommand, facts, index, "it has scratch, which a device does not use");
  if (body.scratch() != kNone && body.scratch() >= facts.statics)
    return fail(Code::BadCommand, facts, index, "its scratch size is slot %u, expected a static one",
                body.scratch());
  return {};
}

/// Queues beside the first are a device's: the caller's thread does not run what stands there.
static Status verifyQueue(const fb::Command &command, const PlanFacts &facts, uint32_t index,
                          const fb::Manifest &manifest) {
  if (command.queue() >= facts.function->queues())
    return fail(Code::BadIndex, facts, index, "it is on queue %u of %u", command.queue(),
                facts.function->queues());
  if (command.queue() == 0 || command.body_as_Signal() || command.body_as_Wait())
    return {};
  const fb::Dispatch *dispatch = command.body_as_Dispatch();
  if (!dispatch ||
      deviceOf(*manifest.kernels()->Get(dispatch->variants()->Get(0)->kernel()), manifest) == kNone)
    return fail(
        Code::BadCommand, facts, index,
        "it is on queue %u, expected queue 0: only a device's dispatches, signals and waits stand on others",
        command.queue());
  return {};
}

static Status verifyBody(const fb::Command &command, PlanFacts &facts, uint32_t index,
                         const fb::Manifest &manifest) {
  switch (command.body_type()) {
  case fb::CommandBody::Dispatch:
    return verifyDispatch(*command.body_as_Dispatch(), facts, index, manifest);
  case fb::CommandBody::Fill: {
    uint8_t width = command.body_as_Fill()->width();
    if (width != 1 && width != 2 && width != 4 && width != 8)
      return fail(Code::BadCommand, facts, index, "a pattern of %u bytes, expected 1, 2, 4 or 8",
                  (unsigned)width);
    return {};
  }
  case fb::CommandBody::EvalSymbols:
    return verifyEval(*command.body_as_EvalSymbols(), facts, index);
  case fb::CommandBody::ReadScalar:
    return verifyScalar(command.body_as_ReadScalar()->dtype(), facts, index);
  case fb::CommandBody::WriteScalar:
    return verifyScalar(command.body_as_WriteScalar()->dtype(), facts, index);
  case fb::CommandBody::Branch:
    return verifyTarget(command.body_as_Branch()->target(), facts, index);
  case fb::CommandBody::Jump:
    return verifyTarget(command.body_as_Jump()->target(), facts, index);
  case fb::CommandBody::Signal:
  case fb::CommandBody::Wait: {
    uint32_t queue =
        command.body_as_Signal() ? command.body_as_Signal()->queue() : command.body_as_Wait()->queue();
    if (queue >= facts.function->queues())
      return fail(Code::BadIndex, facts, index, "it names queue %u of %u", queue, facts.function->queues());
    return {};
  }
  case fb::CommandBody::HostCall:
    if (command.body_as_HostCall()->name()->size() == 0)
      return fail(Code::BadName, facts, index, "the host function has no name");
    return {};
  case fb::CommandBody::Copy:
  case fb::CommandBody::SetSlot:
  case fb::CommandBody::Check:
    return {};
  default:
    return fail(Code::BadEnum, facts, index, "unknown kind %u", (unsigned)command.body_type());
  }
}

static Status verifySlots(const fb::Command &command, const PlanFacts &facts, uint32_t index) {
  uint32_t bad = kNone, dynamic = kNone;
  visitSlotReads(command, [&](uint32_t slot) {
    bad = slot >= facts.slots ? slot : bad;
    dynamic = slot >= facts.statics ? slot : dynamic;
  });
  if (bad != kNone)
    return fail(Code::BadIndex, facts, index, "it reads slot %u of %u", bad, facts.slots);
  bool bindsEarly =
      command.body_type() == fb::CommandBody::Dispatch || command.body_type() == fb::CommandBody::Copy;
  if (bindsEarly && !command.late() && dynamic != kNone)
    return fail(Code::BadCommand, facts, index,
                "it reads slot %u, written during the run, but is not marked late", dynamic);
  visitSlotWrites(command, [&](uint32_t slot) {
    if (slot < facts.statics || slot >= facts.slots ||
        static_cast<ExprOp>(facts.function->exprs()->Get(slot - facts.function->symbols()->size())->op()) !=
            ExprOp::External)
      bad = slot;
  });
  if (bad != kNone)
    return fail(Code::BadExpr, facts, index, "it writes slot %u, which is not external", bad);
  return {};
}

static bool listed(const flatbuffers::Vector<uint32_t> *list, uint32_t &position, uint32_t buffer) {
  return list && position < list->size() && list->Get(position++) == buffer;
}

static Status verifyBuffers(const fb::Command &command, const PlanFacts &facts, uint32_t index,
                            const fb::Manifest &manifest) {
  Status status;
  uint32_t reads = 0, writes = 0;
  auto visit = [&](uint32_t buffer, bool isRead, bool isWritten) {
    if (!status.ok())
      return;
    if (buffer >= facts.root.size()) {
      status = fail(Code::BadIndex, facts, index, "it names buffer %u of %zu", buffer, facts.root.size());
      return;
    }
    Region region = static_cast<Region>(facts.function->buffers()->Get(facts.root[buffer])->region());
    if (isWritten && (region == Region::Weight || region == Region::Input))
      status =
          fail(Code::BadAccess, facts, index, "it writes buffer %u, which is a weight or an input", buffer);
    else if (facts.late[buffer] && !command.late())
      status = fail(Code::BadCommand, facts, index,
                    "buffer %u moves during the run, but the command is not marked late", buffer);
    else if ((isRead && !listed(command.reads(), reads, buffer)) ||
             (isWritten && !listed(command.writes(), writes, buffer)))
      status = fail(Code::BadAccess, facts, index, "its list of reads or writes lacks buffer %u", buffer);
  };
  visitBuffers(command, manifest, visit);
  TENON_TRY(status);
  if ((command.reads() ? command.reads()->size() : 0) != reads ||
      (command.writes() ? command.writes()->size() : 0) != writes)
    return fail(Code::BadAccess, facts, index, "its list of reads or writes names more than it uses");
  return {};
}

Status verifyPlan(const fb::Function &function, const fb::Manifest &manifest, const Allocator &allocator) {
  PlanFacts facts;
  TENON_TRY(facts.build(function, allocator));
  for (uint32_t i = 0; i < function.commands()->size(); ++i) {
    const fb::Command &command = *function.commands()->Get(i);
    TENON_TRY(verifyBody(command, facts, i, manifest));
    TENON_TRY(verifyQueue(command, facts, i, manifest));
    TENON_TRY(verifySlots(command, facts, i));
    TENON_TRY(verifyBuffers(command, facts, i, manifest));
  }
  return verifyFlow(facts, manifest, allocator);
}

} // namespace tenon::package
