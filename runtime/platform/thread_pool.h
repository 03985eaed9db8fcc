// The runtime's own threads. A device build that leaves them out links thread_pool_none.cpp instead.
#pragma once

#include "tenon/tenon.h"

#include <cstdint>

namespace tenon::runtime {

class ThreadPool;

/// A pool of `threads` workers, the caller included; nullptr when threads cannot be started or are not built
/// in.
ThreadPool *createThreadPool(uint32_t threads);
void destroyThreadPool(ThreadPool *pool);

/// A tenon_parallel_for_fn whose context is a ThreadPool: one contiguous range per worker, chosen by
/// arithmetic alone, so that the same worker number sees the same range in every run.
void parallelFor(void *pool, uint32_t n, uint32_t grain, tenon_range_fn fn, void *arg);

} // namespace tenon::runtime
