// The runtime's own threads. A device build that leaves them out links thread_pool_none.cpp instead.
#pragma once

#include "package/error.h"
#include "runtime/base/memory.h"
#include "tenon/tenon.h"

#include <cstdint>

namespace tenon::runtime {

class ThreadPool;

/// Makes a pool of `threads` workers, the caller included. Returns while they start: work that is given out
/// meanwhile is done by those that are there. `allocator` has to live as long as the pool. Errors:
/// OutOfMemory, and ThreadsUnavailable where threads cannot be started or are not built in; `pool` is null
/// then.
package::Status createThreadPool(const Allocator &allocator, uint32_t threads, ThreadPool *&pool);
void destroyThreadPool(ThreadPool *pool);

/// A tenon_parallel_for_fn whose context is a ThreadPool. Each worker begins with the range that arithmetic
/// gives it, so that the same worker sees the same data in every run, in a few pieces; one that is done takes
/// from the ranges of others. Callers on several threads do not wait for each other: who finds the workers
/// taken does its work alone.
void parallelFor(void *pool, uint32_t n, uint32_t grain, tenon_range_fn fn, void *arg);

} // namespace tenon::runtime
