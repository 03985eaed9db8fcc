// For builds without threads: a job runs when it is pushed, on the calling thread.

#include "runtime/platform/command_queues.h"

namespace tenon::runtime {

class CommandQueues {
public:
  Allocator allocator;
  Array<uint64_t> progress;
  RunJob run = nullptr;
  void *context = nullptr;
};

package::Status createCommandQueues(const Allocator &allocator, uint32_t queues, uint32_t,
                                    CommandQueues *&result) {
  result = create<CommandQueues>(allocator);
  if (result && result->progress.allocate(allocator, queues)) {
    result->allocator = allocator;
    return {};
  }
  if (result)
    destroy(allocator, result);
  result = nullptr;
  return package::Status::error(package::Code::OutOfMemory, "no memory for %u queues", queues);
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

bool pushJob(CommandQueues &queues, uint32_t, void *item) {
  queues.run(queues.context, item);
  return true;
}

bool pushSignal(CommandQueues &queues, uint32_t, uint32_t target, uint64_t value) {
  queues.progress[target] = value;
  return true;
}

bool pushWait(CommandQueues &queues, uint32_t, uint32_t target, uint64_t value) {
  return queues.progress[target] >= value;
}

void signal(CommandQueues &queues, uint32_t target, uint64_t value) { queues.progress[target] = value; }
bool wait(CommandQueues &queues, uint32_t target, uint64_t value) { return queues.progress[target] >= value; }
uint64_t progress(CommandQueues &queues, uint32_t queue) { return queues.progress[queue]; }
bool drain(CommandQueues &, uint32_t) { return true; }
bool drainAll(CommandQueues &) { return true; }

} // namespace tenon::runtime
