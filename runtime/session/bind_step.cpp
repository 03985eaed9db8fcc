// Binds one command to slot values and addresses: before the run, or each time it runs (late commands).

#include "package/expr.h"
#include "runtime/session/plan.h"
#include "runtime/session/session.h"

namespace tenon::runtime {

using package::kNone;

using Number = long long;

/// Where a buffer lies and its bytes. Views with late offsets or sizes are found and checked here.
Status Plan::resolve(uint32_t index, uint8_t *&address, int64_t &size) const {
  const fb::Buffer &buffer = *function_->buffers()->Get(index);
  size = slots_[buffer.size()];
  if (!lateBuffer_[index]) {
    address = address_[index];
    return {};
  }
  int64_t baseSize = 0, offset = slots_[buffer.offset()];
  TENON_TRY(resolve(buffer.base(), address, baseSize)); // the verifier bounds the depth
  if (size < 0 || offset < 0 || offset > baseSize || size > baseSize - offset)
    return Status::error(Code::BadRange, "function %.100s: buffer %u takes %lld bytes from byte %lld of %lld",
                         function_->name()->c_str(), index, (Number)size, (Number)offset, (Number)baseSize);
  address = reinterpret_cast<uint8_t *>(reinterpret_cast<uintptr_t>(address) + static_cast<uint64_t>(offset));
  return {};
}

Status Plan::bindStep(Step &step) {
  switch (step.kind) {
  case fb::CommandBody::Dispatch:
    return bindDispatch(step);
  case fb::CommandBody::Copy:
    return bindCopy(step);
  case fb::CommandBody::Fill:
    return bindFill(step);
  default:
    return {};
  }
}

Status Plan::bindDispatch(Step &step) {
  const fb::Dispatch &body = *static_cast<const fb::Dispatch *>(step.body);
  int64_t n = slots_[body.grid()], grain = body.grain() == kNone ? 1 : slots_[body.grain()], unused = 0;
  if (n < 0 || n > UINT32_MAX)
    return Status::error(Code::BadRange, "%s: a grid of %lld, expected 0 to %u", where(step).text, (Number)n,
                         UINT32_MAX);
  step.n = static_cast<uint32_t>(n);
  step.grain = static_cast<uint32_t>(grain < 1 ? 1 : grain > UINT32_MAX ? UINT32_MAX : grain);
  step.fn = nullptr;
  step.program = nullptr;
  bool found = false;
  for (const fb::Variant *variant : *body.variants())
    if (variant->guard() == kNone || slots_[variant->guard()] != 0) {
      step.kernel = variant->kernel();
      step.fn = session_->package->kernels[step.kernel];
      found = true;
      break;
    }
  if (!found)
    return Status::error(Code::CheckFailed, "%s: no variant is for these sizes", where(step).text);
  for (uint32_t i = 0; i < body.buffers()->size(); ++i) {
    uint8_t *address = nullptr;
    TENON_TRY(resolve(body.buffers()->Get(i), address, unused));
    step.buffers[i] = address;
  }
  for (uint32_t i = 0; i < body.symbols()->size(); ++i)
    step.scalars[i] = slots_[body.symbols()->Get(i)];
  if (step.device != kNone)
    return bindDevice(step);
  if (body.scratch() != kNone)
    for (uint32_t w = 0; w < session_->threads; ++w)
      step.io[w].io.scratch = reinterpret_cast<void *>(reinterpret_cast<uintptr_t>(session_->scratch.data()) +
                                                       w * session_->scratchStride);
  step.parallel = session_->threads > 1 && session_->parallelFor && body.cost() != kNone &&
                  step.n > step.grain && slots_[body.cost()] >= session_->parallelThreshold;
  step.cost = step.parallel ? slots_[body.cost()] : 0;
  hasParallel_ |= step.parallel;
  return {};
}

Status Plan::bindCopy(Step &step) {
  const fb::Copy &body = *static_cast<const fb::Copy *>(step.body);
  uint8_t *source = nullptr, *target = nullptr;
  int64_t sourceSize = 0, targetSize = 0, size = slots_[body.size()];
  TENON_TRY(resolve(body.src(), source, sourceSize));
  TENON_TRY(resolve(body.dst(), target, targetSize));
  if (size < 0 || size > sourceSize || size > targetSize)
    return Status::error(Code::BadRange, "%s: it copies %lld bytes from %lld to %lld", where(step).text,
                         (Number)size, (Number)sourceSize, (Number)targetSize);
  step.source = source;
  step.target = target;
  step.bytes = static_cast<uint64_t>(size);
  return {};
}

Status Plan::bindFill(Step &step) {
  const fb::Fill &body = *static_cast<const fb::Fill *>(step.body);
  uint8_t *target = nullptr;
  int64_t size = 0;
  TENON_TRY(resolve(body.dst(), target, size));
  if (size % body.width() != 0)
    return Status::error(Code::BadRange, "%s: it fills %lld bytes with a pattern of %u", where(step).text,
                         (Number)size, (unsigned)body.width());
  step.target = target;
  step.bytes = static_cast<uint64_t>(size);
  return {};
}

Status Plan::bindHostCall(Step &step) {
  const fb::HostCall &body = *static_cast<const fb::HostCall *>(step.body);
  uint32_t symbols = body.symbols()->size(), results = body.results()->size(), position = 0;
  for (uint32_t i = 0; i < symbols; ++i)
    step.scalars[i] = slots_[body.symbols()->Get(i)];
  Status status;
  package::visitBuffers(*step.command, session_->package->manifest(), [&](uint32_t buffer, bool, bool) {
    uint8_t *address = nullptr;
    int64_t size = 0;
    if (status.ok())
      status = resolve(buffer, address, size);
    step.buffers[position] = address;
    step.scalars[symbols + results + position] = size;
    ++position;
  });
  return status;
}

} // namespace tenon::runtime
