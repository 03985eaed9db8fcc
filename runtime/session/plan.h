// One function of a session: the values of its slots, where its buffers lie, and its commands bound to both.
#pragma once

#include "package/plan_visitor.h"
#include "runtime/profile/profile.h"
#include "runtime/session/package.h"
#include "runtime/session/spread.h"

struct tenon_session;

namespace tenon::runtime {

namespace fb = package::fb;
using package::Code;
using package::Status;

/// The kernel ABI asks for 64-byte aligned instances.
struct alignas(64) KernelIo {
  tenon_kernel_io io;
};

/// A command as the executor runs it. `body` is the typed table of the package.
struct Step {
  fb::CommandBody kind = fb::CommandBody::NONE;
  bool late = false;     // bound each time it runs
  bool parallel = false; // worth spreading over workers
  int64_t cost = 0;      // estimated, ns, of what is
  uint8_t ioStride = 0;  // 1: one KernelIo per worker (they differ in scratch); 0: all share one
  uint32_t n = 0;
  uint32_t grain = 1;
  uint32_t kernel = 0; // of the chosen variant
  tenon_kernel_fn fn = nullptr;
  uint32_t device = package::kNone; // index into the package's devices; kNone: the CPU
  void *program = nullptr;          // of a device, once bound
  KernelIo *io = nullptr;
  void **buffers = nullptr; // Dispatch, HostCall
  int64_t *scalars =
      nullptr; // Dispatch (then byte counts follow, for a device), HostCall (then results and byte counts)
  uint32_t queue = 0;
  const void *body = nullptr;
  const fb::Command *command = nullptr;
  const tenon_host_function *host = nullptr;
  void *target = nullptr; // Copy, Fill
  const void *source = nullptr;
  uint64_t bytes = 0;
};

/// A place in a dispatch that follows the caller's memory.
struct Patch {
  uint32_t step = 0;
  uint32_t position = 0;
  uint32_t buffer = 0;
};

struct InputBinding {
  const void *data = nullptr;
  bool bound = false;
  uint32_t dims = 0; // first index into Plan::shapes_
};

struct OutputBinding {
  void *data = nullptr; // the caller's, nullptr: owned
  uint64_t capacity = 0;
  uint64_t needed = 0; // bytes at the current sizes
  Block owned;
};

class Plan {
public:
  /// Once. Allocates all that does not depend on sizes.
  Status create(tenon_session &session, const fb::Function &function);

  Status bindInput(uint32_t input, const void *data, tenon_dtype dtype, const int64_t *shape, uint32_t rank);
  Status bindOutput(uint32_t output, void *data, uint64_t capacity);
  Status reserve(const int64_t *symbols);
  /// Brings slots, memory and commands up to date with the bindings. Does nothing when nothing changed.
  Status prepare();
  /// Runs the commands (executor.cpp).
  Status execute();
  /// Repeats a dispatch of the last run, for measuring (run_alone.cpp). What it works on in place changes, so
  /// that results and states are those of no run afterwards.
  Status runAlone(uint32_t command, uint32_t repeats, uint64_t &ns);
  Status output(uint32_t index, tenon_tensor &tensor) const;

  const fb::Function &function() const { return *function_; }
  uint64_t ownedOutputBytes() const;
  const Step &step(uint32_t index) const { return steps_[index]; }
  int64_t slot(uint32_t index) const { return slots_[index]; }
  Profile &profile() { return profile_; }
  const Profile &profile() const { return profile_; }

private:
  // plan.cpp
  Status createSteps();
  Status createStep(uint32_t index, size_t &pointer, size_t &scalar, size_t &io);
  void countStep(uint32_t index, size_t &pointers, size_t &scalars, size_t &ios) const;
  Status createPatches();
  Status findHost(Step &step) const;
  // binding.cpp
  Status matchShapes(bool &changed);
  Status matchInput(uint32_t input, bool &changed);
  Status checkSymbols() const;
  Status computeSizes();
  Status evaluateStatic();
  Status placeArena(uint64_t &arena);
  Status checkBuffers();
  Status checkObject(uint32_t buffer) const;
  Status neededScratch(uint64_t &scratch) const;
  Status sizeOutputs();
  Status obtainOutputs(bool checkCaller);
  Status sizeStates();
  Status placeBuffers();
  Status checkCallerMemory() const;
  Status bindSteps();
  Status patchSteps();
  // bind_step.cpp: also for late commands, while running
  Status bindStep(Step &step);
  Status bindDispatch(Step &step);
  Status bindCopy(Step &step);
  Status bindFill(Step &step);
  Status bindHostCall(Step &step);
  Status resolve(uint32_t buffer, uint8_t *&address, int64_t &size) const;
  // device_step.cpp
  Status bindDevice(Step &step);
  Status runDevice(Step &step);
  static void runQueued(void *context, void *item);
  Status enqueue(Step &step);
  Status waitForQueue(const Step &step);
  void signalQueue(const Step &step);
  void startQueues();
  Status finishQueues(const Status &status);
  Status failureOfQueues() const;
  Status stuck(const Step &step) const;
  // executor.cpp
  template <bool Profiled> Status runCommands();
  Status runStep(Step &step, uint32_t &next);
  Status runDispatch(const Step &step);
  Status runFill(const Step &step);
  Status runHostCall(Step &step);
  Status evalSymbols(const Step &step);
  Status readScalar(const Step &step);
  Status writeScalar(const Step &step);
  Status finishOutputs() const;
  /// "function f, command 3 (dispatch) of node conv1"
  struct Where {
    char text[160];
  };
  Where where(const Step &step) const;
  Status outputElements(uint32_t index, int64_t &elements) const;

  tenon_session *session_ = nullptr;
  const fb::Function *function_ = nullptr;
  uint32_t symbols_ = 0; // slots below are symbols
  uint32_t statics_ = 0; // slots below are known before a run
  Array<int64_t> slots_;
  Array<int64_t> shapes_;     // of all inputs, one after the other
  Array<int64_t> newSymbols_; // while matching
  Array<uint8_t> lateBuffer_;
  Array<uint32_t> rootBuffer_;
  Array<uint8_t *> address_; // per buffer that is not late
  Array<uint64_t> arenaOffset_;
  Array<uint64_t> queueProgress_;
  Array<Step> steps_;
  Array<KernelIo> ios_;
  Array<void *> pointers_;
  Array<int64_t> scalars_;
  Array<Patch> patches_;
  Objects<InputBinding> inputs_;
  Objects<OutputBinding> outputs_;
  Profile profile_;
  Spread spread_;
  uint64_t generation_ = 0;  // of the session's memory that the addresses are for
  bool sizesStates_ = false; // a buffer stands for a state without a bound
  bool shapesChanged_ = true;
  bool pointersChanged_ = true;
  bool sizesValid_ = false;
  bool stepsBound_ = false;
  bool hasRun_ = false;
  bool hasParallel_ = false; // some step is worth spreading
  bool usesQueues_ = false;  // commands stand on other queues than the first
  enum class Failure : uint8_t { None, BeingWritten, Written };
  std::atomic<Failure> queueFailed_ = Failure::None;
  Status queueFailure_; // the first one of a device's queue
};

/// The device of a command's kernel; kNone for the CPU and for commands that are no dispatches.
uint32_t deviceOf(const fb::Command &command, const fb::Manifest &manifest);

} // namespace tenon::runtime
