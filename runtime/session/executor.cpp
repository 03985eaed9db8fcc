// Runs a bound plan: one pass over its commands, no allocation, no locks with one worker.

#include "package/expr.h"
#include "runtime/platform/system.h"
#include "runtime/session/plan.h"
#include "runtime/session/session.h"

namespace tenon::runtime {

using package::DType;
using package::ExprOp;

using Number = long long;

namespace {

/// What the workers of one dispatch share.
struct Task {
  const Step *step;
  uint32_t threads;
  std::atomic<int32_t> failure = 0;
};

void runRange(void *arg, uint32_t begin, uint32_t end, uint32_t worker) {
  Task &task = *static_cast<Task *>(arg);
  const Step &step = *task.step;
  int32_t result = -1; // a parallel_for that breaks its contract must not reach beyond the scratch
  if (worker < task.threads && begin <= end && end <= step.n)
    result = step.fn(&step.io[step.ioStride ? worker : 0].io, begin, end, worker);
  if (result != 0)
    task.failure.store(result, std::memory_order_relaxed);
}

} // namespace

Status Plan::runDispatch(const Step &step) {
  if (step.n == 0)
    return {};
  int32_t result = 0;
  if (!step.parallel || step.cost < spread_.threshold()) {
    result = step.fn(&step.io->io, 0, step.n, 0);
  } else {
    Task task{&step, session_->threads};
    ++session_->locks;
    session_->parallelFor(session_->parallelContext, step.n, step.grain, runRange, &task);
    result = task.failure.load(std::memory_order_relaxed);
  }
  if (result == 0)
    return {};
  return Status::error(Code::KernelFailed, "%s: kernel %.64s failed with code %d", where(step).text,
                       session_->package->manifest().kernels()->Get(step.kernel)->name()->c_str(), result);
}

Status Plan::runFill(const Step &step) {
  const fb::Fill &body = *static_cast<const fb::Fill *>(step.body);
  uint8_t *target = static_cast<uint8_t *>(step.target);
  uint64_t pattern = body.pattern();
  if (body.width() == 1 || pattern == 0) {
    if (step.bytes)
      std::memset(target, static_cast<int>(pattern & 0xff), step.bytes);
    return {};
  }
  for (uint64_t i = 0; i < step.bytes; i += body.width())
    std::memcpy(target + i, &pattern, body.width());
  return {};
}

Status Plan::runHostCall(Step &step) {
  TENON_TRY(bindHostCall(step));
  const fb::HostCall &body = *static_cast<const fb::HostCall *>(step.body);
  uint32_t reads = step.command->reads() ? step.command->reads()->size() : 0;
  uint32_t writes = step.command->writes() ? step.command->writes()->size() : 0;
  int64_t *results = step.scalars + body.symbols()->size();
  int64_t *bytes = results + body.results()->size();
  tenon_host_call call = {body.name()->c_str(),
                          const_cast<const void *const *>(step.buffers),
                          bytes,
                          reads,
                          step.buffers + reads,
                          bytes + reads,
                          writes,
                          step.scalars,
                          body.symbols()->size(),
                          results,
                          body.results()->size()};
  if (int32_t code = step.host->call(step.host->context, &call); code != 0)
    return Status::error(Code::HostFunctionFailed, "%s: host function %.64s failed with code %d",
                         where(step).text, body.name()->c_str(), code);
  for (uint32_t i = 0; i < body.results()->size(); ++i)
    slots_[body.results()->Get(i)] = results[i];
  return {};
}

Status Plan::evalSymbols(const Step &step) {
  const fb::EvalSymbols &body = *static_cast<const fb::EvalSymbols *>(step.body);
  for (uint32_t i = body.first(); i < body.first() + body.count(); ++i) {
    const fb::Expr &expr = *function_->exprs()->Get(i);
    auto operand = [&](uint32_t slot) { return slot < symbols_ + i ? slots_[slot] : 0; };
    ExprOp op = static_cast<ExprOp>(expr.op());
    if (!package::evaluate(op, operand(expr.a()), operand(expr.b()), operand(expr.c()), expr.imm(),
                           slots_[symbols_ + i]))
      return Status::error(Code::Arithmetic, "%s: expression %u (%s) overflows or divides by zero",
                           where(step).text, i, package::name(op));
  }
  return {};
}

template <typename T> static bool load(const uint8_t *at, int64_t &value) {
  T element;
  std::memcpy(&element, at, sizeof(T));
  value = static_cast<int64_t>(element); // NOLINT(bugprone-signed-char-misuse): the sign is meant to extend
  return std::is_signed_v<T> || sizeof(T) < 8 || value >= 0;
}

template <typename T> static bool store(uint8_t *at, int64_t value) {
  T element = static_cast<T>(value);
  std::memcpy(at, &element, sizeof(T));
  return static_cast<int64_t>(element) == value && (std::is_signed_v<T> || value >= 0);
}

static bool loadScalar(DType dtype, const uint8_t *at, int64_t &value) {
  switch (dtype) {
  case DType::I8:
    return load<int8_t>(at, value);
  case DType::I16:
    return load<int16_t>(at, value);
  case DType::I32:
    return load<int32_t>(at, value);
  case DType::I64:
    return load<int64_t>(at, value);
  case DType::U8:
  case DType::Bool:
    return load<uint8_t>(at, value);
  case DType::U16:
    return load<uint16_t>(at, value);
  case DType::U32:
    return load<uint32_t>(at, value);
  case DType::U64:
    return load<uint64_t>(at, value);
  default:
    return false; // the verifier lets no other pass
  }
}

static bool storeScalar(DType dtype, uint8_t *at, int64_t value) {
  switch (dtype) {
  case DType::I8:
    return store<int8_t>(at, value);
  case DType::I16:
    return store<int16_t>(at, value);
  case DType::I32:
    return store<int32_t>(at, value);
  case DType::I64:
    return store<int64_t>(at, value);
  case DType::U8:
    return store<uint8_t>(at, value);
  case DType::Bool:
    return store<uint8_t>(at, value != 0);
  case DType::U16:
    return store<uint16_t>(at, value);
  case DType::U32:
    return store<uint32_t>(at, value);
  case DType::U64:
    return store<uint64_t>(at, value);
  default:
    return false;
  }
}

/// The address of an element, or nullptr when it is not inside the buffer.
static uint8_t *element(uint8_t *address, int64_t size, int64_t index, uint32_t width) {
  if (index < 0 || index >= size / width)
    return nullptr;
  return address + index * width;
}

Status Plan::readScalar(const Step &step) {
  const fb::ReadScalar &body = *static_cast<const fb::ReadScalar *>(step.body);
  DType dtype = static_cast<DType>(body.dtype());
  uint8_t *address = nullptr;
  int64_t size = 0, index = slots_[body.index()];
  TENON_TRY(resolve(body.buffer(), address, size));
  const uint8_t *at = element(address, size, index, package::bitWidth(dtype) / 8);
  if (!at || !loadScalar(dtype, at, slots_[body.dst()]))
    return Status::error(Code::BadRange, "%s: it cannot read element %lld (%s) of %lld bytes",
                         where(step).text, (Number)index, package::name(dtype), (Number)size);
  return {};
}

Status Plan::writeScalar(const Step &step) {
  const fb::WriteScalar &body = *static_cast<const fb::WriteScalar *>(step.body);
  DType dtype = static_cast<DType>(body.dtype());
  uint8_t *address = nullptr;
  int64_t size = 0, index = slots_[body.index()], value = slots_[body.src()];
  TENON_TRY(resolve(body.buffer(), address, size));
  uint8_t *at = element(address, size, index, package::bitWidth(dtype) / 8);
  if (!at || !storeScalar(dtype, at, value))
    return Status::error(Code::BadRange, "%s: it cannot write %lld as element %lld (%s) of %lld bytes",
                         where(step).text, (Number)value, (Number)index, package::name(dtype), (Number)size);
  return {};
}

Status Plan::runStep(Step &step, uint32_t &next) {
  if (step.queue != 0)
    return enqueue(step);
  if (step.late)
    TENON_TRY(bindStep(step));
  switch (step.kind) {
  case fb::CommandBody::Dispatch:
    return step.program ? runDevice(step) : runDispatch(step);
  case fb::CommandBody::Copy:
    if (step.bytes)
      std::memmove(step.target, step.source, step.bytes);
    return {};
  case fb::CommandBody::Fill:
    return runFill(step);
  case fb::CommandBody::EvalSymbols:
    return evalSymbols(step);
  case fb::CommandBody::ReadScalar:
    return readScalar(step);
  case fb::CommandBody::WriteScalar:
    return writeScalar(step);
  case fb::CommandBody::SetSlot: {
    const fb::SetSlot &body = *static_cast<const fb::SetSlot *>(step.body);
    slots_[body.dst()] = slots_[body.src()];
    return {};
  }
  case fb::CommandBody::Branch: {
    const fb::Branch &body = *static_cast<const fb::Branch *>(step.body);
    next = slots_[body.cond()] == 0 ? body.target() : next;
    return {};
  }
  case fb::CommandBody::Jump:
    next = static_cast<const fb::Jump *>(step.body)->target();
    return {};
  case fb::CommandBody::Check: {
    const fb::Check &body = *static_cast<const fb::Check *>(step.body);
    if (slots_[body.cond()] != 0)
      return {};
    return Status::error(Code::CheckFailed, "%s: %.140s (code %d)", where(step).text, body.message()->c_str(),
                         body.code());
  }
  case fb::CommandBody::Signal:
    signalQueue(step);
    return {};
  case fb::CommandBody::Wait:
    return waitForQueue(step);
  case fb::CommandBody::HostCall:
    return runHostCall(step);
  case fb::CommandBody::NONE:
    break;
  }
  return Status::error(Code::BadCommand, "%s: unknown kind", where(step).text);
}

template <bool Profiled> Status Plan::runCommands() {
  const uint32_t count = static_cast<uint32_t>(steps_.size());
  for (uint32_t index = 0; index < count;) {
    uint32_t next = index + 1;
    uint64_t start = Profiled ? now() : 0;
    TENON_TRY(runStep(steps_[index], next));
    if constexpr (Profiled)
      if (steps_[index].queue == 0) // the others are measured where they run
        profile_.add(index, now() - start);
    index = next;
  }
  return {};
}

Status Plan::execute() {
  hasRun_ = false;
  TENON_TRY(prepare());
  startQueues();
  if (profile_.enabled())
    profile_.beginRun();
  bool measured = hasParallel_ && !profile_.enabled() && spread_.measures();
  uint64_t start = measured ? now() : 0;
  TENON_TRY(finishQueues(profile_.enabled() ? runCommands<true>() : runCommands<false>()));
  if (measured)
    spread_.ran(now() - start);
  TENON_TRY(finishOutputs());
  hasRun_ = true;
  ++session_->runs;
  return {};
}

Status Plan::outputElements(uint32_t index, int64_t &elements) const {
  const fb::TensorArg &arg = *function_->outputs()->Get(index);
  int64_t bytes = 0;
  elements = 1;
  for (uint32_t slot : *arg.dims())
    if (slots_[slot] < 0 || __builtin_mul_overflow(elements, slots_[slot], &elements))
      return Status::error(Code::BadRange, "output %.100s has an impossible shape", arg.name()->c_str());
  if (!package::tensorBytes(static_cast<DType>(arg.dtype()), elements, bytes) ||
      static_cast<uint64_t>(bytes) > outputs_[index].needed)
    return Status::error(Code::BadRange, "output %.100s has %lld elements, more than its %llu bytes hold",
                         arg.name()->c_str(), (Number)elements, (unsigned long long)outputs_[index].needed);
  return {};
}

/// Data-dependent shapes must fit the memory that was set aside for them.
Status Plan::finishOutputs() const {
  int64_t elements = 0;
  for (uint32_t o = 0; o < outputs_.size(); ++o)
    TENON_TRY(outputElements(o, elements));
  return {};
}

Status Plan::output(uint32_t index, tenon_tensor &tensor) const {
  if (index >= outputs_.size())
    return Status::error(Code::BadArgument, "function %.100s: output %u of %zu", function_->name()->c_str(),
                         index, outputs_.size());
  if (!hasRun_)
    return Status::error(Code::NotBound, "function %.100s has not run with these sizes",
                         function_->name()->c_str());
  const fb::TensorArg &arg = *function_->outputs()->Get(index);
  const OutputBinding &binding = outputs_[index];
  tensor = {};
  TENON_TRY(outputElements(index, tensor.elements));
  tensor.data = binding.data ? binding.data : binding.owned.data();
  tensor.dtype = static_cast<tenon_dtype>(arg.dtype());
  tensor.rank = arg.dims()->size();
  for (uint32_t d = 0; d < tensor.rank; ++d)
    tensor.shape[d] = slots_[arg.dims()->Get(d)];
  int64_t bytes = 0;
  if (package::tensorBytes(static_cast<DType>(arg.dtype()), tensor.elements, bytes))
    tensor.bytes = static_cast<uint64_t>(bytes);
  return {};
}

} // namespace tenon::runtime
