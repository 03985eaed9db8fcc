// Allocates what a function's plan needs and does not depend on sizes.

#include "runtime/session/plan.h"

#include "runtime/session/session.h"

#include <cstdio>

namespace tenon::runtime {

using package::kNone;
using package::Region;

static Status noMemory(const fb::Function &function) {
  return Status::error(Code::OutOfMemory, "no memory for function %.100s", function.name()->c_str());
}

Status Plan::create(tenon_session &session, const fb::Function &function) {
  session_ = &session;
  function_ = &function;
  spread_.start(session.parallelThreshold, session.adaptsSpread);
  symbols_ = function.symbols()->size();
  statics_ = symbols_ + function.static_exprs();
  const Allocator &allocator = session.allocator;
  uint32_t slotCount = symbols_ + function.exprs()->size(), buffers = function.buffers()->size();
  size_t dims = 0;
  for (const fb::TensorArg *input : *function.inputs())
    dims += input->dims()->size();
  if (!slots_.allocate(allocator, slotCount) || !shapes_.allocate(allocator, dims) ||
      !newSymbols_.allocate(allocator, symbols_) || !lateBuffer_.allocate(allocator, buffers) ||
      !rootBuffer_.allocate(allocator, buffers) || !address_.allocate(allocator, buffers) ||
      !arenaOffset_.allocate(allocator, buffers) || !queueProgress_.allocate(allocator, function.queues()) ||
      !inputs_.create(allocator, function.inputs()->size()) ||
      !outputs_.create(allocator, function.outputs()->size()))
    return noMemory(function);
  dims = 0;
  for (uint32_t i = 0; i < inputs_.size(); ++i) {
    inputs_[i].dims = static_cast<uint32_t>(dims);
    dims += function.inputs()->Get(i)->dims()->size();
  }
  for (uint32_t i = 0; i < buffers; ++i) {
    const fb::Buffer *buffer = function.buffers()->Get(i);
    bool view = buffer->region() == static_cast<uint8_t>(Region::View);
    sizesStates_ |= buffer->region() == static_cast<uint8_t>(Region::State) &&
                    session.package->manifest().states()->Get(buffer->index())->size_bound() == 0;
    rootBuffer_[i] = view ? rootBuffer_[buffer->base()] : i;
    lateBuffer_[i] =
        view && (lateBuffer_[buffer->base()] || buffer->size() >= statics_ || buffer->offset() >= statics_);
  }
  TENON_TRY(createSteps());
  TENON_TRY(createPatches());
  bool devices = session.package->devices.size() != 0;
  if (session.profile && !profile_.enable(allocator, function.commands()->size(), devices))
    return noMemory(function);
  return {};
}

void Plan::countStep(uint32_t index, size_t &pointers, size_t &scalars, size_t &ios) const {
  const fb::Command &command = *function_->commands()->Get(index);
  if (const fb::Dispatch *dispatch = command.body_as_Dispatch()) {
    pointers += dispatch->buffers()->size();
    scalars += dispatch->symbols()->size();
    if (deviceOf(command, session_->package->manifest()) != kNone)
      scalars += dispatch->buffers()->size();
    ios += dispatch->scratch() == kNone ? 1 : session_->threads;
  } else if (const fb::HostCall *call = command.body_as_HostCall()) {
    size_t buffers =
        (command.reads() ? command.reads()->size() : 0) + (command.writes() ? command.writes()->size() : 0);
    pointers += buffers;
    scalars += call->symbols()->size() + call->results()->size() + buffers;
  }
}

Status Plan::findHost(Step &step) const {
  const fb::HostCall *call = static_cast<const fb::HostCall *>(step.body);
  for (const tenon_host_function &host : session_->hostFunctions)
    if (host.name && host.call && std::strcmp(host.name, call->name()->c_str()) == 0)
      step.host = &host;
  if (!step.host)
    return Status::error(Code::HostFunctionMissing,
                         "function %.100s calls the host function %.100s; register it with the session",
                         function_->name()->c_str(), call->name()->c_str());
  return {};
}

Status Plan::createStep(uint32_t index, size_t &pointer, size_t &scalar, size_t &io) {
  const fb::Command &command = *function_->commands()->Get(index);
  Step &step = steps_[index];
  step = Step();
  step.kind = command.body_type();
  step.late = command.late();
  step.body = command.body();
  step.command = &command;
  step.device = deviceOf(command, session_->package->manifest());
  step.queue = command.queue();
  usesQueues_ |= step.queue != 0;
  step.buffers = pointers_.data() + pointer;
  step.scalars = scalars_.data() + scalar;
  step.io = ios_.data() + io;
  size_t firstIo = io;
  countStep(index, pointer, scalar, io);
  for (size_t i = firstIo; i < io; ++i)
    ios_[i].io = {step.buffers, step.scalars, nullptr};
  step.ioStride = io - firstIo > 1;
  return step.kind == fb::CommandBody::HostCall ? findHost(step) : Status();
}

Status Plan::createSteps() {
  uint32_t count = function_->commands()->size();
  size_t pointers = 0, scalars = 0, ios = 0;
  for (uint32_t i = 0; i < count; ++i)
    countStep(i, pointers, scalars, ios);
  const Allocator &allocator = session_->allocator;
  if (!steps_.allocate(allocator, count) || !pointers_.allocate(allocator, pointers) ||
      !scalars_.allocate(allocator, scalars) || !ios_.allocate(allocator, ios))
    return noMemory(*function_);
  pointers = scalars = ios = 0;
  for (uint32_t i = 0; i < count; ++i)
    TENON_TRY(createStep(i, pointers, scalars, ios));
  return {};
}

/// Lists the places of dispatches that hold pointers into inputs and outputs. (Copies and fills are bound
/// anew as a whole.)
Status Plan::createPatches() {
  auto followsCaller = [&](uint32_t buffer) {
    Region region = static_cast<Region>(function_->buffers()->Get(rootBuffer_[buffer])->region());
    return region == Region::Input || region == Region::Output;
  };
  auto visit = [&](auto add) {
    for (uint32_t i = 0; i < steps_.size(); ++i) {
      uint32_t position = 0;
      if (!steps_[i].late)
        package::visitBuffers(*steps_[i].command, session_->package->manifest(),
                              [&](uint32_t buffer, bool, bool) {
                                if (followsCaller(buffer))
                                  add(Patch{i, position, buffer});
                                ++position;
                              });
    }
  };
  size_t count = 0;
  visit([&](const Patch &) { ++count; });
  if (!patches_.allocate(session_->allocator, count))
    return noMemory(*function_);
  count = 0;
  visit([&](const Patch &patch) { patches_[count++] = patch; });
  return {};
}

uint64_t Plan::ownedOutputBytes() const {
  uint64_t bytes = 0;
  for (const OutputBinding &output : outputs_)
    bytes += output.owned.size();
  return bytes;
}

Plan::Where Plan::where(const Step &step) const {
  Where where;
  const tenon_package &package = *session_->package;
  const char *node = "";
  if (uint32_t origin = step.command->origin(); package.debug && origin < package.debug->origins()->size())
    if (const auto *nodes = package.debug->origins()->Get(origin)->nodes(); nodes->size() != 0)
      node = package.debug->nodes()->Get(nodes->Get(0))->name()->c_str();
  std::snprintf(where.text, sizeof(where.text), "function %.40s, command %zu%s%.80s",
                function_->name()->c_str(), static_cast<size_t>(&step - steps_.data()),
                node[0] ? " of node " : "", node);
  return where;
}

} // namespace tenon::runtime
