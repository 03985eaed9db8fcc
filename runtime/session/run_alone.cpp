// Measures one command by itself, after a run has left its operands in place.

#include "runtime/platform/system.h"
#include "runtime/session/plan.h"
#include "runtime/session/session.h"

namespace tenon::runtime {

Status Plan::runAlone(uint32_t command, uint32_t repeats, uint64_t &ns) {
  ns = 0;
  if (!hasRun_)
    return Status::error(Code::NotBound, "function %.100s has not run with these sizes",
                         function_->name()->c_str());
  if (command >= steps_.size())
    return Status::error(Code::BadArgument, "function %.100s: command %u of %zu", function_->name()->c_str(),
                         command, steps_.size());
  Step &step = steps_[command];
  if (step.kind != fb::CommandBody::Dispatch || !(step.fn || step.program))
    return Status::error(Code::BadArgument, "%s: it is no dispatch that has run", where(step).text);
  uint64_t start = now();
  for (uint32_t i = 0; i < repeats; ++i)
    TENON_TRY(step.program ? runDevice(step) : runDispatch(step));
  ns = now() - start;
  return {};
}

} // namespace tenon::runtime
