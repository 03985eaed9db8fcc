#include "runtime/session/session.h"

#include "runtime/platform/system.h"

using tenon::package::Code;
using tenon::runtime::SharedPool;
using Status = tenon_session::Status;

/// Below this a dispatch is faster on the calling thread alone: opening a job for workers that are awake,
/// their first misses and waiting for the last of them cost about a microsecond.
static constexpr int64_t kParallelThresholdNs = 4000;

static Status noMemory(const char *what) {
  return Status::error(Code::OutOfMemory, "no memory for %s", what);
}

Status tenon_session::createPool(const tenon_session_options &options, SharedPool *shared) {
  constexpr uint32_t maxThreads = 1024;
  threads = options.threads ? options.threads : tenon::runtime::availableCpus();
  if (threads > maxThreads)
    return Status::error(Code::BadArgument, "%u threads, expected at most %u", threads, maxThreads);
  if (options.parallel_for) {
    parallelFor = options.parallel_for;
    parallelContext = options.parallel_context;
    return {};
  }
  if (threads == 1)
    return {};
  if (shared) {
    pool = shared;
    pool->references.fetch_add(1, std::memory_order_relaxed);
  } else {
    // The pool may outlive this session, so it does not come from the counting allocator inside.
    pool = tenon::runtime::create<SharedPool>(counting.inner());
    if (!pool)
      return noMemory("a thread pool");
    pool->allocator = counting.inner();
    Status status = tenon::runtime::createThreadPool(pool->allocator, threads, pool->pool);
    if (!status.ok() && (options.threads != 0 || status.code() != Code::ThreadsUnavailable))
      return status;
  }
  if (!pool->pool) {
    threads = 1;
    return {};
  }
  parallelFor = tenon::runtime::parallelFor;
  parallelContext = pool->pool;
  return {};
}

Status tenon_session::create(tenon_package &owner, const tenon_session_options &options, SharedPool *shared) {
  package = &owner;
  owner.references.fetch_add(1, std::memory_order_relaxed);
  if (owner.kernels.size() != owner.manifest().kernels()->size())
    return Status::error(Code::NoImage, "the package was loaded for inspection only; load it with its code");
  TENON_TRY(createPool(options, shared));
  adaptsSpread = options.parallel_threshold_ns <= 0 && threads > 1;
  parallelThreshold =
      options.parallel_threshold_ns > 0 ? options.parallel_threshold_ns : kParallelThresholdNs;
  profile = options.profile;
  if (options.host_function_count && !options.host_functions)
    return Status::error(Code::BadArgument, "%u host functions, but no array of them",
                         options.host_function_count);
  if (!hostFunctions.allocate(allocator, options.host_function_count))
    return noMemory("host functions");
  for (uint32_t i = 0; i < options.host_function_count; ++i)
    hostFunctions[i] = options.host_functions[i];
  TENON_TRY(createStates());
  TENON_TRY(createQueues());
  const auto &functions = *owner.manifest().functions();
  if (!plans.create(allocator, functions.size()))
    return noMemory("functions");
  for (uint32_t i = 0; i < functions.size(); ++i)
    TENON_TRY(plans[i].create(*this, *functions.Get(i)));
  return {};
}

Status tenon_session::createQueues() {
  uint32_t count = 1, capacity = 0;
  for (const auto *function : *package->manifest().functions())
    for (const auto *command : *function->commands()) {
      count = command->queue() >= count ? command->queue() + 1 : count;
      capacity = function->commands()->size() > capacity ? function->commands()->size() : capacity;
    }
  if (count == 1)
    return {};
  // As the pool: not from the counting allocator, which is part of this.
  return tenon::runtime::createCommandQueues(counting.inner(), count, capacity, queues);
}

tenon_session::~tenon_session() {
  if (queues)
    tenon::runtime::destroyCommandQueues(queues);
  if (pool && pool->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    if (pool->pool)
      tenon::runtime::destroyThreadPool(pool->pool);
    tenon::package::Allocator owner = pool->allocator;
    tenon::runtime::destroy(owner, pool);
  }
}

Status tenon_session::reserveArena(uint64_t size) {
  if (size <= arena.size())
    return {};
  if (!arena.reserve(allocator, size))
    return Status::error(Code::OutOfMemory, "no memory for an arena of %llu bytes", (unsigned long long)size);
  ++generation;
  return {};
}

Status tenon_session::reserveScratch(uint64_t bytesPerWorker) {
  uint64_t stride = 0, total = 0;
  if (!tenon::package::alignUp(bytesPerWorker, 64, stride) ||
      __builtin_mul_overflow(stride, uint64_t{threads}, &total))
    return Status::error(Code::TooLarge, "scratch of %llu bytes per worker",
                         (unsigned long long)bytesPerWorker);
  if (stride <= scratchStride)
    return {};
  if (!scratch.reserve(allocator, total))
    return Status::error(Code::OutOfMemory, "no memory for %llu bytes of scratch", (unsigned long long)total);
  scratchStride = stride;
  ++generation;
  return {};
}
