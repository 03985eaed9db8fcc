// A session: state, arena, scratch, threads, and one Plan per function.
#pragma once

#include "runtime/platform/command_queues.h"
#include "runtime/platform/thread_pool.h"
#include "runtime/session/plan.h"

namespace tenon::runtime {

/// Worker threads that a session and its forks share.
struct SharedPool {
  std::atomic<uint32_t> references = 1;
  Allocator allocator;
  ThreadPool *pool = nullptr;
};

/// Memory of one state.
struct StateMemory {
  Block block;
  uint64_t size = 0;
};

} // namespace tenon::runtime

struct tenon_session {
  using Status = tenon::package::Status;

  ~tenon_session();
  Status create(tenon_package &package, const tenon_session_options &options,
                tenon::runtime::SharedPool *pool);

  // state.cpp
  Status createStates();
  Status resetState(uint32_t index);
  /// For a state without a bound: gives it another size, from which it starts afresh.
  Status resizeState(uint32_t index, uint64_t size);
  Status truncateState(uint32_t index, int64_t length);

  Status reserveArena(uint64_t size);
  Status reserveScratch(uint64_t bytesPerWorker);

  tenon_package *package = nullptr;
  tenon::runtime::CountingAllocator counting;
  tenon::package::Allocator allocator; // counting
  uint32_t threads = 1;
  tenon_parallel_for_fn parallelFor = nullptr;
  void *parallelContext = nullptr;
  int64_t parallelThreshold = 0;
  bool adaptsSpread = false; // the caller has not said from which cost on dispatches are spread
  int profile = 0;
  tenon::runtime::SharedPool *pool = nullptr;
  tenon::package::Array<tenon_host_function> hostFunctions;
  tenon::runtime::Block arena, scratch;
  uint64_t scratchStride = 0;
  uint64_t generation = 1; // grows whenever memory that plans point to moves
  tenon::runtime::Objects<tenon::runtime::StateMemory> states;
  tenon::runtime::Objects<tenon::runtime::Plan> plans;
  Status last; // of the last failed call
  uint64_t runs = 0;
  uint64_t locks = 0;
  tenon::runtime::CommandQueues *queues =
      nullptr; // where a function has commands on other queues than the first
  std::atomic<uint64_t> deviceCycles = 0, deviceNs = 0; // of the last run

private:
  Status createQueues();
  Status createPool(const tenon_session_options &options, tenon::runtime::SharedPool *shared);
};
