// Queues of a plan beside the calling thread's: a thread for each, which runs its jobs in order. Queue 0 is
// the caller's own; the others have numbers from 1 on. A build without threads links command_queues_none.cpp,
// where a job runs when it is pushed.
#pragma once

#include "package/error.h"
#include "runtime/base/memory.h"

#include <cstdint>

namespace tenon::runtime {

class CommandQueues;

/// Runs one job; `item` is what was pushed. Called by the queue's thread.
using RunJob = void (*)(void *context, void *item);

/// Makes queues 1 to `queues` - 1, each for `capacity` jobs at once. `allocator` has to live as long as they
/// do. Errors: OutOfMemory, ThreadsUnavailable; `result` is null then.
package::Status createCommandQueues(const Allocator &allocator, uint32_t queues, uint32_t capacity,
                                    CommandQueues *&result);
void destroyCommandQueues(CommandQueues *queues);

/// Sets all progress values to 0; nothing is under way.
void restart(CommandQueues &queues, RunJob run, void *context);

/// Appends to queue `queue` a job, the setting of `target`'s progress to `value`, or a wait until it is at
/// least `value`. Waits for room. False when there will never be room, because every queue waits.
[[nodiscard]] bool pushJob(CommandQueues &queues, uint32_t queue, void *item);
[[nodiscard]] bool pushSignal(CommandQueues &queues, uint32_t queue, uint32_t target, uint64_t value);
[[nodiscard]] bool pushWait(CommandQueues &queues, uint32_t queue, uint32_t target, uint64_t value);

/// The same on queue 0: at once. The wait gives false when nothing under way will ever end it.
void signal(CommandQueues &queues, uint32_t target, uint64_t value);
[[nodiscard]] bool wait(CommandQueues &queues, uint32_t target, uint64_t value);
uint64_t progress(CommandQueues &queues, uint32_t queue);

/// Waits until `queue` has nothing to do; false when it never will.
[[nodiscard]] bool drain(CommandQueues &queues, uint32_t queue);
/// Waits until no queue has anything to do. False when they wait for what will not come: their jobs are
/// dropped.
[[nodiscard]] bool drainAll(CommandQueues &queues);

} // namespace tenon::runtime
