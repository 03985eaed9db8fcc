// Workers look for work without rest for a while and sleep then, so that the next of many short commands
// finds them awake, and an idle process costs nothing.
//
// A job is opened, joined by the workers that notice it in time, and closed by the caller, who then waits for
// those that joined. A worker that still starts, sleeps or was not given a CPU is not waited for: the others
// take its range.

#include "runtime/platform/thread_pool.h"

#include "runtime/platform/system.h"

#include <atomic>
#include <pthread.h>
#include <sched.h>

namespace tenon::runtime {

using package::Code;
using package::Status;

namespace {

/// How long a worker looks for work before it sleeps. Longer than the serial parts of a run.
constexpr uint64_t kSpinNs = 2000000;
/// Between two looks at the clock, or offers to give up the CPU.
constexpr uint32_t kPauses = 64;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// What is left of a worker's range: [first, end) in groups of `grain` items, packed into one word that its
/// owner takes from at the front and thieves at the back.
struct alignas(64) Range {
  std::atomic<uint64_t> left = 0;

  static uint64_t pack(uint64_t first, uint64_t end) { return end << 32 | first; }

  /// Half of what is left, so that pieces get small towards the end. False when nothing is.
  bool take(bool owner, uint64_t &first, uint64_t &end) {
    uint64_t now = left.load(std::memory_order_relaxed);
    for (;;) {
      uint64_t from = now & UINT32_MAX, to = now >> 32;
      if (from >= to)
        return false;
      uint64_t some = (to - from + 1) / 2;
      first = owner ? from : to - some;
      end = first + some;
      uint64_t rest = owner ? pack(end, to) : pack(from, first);
      if (left.compare_exchange_weak(now, rest, std::memory_order_relaxed))
        return true;
    }
  }
};

} // namespace

class ThreadPool {
public:
  ThreadPool() = default;
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;
  Status start(const Allocator &allocator, uint32_t threads);
  void run(uint32_t n, uint32_t grain, tenon_range_fn fn, void *arg);

  Allocator allocator; // of the pool itself

private:
  struct Worker {
    ThreadPool *pool = nullptr;
    uint32_t number = 0;
    pthread_t thread{};
  };
  // The state of the job: its number, whether it can be joined, and how many have joined and not left.
  static constexpr uint64_t kOpen = uint64_t{1} << 31, kJoined = kOpen - 1;
  static uint64_t jobOf(uint64_t state) { return state >> 32; }

  static void *threadMain(void *worker);
  void serve(uint32_t worker);
  bool awaitJob(uint64_t &seen);
  void sleepUntilJob(uint64_t seen);
  void work(uint32_t worker);
  void publish(uint64_t state);

  Objects<Range> ranges_;
  Objects<Worker> workers_; // without the caller
  uint32_t started_ = 0;
  uint32_t n_ = 0, grain_ = 1;
  tenon_range_fn fn_ = nullptr;
  void *arg_ = nullptr;
  std::atomic<bool> stop_ = false;
  std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
  alignas(64) std::atomic<uint64_t> state_ = 0;
  alignas(64) std::atomic<uint32_t> sleepers_ = 0;
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t wake_ = PTHREAD_COND_INITIALIZER;
};

Status ThreadPool::start(const Allocator &memory, uint32_t threads) {
  if (!ranges_.create(memory, threads) || !workers_.create(memory, threads - 1))
    return Status::error(Code::OutOfMemory, "no memory for %u threads", threads);
  for (; started_ < threads - 1; ++started_) {
    Worker &worker = workers_[started_];
    worker.pool = this;
    worker.number = started_ + 1;
    if (pthread_create(&worker.thread, nullptr, threadMain, &worker) != 0)
      return Status::error(Code::ThreadsUnavailable,
                           "cannot start %u threads; give parallel_for or ask for one thread", threads);
  }
  return {};
}

ThreadPool::~ThreadPool() {
  stop_.store(true);
  publish((jobOf(state_.load()) + 1) << 32);
  for (uint32_t i = 0; i < started_; ++i)
    pthread_join(workers_[i].thread, nullptr);
  pthread_cond_destroy(&wake_);
  pthread_mutex_destroy(&mutex_);
}

void *ThreadPool::threadMain(void *argument) {
  Worker *worker = static_cast<Worker *>(argument);
  worker->pool->serve(worker->number);
  return nullptr;
}

void ThreadPool::publish(uint64_t state) {
  // Sequentially consistent, as the sleepers' count is: either a worker sees the state before it sleeps, or
  // it is counted here.
  state_.store(state);
  if (sleepers_.load() == 0)
    return;
  pthread_mutex_lock(&mutex_);
  pthread_cond_broadcast(&wake_);
  pthread_mutex_unlock(&mutex_);
}

void ThreadPool::sleepUntilJob(uint64_t seen) {
  pthread_mutex_lock(&mutex_);
  sleepers_.fetch_add(1);
  while (jobOf(state_.load()) == seen)
    pthread_cond_wait(&wake_, &mutex_);
  sleepers_.fetch_sub(1);
  pthread_mutex_unlock(&mutex_);
}

/// Waits for a job after number `seen`. False when the pool ends.
bool ThreadPool::awaitJob(uint64_t &seen) {
  uint64_t until = now() + kSpinNs;
  for (uint32_t i = 1; jobOf(state_.load(std::memory_order_acquire)) == seen; ++i) {
    pause();
    if (i % kPauses == 0 && now() > until)
      sleepUntilJob(seen);
  }
  return !stop_.load(std::memory_order_relaxed);
}

void ThreadPool::serve(uint32_t worker) {
  for (uint64_t seen = 0; awaitJob(seen);) {
    uint64_t state = state_.load(std::memory_order_acquire);
    while (state & kOpen)
      if (state_.compare_exchange_weak(state, state + 1, std::memory_order_acquire)) {
        work(worker);
        state_.fetch_sub(1, std::memory_order_release);
        break;
      }
    seen = jobOf(state);
  }
}

void ThreadPool::work(uint32_t worker) {
  uint32_t count = static_cast<uint32_t>(ranges_.size());
  uint64_t first = 0, end = 0;
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t owner = worker + i < count ? worker + i : worker + i - count;
    while (ranges_[owner].take(i == 0, first, end)) {
      uint64_t begin = first * grain_, last = end * grain_;
      fn_(arg_, static_cast<uint32_t>(begin), static_cast<uint32_t>(last < n_ ? last : n_), worker);
    }
  }
}

void ThreadPool::run(uint32_t n, uint32_t grain, tenon_range_fn fn, void *arg) {
  uint64_t groups = (uint64_t{n} + grain - 1) / grain, count = ranges_.size();
  if (groups <= 1 || busy_.test_and_set(std::memory_order_acquire))
    return fn(arg, 0, n, 0);
  n_ = n;
  grain_ = grain;
  fn_ = fn;
  arg_ = arg;
  for (uint64_t w = 0; w < count; ++w)
    ranges_[w].left.store(Range::pack(groups * w / count, groups * (w + 1) / count),
                          std::memory_order_relaxed);
  publish((jobOf(state_.load(std::memory_order_relaxed)) + 1) << 32 | kOpen);
  work(0);
  state_.fetch_and(~kOpen, std::memory_order_relaxed);
  for (uint32_t i = 1; state_.load(std::memory_order_acquire) & kJoined; ++i) {
    pause();
    if (i % (16 * kPauses) == 0)
      sched_yield(); // there may be more workers than CPUs
  }
  busy_.clear(std::memory_order_release);
}

Status createThreadPool(const Allocator &allocator, uint32_t threads, ThreadPool *&pool) {
  pool = create<ThreadPool>(allocator);
  if (!pool)
    return Status::error(Code::OutOfMemory, "no memory for a thread pool");
  pool->allocator = allocator;
  Status status = pool->start(allocator, threads);
  if (!status.ok()) {
    destroyThreadPool(pool);
    pool = nullptr;
  }
  return status;
}

void destroyThreadPool(ThreadPool *pool) {
  Allocator allocator = pool->allocator;
  destroy(allocator, pool);
}

void parallelFor(void *pool, uint32_t n, uint32_t grain, tenon_range_fn fn, void *arg) {
  static_cast<ThreadPool *>(pool)->run(n, grain, fn, arg);
}

} // namespace tenon::runtime
