// One lock guards all queues: jobs are runs of devices, which take far longer than handing them over.

#include "runtime/platform/command_queues.h"

#include <pthread.h>

namespace tenon::runtime {

using package::Code;
using package::Status;

namespace {

struct Job {
  enum class Kind : uint8_t { Run, Signal, Wait };
  Kind kind;
  uint32_t target;
  uint64_t value;
  void *item;
};

struct Queue {
  CommandQueues *owner = nullptr;
  Array<Job> jobs; // a ring; a job stays in it until it is done
  size_t first = 0, count = 0;
  pthread_t thread{};
  bool started = false;
};

} // namespace

class CommandQueues {
public:
  ~CommandQueues();
  Status start(const Allocator &allocator, uint32_t queues, uint32_t capacity);
  bool push(uint32_t queue, const Job &job);
  bool await(uint32_t target, uint64_t value);
  bool drain(uint32_t first, uint32_t end, bool drop);
  void set(uint32_t target, uint64_t value);
  uint64_t get(uint32_t queue);

  Allocator allocator;
  Array<uint64_t> progress;
  RunJob run = nullptr;
  void *context = nullptr;

private:
  class Lock {
  public:
    explicit Lock(pthread_mutex_t &mutex) : mutex_(mutex) { pthread_mutex_lock(&mutex_); }
    ~Lock() { pthread_mutex_unlock(&mutex_); }
    Lock(const Lock &) = delete;
    Lock &operator=(const Lock &) = delete;

  private:
    pthread_mutex_t &mutex_;
  };

  static void *work(void *argument);
  void serve(Queue &queue);
  bool blocked(const Job &job) const {
    return job.kind == Job::Kind::Wait && progress[job.target] < job.value;
  }
  /// Whether every queue is empty or waits: then only the caller could go on.
  bool stuck() const {
    for (const Queue &queue : queues_)
      if (queue.count && !blocked(queue.jobs[queue.first]))
        return false;
    return true;
  }
  void sleep() { pthread_cond_wait(&changed_, &mutex_); }

  Objects<Queue> queues_; // queue i + 1
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t changed_ = PTHREAD_COND_INITIALIZER;
  bool stop_ = false;
};

Status CommandQueues::start(const Allocator &memory, uint32_t queues, uint32_t capacity) {
  allocator = memory;
  if (!progress.allocate(memory, queues) || !queues_.create(memory, queues - 1))
    return Status::error(Code::OutOfMemory, "no memory for %u queues", queues);
  for (Queue &queue : queues_) {
    queue.owner = this;
    if (!queue.jobs.allocate(memory, capacity))
      return Status::error(Code::OutOfMemory, "no memory for a queue of %u commands", capacity);
    if (pthread_create(&queue.thread, nullptr, work, &queue) != 0)
      return Status::error(Code::ThreadsUnavailable, "the system starts no thread for a device's queue");
    queue.started = true;
  }
  return {};
}

CommandQueues::~CommandQueues() {
  {
    Lock lock(mutex_);
    stop_ = true;
    pthread_cond_broadcast(&changed_);
  }
  for (Queue &queue : queues_)
    if (queue.started)
      pthread_join(queue.thread, nullptr);
  pthread_cond_destroy(&changed_);
  pthread_mutex_destroy(&mutex_);
}

void *CommandQueues::work(void *argument) {
  Queue &queue = *static_cast<Queue *>(argument);
  queue.owner->serve(queue);
  return nullptr;
}

void CommandQueues::serve(Queue &queue) {
  Lock lock(mutex_);
  for (;;) {
    while (!stop_ && (queue.count == 0 || blocked(queue.jobs[queue.first])))
      sleep();
    if (stop_)
      return;
    Job job = queue.jobs[queue.first];
    if (job.kind == Job::Kind::Run) {
      pthread_mutex_unlock(&mutex_);
      run(context, job.item);
      pthread_mutex_lock(&mutex_);
    } else if (job.kind == Job::Kind::Signal) {
      progress[job.target] = job.value;
    }
    queue.first = (queue.first + 1) % queue.jobs.size();
    --queue.count;
    pthread_cond_broadcast(&changed_);
  }
}

bool CommandQueues::push(uint32_t number, const Job &job) {
  Queue &queue = queues_[number - 1];
  Lock lock(mutex_);
  while (queue.count == queue.jobs.size()) {
    if (stuck())
      return false;
    sleep();
  }
  queue.jobs[(queue.first + queue.count) % queue.jobs.size()] = job;
  ++queue.count;
  pthread_cond_broadcast(&changed_);
  return true;
}

bool CommandQueues::await(uint32_t target, uint64_t value) {
  Lock lock(mutex_);
  while (progress[target] < value) {
    if (stuck())
      return false;
    sleep();
  }
  return true;
}

bool CommandQueues::drain(uint32_t first, uint32_t end, bool drop) {
  Lock lock(mutex_);
  for (uint32_t i = first; i < end; ++i)
    while (queues_[i - 1].count) {
      if (!stuck()) {
        sleep();
        continue;
      }
      if (drop)
        for (Queue &queue : queues_)
          queue.count = 0;
      return false;
    }
  return true;
}

void CommandQueues::set(uint32_t target, uint64_t value) {
  Lock lock(mutex_);
  progress[target] = value;
  pthread_cond_broadcast(&changed_);
}

uint64_t CommandQueues::get(uint32_t queue) {
  Lock lock(mutex_);
  return progress[queue];
}

Status createCommandQueues(const Allocator &allocator, uint32_t queues, uint32_t capacity,
                           CommandQueues *&result) {
  result = create<CommandQueues>(allocator);
  if (!result)
    return Status::error(Code::OutOfMemory, "no memory for %u queues", queues);
  Status status = result->start(allocator, queues, capacity);
  if (status.ok())
    return status;
  destroy(allocator, result);
  result = nullptr;
  return status;
}

void destroyCommandQueues(CommandQueues *queues) {
  Allocator allocator = queues->allocator;
  destroy(allocator, queues);
}

void restart(CommandQueues &queues, RunJob run, void *context) {
  queues.run = run;
  queues.context = context;
  for (uint64_t &value : queues.progress)
    value = 0;
}

bool pushJob(CommandQueues &queues, uint32_t queue, void *item) {
  return queues.push(queue, {Job::Kind::Run, 0, 0, item});
}

bool pushSignal(CommandQueues &queues, uint32_t queue, uint32_t target, uint64_t value) {
  return queues.push(queue, {Job::Kind::Signal, target, value, nullptr});
}

bool pushWait(CommandQueues &queues, uint32_t queue, uint32_t target, uint64_t value) {
  return queues.push(queue, {Job::Kind::Wait, target, value, nullptr});
}

void signal(CommandQueues &queues, uint32_t target, uint64_t value) { queues.set(target, value); }
bool wait(CommandQueues &queues, uint32_t target, uint64_t value) { return queues.await(target, value); }
uint64_t progress(CommandQueues &queues, uint32_t queue) { return queues.get(queue); }
bool drain(CommandQueues &queues, uint32_t queue) { return queues.drain(queue, queue + 1, false); }
bool drainAll(CommandQueues &queues) {
  return queues.drain(1, static_cast<uint32_t>(queues.progress.size()), true);
}

} // namespace tenon::runtime
