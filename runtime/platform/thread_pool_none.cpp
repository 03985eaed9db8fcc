// For builds without threads: sessions have one worker, or use the caller's parallel_for.

#include "runtime/platform/thread_pool.h"

namespace tenon::runtime {

ThreadPool *createThreadPool(uint32_t) { return nullptr; }

void destroyThreadPool(ThreadPool *) {}

void parallelFor(void *, uint32_t n, uint32_t, tenon_range_fn fn, void *arg) { fn(arg, 0, n, 0); }

} // namespace tenon::runtime
