// For builds without threads: sessions have one worker, or use the caller's parallel_for.

#include "runtime/platform/thread_pool.h"

namespace tenon::runtime {

package::Status createThreadPool(const Allocator &, uint32_t threads, ThreadPool *&pool) {
  pool = nullptr;
  return package::Status::error(
      package::Code::ThreadsUnavailable,
      "this runtime has no threads of its own, expected %u; give parallel_for or ask for "
      "one thread",
      threads);
}

void destroyThreadPool(ThreadPool *) {}

void parallelFor(void *, uint32_t n, uint32_t, tenon_range_fn fn, void *arg) { fn(arg, 0, n, 0); }

} // namespace tenon::runtime
