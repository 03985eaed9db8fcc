// The part of tenon.h about profiles: one row per command.

#include "runtime/session/session.h"

using tenon::package::Code;
using tenon::runtime::Plan;
using tenon::runtime::ProfileCell;
using tenon::runtime::Step;
namespace fb = tenon::package::fb;

static const Plan *profiled(const tenon_session *session, uint32_t function) {
  if (function >= session->plans.size() || !session->plans[function].profile().enabled())
    return nullptr;
  return &session->plans[function];
}

static const char *kindName(fb::CommandBody kind) {
  constexpr const char *names[] = {"none",        "dispatch",     "copy",     "fill",     "eval-symbols",
                                   "read-scalar", "write-scalar", "set-slot", "branch",   "jump",
                                   "check",       "signal",       "wait",     "host-call"};
  return static_cast<uint8_t>(kind) < std::size(names) ? names[static_cast<uint8_t>(kind)] : "unknown";
}

static const char *scheduleOf(const tenon_package &package, uint32_t kernel) {
  if (package.debug)
    for (const fb::KernelSchedule *schedule : *package.debug->schedules())
      if (schedule->kernel() == kernel)
        return schedule->text()->c_str();
  return "";
}

tenon_machine tenon_package_machine(const tenon_package *package) {
  const fb::MachineModel *model = package->debug ? package->debug->model() : nullptr;
  if (!model)
    return {"", 0, 0, 0, 0, 0};
  return {model->name()->c_str(), model->gflops(),   model->l2_gbs(),
          model->l3_gbs(),        model->dram_gbs(), model->dispatch_ns()};
}

uint32_t tenon_session_profile_count(const tenon_session *session, uint32_t function) {
  const Plan *plan = profiled(session, function);
  return plan ? static_cast<uint32_t>(plan->profile().size()) : 0;
}

static void describeDispatch(const Plan &plan, const Step &step, const tenon_package &package,
                             tenon_profile_row &row) {
  const fb::Dispatch &body = *static_cast<const fb::Dispatch *>(step.body);
  // Before the first run no variant is chosen; the first one stands for all.
  uint32_t kernel = step.fn || step.program ? step.kernel : body.variants()->Get(0)->kernel();
  const fb::Kernel *record = package.manifest().kernels()->Get(kernel);
  row.kernel = record->name()->c_str();
  row.family = tenon::package::text(record->family());
  row.schedule = scheduleOf(package, kernel);
  auto slot = [&](uint32_t index) { return index == tenon::package::kNone ? -1 : plan.slot(index); };
  row.flops = slot(body.flops());
  row.bytes = slot(body.bytes());
  row.predicted_ns = slot(body.cost());
  row.compute_ns = slot(body.compute());
  row.traffic_ns = slot(body.traffic());
}

tenon_status tenon_session_profile_row(const tenon_session *session, uint32_t function, uint32_t row,
                                       tenon_profile_row *result) {
  const Plan *plan = profiled(session, function);
  if (!plan || !result || row >= plan->profile().size())
    return static_cast<tenon_status>(Code::BadArgument);
  const ProfileCell &cell = plan->profile().cell(row);
  const Step &step = plan->step(row);
  *result = {};
  result->command = row;
  result->kind = kindName(step.kind);
  result->kernel = result->family = result->schedule = "";
  result->origin = step.command->origin();
  result->runs = cell.runs;
  result->total_ns = cell.totalNs;
  result->last_ns = cell.lastNs;
  result->flops = result->bytes = -1;
  result->predicted_ns = result->compute_ns = result->traffic_ns = -1;
  if (step.kind == fb::CommandBody::Dispatch)
    describeDispatch(*plan, step, *session->package, *result);
  return TENON_OK;
}

tenon_status tenon_session_profile_device(const tenon_session *session, uint32_t function, uint32_t row,
                                          tenon_device_row *result) {
  const Plan *plan = profiled(session, function);
  if (!plan || !result || row >= plan->profile().size() || plan->step(row).device == tenon::package::kNone)
    return static_cast<tenon_status>(Code::BadArgument);
  const tenon::runtime::DeviceCell &cell = *plan->profile().device(row);
  *result = {};
  result->device = tenon_package_device_name(session->package, plan->step(row).device);
  result->queue = plan->step(row).queue;
  result->cycles = cell.cost.cycles;
  result->ns = cell.cost.ns;
  result->ideal_cycles = cell.cost.ideal_cycles;
  result->report = cell.reported ? reinterpret_cast<const char *>(cell.report.data()) : "";
  return TENON_OK;
}

tenon_status tenon_session_profile_reset(tenon_session *session, uint32_t function) {
  if (!profiled(session, function))
    return static_cast<tenon_status>(Code::BadArgument);
  session->plans[function].profile().reset();
  return TENON_OK;
}

tenon_status tenon_session_profile_alone(tenon_session *session, uint32_t function, uint32_t row,
                                         uint32_t repeats, uint64_t *ns) {
  if (!profiled(session, function) || !ns)
    return static_cast<tenon_status>(Code::BadArgument);
  session->last = session->plans[function].runAlone(row, repeats, *ns);
  return static_cast<tenon_status>(session->last.code());
}
