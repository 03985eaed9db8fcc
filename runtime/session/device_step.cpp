// Dispatches of devices: bound like those of the CPU, run by the calling thread or in the order of their
// queue.

#include "runtime/platform/system.h"
#include "runtime/session/plan.h"
#include "runtime/session/session.h"

#include <cstdio>

namespace tenon::runtime {

using package::kNone;

/// Of the kernel that a dispatch takes first: all its variants are of one device.
static const fb::Kernel &firstKernel(const fb::Dispatch &dispatch, const fb::Manifest &manifest) {
  return *manifest.kernels()->Get(dispatch.variants()->Get(0)->kernel());
}

uint32_t deviceOf(const fb::Command &command, const fb::Manifest &manifest) {
  const fb::Dispatch *dispatch = command.body_as_Dispatch();
  return dispatch ? package::deviceOf(firstKernel(*dispatch, manifest), manifest) : kNone;
}

Status Plan::bindDevice(Step &step) {
  const fb::Dispatch &body = *static_cast<const fb::Dispatch *>(step.body);
  const tenon_package &package = *session_->package;
  step.program = package.programs[package.manifest().kernels()->Get(step.kernel)->program()];
  int64_t *sizes = step.scalars + body.symbols()->size();
  uint8_t *address = nullptr;
  for (uint32_t i = 0; i < body.buffers()->size(); ++i)
    TENON_TRY(resolve(body.buffers()->Get(i), address, sizes[i]));
  return {};
}

namespace {

void keepReport(void *context, const char *json, uint64_t size) {
  static_cast<DeviceCell *>(context)->keep(json, size);
}

} // namespace

Status Plan::runDevice(Step &step) {
  if (step.n == 0)
    return {};
  const fb::Dispatch &body = *static_cast<const fb::Dispatch *>(step.body);
  const tenon_package &package = *session_->package;
  const DeviceInstance &device = package.devices[step.device];
  static_assert(sizeof(int64_t) == sizeof(uint64_t));
  tenon_device_call call = {};
  call.buffers = step.buffers;
  call.buffer_bytes = reinterpret_cast<const uint64_t *>(step.scalars + body.symbols()->size());
  call.buffer_count = body.buffers()->size();
  call.symbols = step.scalars;
  call.symbol_count = body.symbols()->size();
  DeviceCell *cell = profile_.device(static_cast<size_t>(&step - steps_.data()));
  if (cell) {
    call.detail = session_->profile > 1 ? TENON_DETAIL_TRACE : TENON_DETAIL_REPORT;
    call.report = keepReport;
    call.report_context = cell;
  }
  tenon_device_cost cost = {};
  tenon_error error = {};
  tenon_status code = device.device->run(device.instance, step.program, &call, &cost, &error);
  if (code != TENON_OK)
    return deviceError(code, error, where(step).text);
  if (cell)
    cell->add(cost);
  session_->deviceCycles.fetch_add(cost.cycles, std::memory_order_relaxed);
  session_->deviceNs.fetch_add(cost.ns, std::memory_order_relaxed);
  return {};
}

/// On the queue's thread. After a failure nothing else of the run is started; its signals still come.
void Plan::runQueued(void *context, void *item) {
  Plan &plan = *static_cast<Plan *>(context);
  Step &step = *static_cast<Step *>(item);
  if (plan.queueFailed_.load(std::memory_order_acquire) != Failure::None)
    return;
  uint64_t start = plan.profile_.enabled() ? now() : 0;
  Status status = plan.runDevice(step);
  if (plan.profile_.enabled())
    plan.profile_.add(static_cast<size_t>(&step - plan.steps_.data()), now() - start);
  Failure none = Failure::None;
  if (status.ok() || !plan.queueFailed_.compare_exchange_strong(none, Failure::BeingWritten))
    return;
  plan.queueFailure_ = status;
  plan.queueFailed_.store(Failure::Written, std::memory_order_release);
}

Status Plan::failureOfQueues() const {
  return queueFailed_.load(std::memory_order_acquire) == Failure::Written ? queueFailure_ : Status();
}

Status Plan::stuck(const Step &step) const {
  TENON_TRY(failureOfQueues());
  return Status::error(Code::Deadlock, "%s: nothing ends the waiting of queue %u", where(step).text,
                       step.queue);
}

/// Hands a command to its queue. What is bound while running is bound when nothing on the queue uses it any
/// more.
Status Plan::enqueue(Step &step) {
  CommandQueues &queues = *session_->queues;
  uint32_t queue = step.queue;
  bool room = false;
  if (step.kind == fb::CommandBody::Signal) {
    const fb::Signal &body = *static_cast<const fb::Signal *>(step.body);
    room = pushSignal(queues, queue, body.queue(), body.value());
  } else if (step.kind == fb::CommandBody::Wait) {
    const fb::Wait &body = *static_cast<const fb::Wait *>(step.body);
    room = pushWait(queues, queue, body.queue(), body.value());
  } else {
    if (step.late && !drain(queues, queue))
      return stuck(step);
    if (step.late)
      TENON_TRY(bindStep(step));
    ++session_->locks;
    room = pushJob(queues, queue, &step);
  }
  return room ? Status() : stuck(step);
}

Status Plan::waitForQueue(const Step &step) {
  const fb::Wait &body = *static_cast<const fb::Wait *>(step.body);
  bool came = usesQueues_ ? wait(*session_->queues, body.queue(), body.value())
                          : queueProgress_[body.queue()] >= body.value();
  if (usesQueues_)
    TENON_TRY(failureOfQueues());
  if (came)
    return {};
  uint64_t reached = usesQueues_ ? progress(*session_->queues, body.queue()) : queueProgress_[body.queue()];
  return Status::error(Code::Deadlock, "%s: it waits for %llu on queue %u, which is at %llu",
                       where(step).text, static_cast<unsigned long long>(body.value()), body.queue(),
                       static_cast<unsigned long long>(reached));
}

void Plan::signalQueue(const Step &step) {
  const fb::Signal &body = *static_cast<const fb::Signal *>(step.body);
  if (usesQueues_)
    signal(*session_->queues, body.queue(), body.value());
  else
    queueProgress_[body.queue()] = body.value();
}

void Plan::startQueues() {
  session_->deviceCycles.store(0, std::memory_order_relaxed);
  session_->deviceNs.store(0, std::memory_order_relaxed);
  for (uint64_t &value : queueProgress_)
    value = 0;
  if (!usesQueues_)
    return;
  queueFailed_.store(Failure::None, std::memory_order_relaxed);
  restart(*session_->queues, runQueued, this);
}

/// The caller's memory is in use until all queues are empty, also after a failure.
Status Plan::finishQueues(const Status &status) {
  if (!usesQueues_)
    return status;
  bool done = drainAll(*session_->queues);
  TENON_TRY(status);
  TENON_TRY(failureOfQueues());
  if (!done)
    return Status::error(Code::Deadlock, "function %.100s: a device's queue waits for what nothing signals",
                         function_->name()->c_str());
  return {};
}

} // namespace tenon::runtime
