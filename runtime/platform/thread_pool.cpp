// The pool is pthreadpool's, one item per worker.

#include "runtime/platform/thread_pool.h"

#include <pthreadpool.h>

namespace tenon::runtime {

ThreadPool *createThreadPool(uint32_t threads) {
  return reinterpret_cast<ThreadPool *>(pthreadpool_create(threads));
}

void destroyThreadPool(ThreadPool *pool) { pthreadpool_destroy(reinterpret_cast<pthreadpool_t>(pool)); }

namespace {
struct Split {
  uint32_t n;
  uint32_t grain;
  uint64_t groups;
  uint64_t workers;
  tenon_range_fn fn;
  void *arg;
};
} // namespace

static void runRange(void *context, size_t worker) {
  const Split &split = *static_cast<const Split *>(context);
  uint64_t begin = split.groups * worker / split.workers * split.grain;
  uint64_t end = split.groups * (worker + 1) / split.workers * split.grain;
  split.fn(split.arg, static_cast<uint32_t>(begin), static_cast<uint32_t>(end < split.n ? end : split.n),
           static_cast<uint32_t>(worker));
}

void parallelFor(void *pool, uint32_t n, uint32_t grain, tenon_range_fn fn, void *arg) {
  auto *threads = static_cast<pthreadpool_t>(pool);
  Split split = {n,  grain, (uint64_t{n} + grain - 1) / grain, pthreadpool_get_threads_count(threads),
                 fn, arg};
  if (split.groups < split.workers)
    split.workers = split.groups;
  pthreadpool_parallelize_1d(threads, runRange, &split, split.workers, 0);
}

} // namespace tenon::runtime
