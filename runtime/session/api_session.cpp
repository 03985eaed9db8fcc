// The part of tenon.h about sessions.

#include "runtime/session/session.h"

using tenon::package::Code;
using tenon::package::Status;
using tenon::runtime::Plan;
using tenon::runtime::report;
namespace fb = tenon::package::fb;

/// Keeps the text of a failure for tenon_session_message.
static tenon_status keep(tenon_session *session, const Status &status) {
  if (!status.ok())
    session->last = status;
  return static_cast<tenon_status>(status.code());
}

static Status badFunction(uint32_t function, const tenon_session &session) {
  return Status::error(Code::BadArgument, "function %u of %zu", function, session.plans.size());
}

static tenon_status createSession(tenon_package *package, const tenon_session_options &options,
                                  tenon::runtime::SharedPool *pool, tenon_session **result,
                                  tenon_error *error) {
  tenon::package::Allocator allocator =
      options.allocator ? tenon::runtime::toAllocator(options.allocator) : package->allocator;
  tenon_session *session = tenon::runtime::create<tenon_session>(allocator);
  if (!session)
    return report(Status::error(Code::OutOfMemory, "no memory for a session"), error);
  session->counting.wrap(allocator);
  session->allocator = session->counting.allocator();
  Status status = session->create(*package, options, pool);
  if (status.ok())
    *result = session;
  else
    tenon_session_destroy(session);
  return report(status, error);
}

tenon_status tenon_session_create(tenon_package *package, const tenon_session_options *options,
                                  tenon_session **session, tenon_error *error) {
  if (!package || !session)
    return report(Status::error(Code::BadArgument, "%s is NULL", package ? "session" : "package"), error);
  *session = nullptr;
  return createSession(package, options ? *options : tenon_session_options{}, nullptr, session, error);
}

static Status copyStates(const tenon_session &from, tenon_session &to) {
  for (uint32_t i = 0; i < from.states.size(); ++i) {
    uint64_t size = from.states[i].size;
    if (to.states[i].size != size)
      TENON_TRY(to.resizeState(i, size));
    if (size)
      std::memcpy(to.states[i].block.data(), from.states[i].block.data(), size);
  }
  return {};
}

tenon_status tenon_session_fork(tenon_session *session, tenon_session **fork, tenon_error *error) {
  if (!session || !fork)
    return report(Status::error(Code::BadArgument, "%s is NULL", session ? "fork" : "session"), error);
  *fork = nullptr;
  const tenon::package::Allocator &inner = session->counting.inner();
  tenon_allocator allocator = {inner.allocate, inner.release, inner.context};
  tenon_session_options options = {};
  options.threads = session->threads;
  options.allocator = &allocator;
  options.profile = session->profile;
  options.parallel_threshold_ns = session->adaptsSpread ? 0 : session->parallelThreshold;
  options.host_functions = session->hostFunctions.data();
  options.host_function_count = static_cast<uint32_t>(session->hostFunctions.size());
  if (!session->pool) {
    options.parallel_for = session->parallelFor;
    options.parallel_context = session->parallelContext;
  }
  tenon_session *copy = nullptr;
  if (tenon_status code = createSession(session->package, options, session->pool, &copy, error);
      code != TENON_OK)
    return code;
  Status status = copyStates(*session, *copy);
  if (status.ok())
    *fork = copy;
  else
    tenon_session_destroy(copy);
  return report(status, error);
}

void tenon_session_destroy(tenon_session *session) {
  if (!session)
    return;
  tenon_package *package = session->package;
  tenon::package::Allocator allocator = session->counting.inner();
  tenon::runtime::destroy(allocator, session);
  tenon_package_release(package);
}

const char *tenon_session_message(const tenon_session *session) { return session->last.message(); }

tenon_status tenon_session_bind_input(tenon_session *session, uint32_t function, uint32_t input,
                                      const void *data, tenon_dtype dtype, const int64_t *shape,
                                      uint32_t rank) {
  if (function >= session->plans.size())
    return keep(session, badFunction(function, *session));
  return keep(session, session->plans[function].bindInput(input, data, dtype, shape, rank));
}

tenon_status tenon_session_bind_output(tenon_session *session, uint32_t function, uint32_t output, void *data,
                                       uint64_t capacity) {
  if (function >= session->plans.size())
    return keep(session, badFunction(function, *session));
  return keep(session, session->plans[function].bindOutput(output, data, capacity));
}

tenon_status tenon_session_run(tenon_session *session, uint32_t function) {
  if (function >= session->plans.size())
    return keep(session, badFunction(function, *session));
  return keep(session, session->plans[function].execute());
}

tenon_status tenon_session_output(tenon_session *session, uint32_t function, uint32_t output,
                                  tenon_tensor *tensor) {
  if (function >= session->plans.size() || !tensor)
    return keep(session, tensor ? badFunction(function, *session)
                                : Status::error(Code::BadArgument, "tensor is NULL"));
  return keep(session, session->plans[function].output(output, *tensor));
}

tenon_status tenon_session_reserve(tenon_session *session, uint32_t function, const int64_t *symbols) {
  if (function >= session->plans.size())
    return keep(session, badFunction(function, *session));
  return keep(session, session->plans[function].reserve(symbols));
}

tenon_status tenon_session_get_stats(const tenon_session *session, tenon_session_stats *stats) {
  if (!stats)
    return static_cast<tenon_status>(Code::BadArgument);
  *stats = {};
  stats->allocations = session->counting.count();
  stats->locks = session->locks;
  stats->arena_bytes = session->arena.size();
  stats->scratch_bytes = session->scratch.size();
  for (const tenon::runtime::StateMemory &state : session->states)
    stats->state_bytes += state.size;
  for (const Plan &plan : session->plans)
    stats->output_bytes += plan.ownedOutputBytes();
  stats->runs = session->runs;
  stats->threads = session->threads;
  stats->device_cycles = session->deviceCycles.load(std::memory_order_relaxed);
  stats->device_ns = session->deviceNs.load(std::memory_order_relaxed);
  return TENON_OK;
}

// --- State
// ------------------------------------------------------------------------------------------------------------

uint64_t tenon_session_state_bytes(const tenon_session *session, uint32_t state) {
  return state < session->states.size() ? session->states[state].size : 0;
}

static Status checkState(const tenon_session &session, uint32_t state, const void *data, uint64_t size,
                         bool sized) {
  if (state >= session.states.size())
    return Status::error(Code::BadArgument, "state %u of %zu", state, session.states.size());
  const char *name = session.package->manifest().states()->Get(state)->name()->c_str();
  if (!data && size != 0)
    return Status::error(Code::BadArgument, "state %.100s: data is NULL", name);
  if (sized && size != session.states[state].size)
    return Status::error(Code::StateMismatch, "state %.100s: %llu bytes, expected %llu", name,
                         (unsigned long long)size, (unsigned long long)session.states[state].size);
  return {};
}

tenon_status tenon_session_state_export(tenon_session *session, uint32_t state, void *data, uint64_t size) {
  if (Status status = checkState(*session, state, data, size, true); !status.ok())
    return keep(session, status);
  if (size)
    std::memcpy(data, session->states[state].block.data(), size);
  return TENON_OK;
}

tenon_status tenon_session_state_import(tenon_session *session, uint32_t state, const void *data,
                                        uint64_t size) {
  bool bounded =
      state < session->states.size() && session->package->manifest().states()->Get(state)->size_bound() != 0;
  Status status = checkState(*session, state, data, size, bounded);
  if (status.ok() && session->states[state].size != size)
    status = session->resizeState(state, size);
  if (!status.ok())
    return keep(session, status);
  if (size)
    std::memcpy(session->states[state].block.data(), data, size);
  return TENON_OK;
}

tenon_status tenon_session_state_reset(tenon_session *session) {
  for (uint32_t i = 0; i < session->states.size(); ++i)
    if (Status status = session->resetState(i); !status.ok())
      return keep(session, status);
  return TENON_OK;
}

tenon_status tenon_session_state_truncate(tenon_session *session, int64_t length) {
  if (length < 0)
    return keep(session,
                Status::error(Code::BadArgument, "length %lld, expected at least 0", (long long)length));
  for (uint32_t i = 0; i < session->states.size(); ++i)
    if (Status status = session->truncateState(i, length); !status.ok())
      return keep(session, status);
  return TENON_OK;
}
