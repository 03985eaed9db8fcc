// The runtime's thread pool: every item once, whoever does it.

#include "runtime/platform/thread_pool.h"

#include <atomic>
#include <gtest/gtest.h>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

using namespace tenon::runtime;

namespace {

Allocator heap() { return tenon::package::systemAllocator(); }

class Pool {
public:
  explicit Pool(uint32_t threads) { EXPECT_TRUE(createThreadPool(heap(), threads, pool).ok()); }
  ~Pool() { destroyThreadPool(pool); }
  Pool(const Pool &) = delete;
  Pool &operator=(const Pool &) = delete;

  template <typename F> void run(uint32_t n, uint32_t grain, F f) {
    parallelFor(
        pool, n, grain,
        [](void *arg, uint32_t begin, uint32_t end, uint32_t worker) {
          (*static_cast<F *>(arg))(begin, end, worker);
        },
        &f);
  }

private:
  ThreadPool *pool = nullptr;
};

/// Runs a job of `n` items and expects each to be done once, in pieces that begin at multiples of the grain.
void expectEveryItemOnce(Pool &pool, uint32_t threads, uint32_t n, uint32_t grain) {
  std::vector<std::atomic<int>> done(n);
  std::atomic<int> misplaced = 0;
  pool.run(n, grain, [&](uint32_t begin, uint32_t end, uint32_t worker) {
    if (worker >= threads || begin % grain != 0 || (end % grain != 0 && end != n))
      ++misplaced;
    for (uint32_t i = begin; i < end; ++i)
      ++done[i];
  });
  EXPECT_EQ(misplaced, 0);
  for (uint32_t i = 0; i < n; ++i)
    ASSERT_EQ(done[i], 1) << "item " << i << " of " << n << ", grain " << grain << ", threads " << threads;
}

TEST(ThreadPool, DoesEveryItemOnce) {
  for (uint32_t threads : {1u, 2u, 3u, 7u}) {
    Pool pool(threads);
    for (uint32_t n : {0u, 1u, 2u, 5u, 64u, 1000u})
      for (uint32_t grain : {1u, 3u, 64u, 5000u})
        expectEveryItemOnce(pool, threads, n, grain);
  }
}

TEST(ThreadPool, ManyShortJobsInARow) {
  Pool pool(2);
  uint64_t sum = 0;
  for (uint32_t job = 0; job < 20000; ++job) {
    std::atomic<uint64_t> items = 0;
    pool.run(8, 1, [&](uint32_t begin, uint32_t end, uint32_t) { items += end - begin; });
    sum += items;
  }
  EXPECT_EQ(sum, 160000u);
}

TEST(ThreadPool, SleepingWorkersWakeUp) {
  Pool pool(2);
  std::set<uint32_t> workers;
  std::mutex mutex;
  for (int job = 0; job < 5; ++job) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    pool.run(2, 1, [&](uint32_t, uint32_t, uint32_t worker) {
      {
        std::lock_guard lock(mutex);
        workers.insert(worker);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    });
  }
  EXPECT_EQ(workers, (std::set<uint32_t>{0, 1}));
}

TEST(ThreadPool, TheLargestGridsDoNotOverflow) {
  Pool pool(3);
  for (uint32_t grain : {1u, 4u, UINT32_MAX}) {
    std::atomic<uint64_t> items = 0;
    pool.run(UINT32_MAX, grain, [&](uint32_t begin, uint32_t end, uint32_t) { items += end - begin; });
    EXPECT_EQ(items, uint64_t{UINT32_MAX});
  }
}

TEST(ThreadPool, CallersOnSeveralThreadsDoNotMix) {
  Pool pool(3);
  auto caller = [&] {
    for (int job = 0; job < 200; ++job)
      expectEveryItemOnce(pool, 3, 50, 2);
  };
  std::thread other(caller);
  caller();
  other.join();
}

TEST(ThreadPool, EndsAtOnceAndWhileWorkersStart) {
  for (int i = 0; i < 100; ++i)
    Pool pool(4);
  for (int i = 0; i < 100; ++i) {
    Pool pool(4);
    expectEveryItemOnce(pool, 4, 10, 1);
  }
}

TEST(ThreadPool, WithoutMemoryThereIsNone) {
  Allocator none = heap();
  none.allocate = [](void *, size_t, size_t) -> void * { return nullptr; };
  ThreadPool *pool = nullptr;
  EXPECT_EQ(createThreadPool(none, 2, pool).code(), tenon::package::Code::OutOfMemory);
  EXPECT_EQ(pool, nullptr);
}

} // namespace
