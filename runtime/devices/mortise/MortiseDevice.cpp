// The simulator as a device. Exceptions of the simulator end here, as codes and texts.

#include "sim/Machine.h"
#include "sim/report/Report.h"
#include "tenon/mortise.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <new>

namespace {

using namespace tenon;
using mortise::Error;
using mortise::Role;

constexpr tenon_status kOutOfMemory = 901, kFailed = 923;

tenon_status fail(tenon_error *error, tenon_status code, const char *text) {
  if (error) {
    error->code = code;
    std::strncpy(error->message, text, sizeof(error->message) - 1);
    error->message[sizeof(error->message) - 1] = 0;
  }
  return code;
}

/// Runs `body`; an exception becomes a code and its text.
template <typename Body> tenon_status guarded(tenon_error *error, Body body) {
  try {
    body();
    return TENON_OK;
  } catch (const Error &failure) {
    int code = 0;
    const std::string &name = failure.code(); // "TN1204"
    std::from_chars(name.data() + std::min<size_t>(2, name.size()), name.data() + name.size(), code);
    return fail(error, code ? code : kFailed, failure.what());
  } catch (const std::bad_alloc &) {
    return fail(error, kOutOfMemory, "not enough memory for the simulator");
  } catch (const std::exception &failure) {
    return fail(error, kFailed, failure.what());
  }
}

/// The number N of a name like "b7"; -1 for other names.
int64_t numberOf(const std::string &name, char letter) {
  int64_t number = -1;
  if (name.size() < 2 || name[0] != letter || (name[1] == '0' && name.size() > 2))
    return -1;
  auto [end, failure] = std::from_chars(name.data() + 1, name.data() + name.size(), number);
  return failure == std::errc() && end == name.data() + name.size() && name[1] != '-' ? number : -1;
}

/// A program, and how its names tie it to a kernel.
struct Prepared {
  mortise::Program program;
  std::vector<std::pair<size_t, size_t>> tensors;    // tensor, buffer
  std::vector<std::pair<size_t, size_t>> parameters; // parameter, scalar

  Prepared(const mortise::Hardware &hardware, std::span<const uint8_t> bytes,
           const tenon_device_signature &signature);
  void bind(sim::Machine &machine, const tenon_device_call &call) const;
};

void checkRole(const mortise::Tensor &tensor, uint8_t access) {
  bool output = tensor.role == Role::Output;
  if (output != (access != TENON_ACCESS_READ))
    throw Error("TN1012", "tensor '" + tensor.name + "' is an " + (output ? "output" : "input") +
                              " of the program, but the kernel " + (output ? "only reads" : "writes") +
                              " the buffer");
}

Prepared::Prepared(const mortise::Hardware &hardware, std::span<const uint8_t> bytes,
                   const tenon_device_signature &signature)
    : program(mortise::readBinary(bytes)) {
  for (size_t i = 0; i < program.tensors.size(); ++i) {
    const mortise::Tensor &tensor = program.tensors[i];
    if (tensor.role != Role::Input && tensor.role != Role::Output)
      continue;
    int64_t buffer = numberOf(tensor.name, 'b');
    if (buffer < 0 || buffer >= int64_t(signature.buffer_count))
      throw Error("TN1012", "tensor '" + tensor.name + "' is none of the kernel's buffers, expected b0 to b" +
                                std::to_string(int64_t(signature.buffer_count) - 1));
    checkRole(tensor, signature.access[buffer]);
    tensors.emplace_back(i, size_t(buffer));
  }
  for (size_t i = 0; i < program.parameters.size(); ++i) {
    int64_t scalar = numberOf(program.parameters[i], 's');
    if (scalar < 0 || scalar >= int64_t(signature.symbol_count))
      throw Error("TN1012", "parameter '" + program.parameters[i] + "' is none of the kernel's " +
                                std::to_string(signature.symbol_count) + " scalars s0, s1, ...");
    parameters.emplace_back(i, size_t(scalar));
  }
  sim::Options options;
  options.functional = false;
  sim::Machine(hardware, program, options); // refuses what the machine lacks
}

void Prepared::bind(sim::Machine &machine, const tenon_device_call &call) const {
  for (auto [index, buffer] : tensors) {
    const mortise::Tensor &tensor = program.tensors[index];
    uint64_t wanted = tensor.bytes(), there = call.buffer_bytes[buffer];
    if (there < wanted && parameters.empty())
      throw Error("TN1209", "tensor '" + tensor.name + "' has " + std::to_string(wanted) +
                                " bytes, the buffer for it " + std::to_string(there));
    machine.bind(tensor.name,
                 {static_cast<uint8_t *>(call.buffers[buffer]), size_t(std::min(wanted, there))});
  }
  for (auto [index, scalar] : parameters)
    machine.setParameter(program.parameters[index], call.symbols[scalar]);
}

/// Cycles that the products of a run take when every cell works all the time.
uint64_t idealCycles(const sim::Statistics &statistics, const mortise::Hardware &hardware) {
  double cycles = 0;
  for (const auto &[type, rate] : hardware.matrix.rates)
    if (auto found = statistics.actions.find("mac." + type); found != statistics.actions.end() && rate > 0)
      cycles += double(found->second) / (hardware.peakMacs() * rate);
  return uint64_t(std::ceil(cycles));
}

void sendReport(const tenon_device_call &call, const sim::Statistics &statistics,
                const mortise::Hardware &hardware, const mortise::Program &program) {
  sim::Json report = sim::toJson(statistics, hardware);
  report["ideal_cycles"] = idealCycles(statistics, hardware);
  if (call.detail == TENON_DETAIL_TRACE) {
    report["timeline"] = sim::toTimeline(statistics, program.nodes.empty() ? "" : program.nodes[0]);
    report["trace_events"] = sim::Json::parse(sim::toTrace(statistics, program))["traceEvents"];
  }
  std::string text = report.dump(-1, ' ', false, sim::Json::error_handler_t::replace);
  call.report(call.report_context, text.data(), text.size());
}

tenon_status open(void *, const char *description, void **instance, tenon_error *error) {
  return guarded(error, [&] {
    *instance = new mortise::Hardware(mortise::parseHardware(description, "the package's machine"));
  });
}

void close(void *instance) { delete static_cast<mortise::Hardware *>(instance); }

tenon_status prepare(void *instance, const void *bytes, uint64_t size,
                     const tenon_device_signature *signature, void **program, tenon_error *error) {
  return guarded(error, [&] {
    *program = new Prepared(*static_cast<mortise::Hardware *>(instance),
                            {static_cast<const uint8_t *>(bytes), size_t(size)}, *signature);
  });
}

void release(void *, void *program) { delete static_cast<Prepared *>(program); }

tenon_status run(void *instance, void *program, const tenon_device_call *call, tenon_device_cost *cost,
                 tenon_error *error) {
  return guarded(error, [&] {
    const auto &hardware = *static_cast<mortise::Hardware *>(instance);
    const auto &prepared = *static_cast<Prepared *>(program);
    sim::Options options;
    options.trace = call->detail == TENON_DETAIL_TRACE;
    options.occupancy = call->detail != TENON_DETAIL_COST;
    sim::Machine machine(hardware, prepared.program, options);
    prepared.bind(machine, *call);
    sim::Statistics statistics = machine.run();
    cost->cycles = statistics.cycles;
    cost->ns = uint64_t(std::llround(double(statistics.cycles) * 1000 / hardware.megahertz));
    cost->ideal_cycles = idealCycles(statistics, hardware);
    if (call->detail != TENON_DETAIL_COST)
      sendReport(*call, statistics, hardware, prepared.program);
  });
}

} // namespace

const tenon_device *tenon_mortise_device(void) {
  static constexpr tenon_device device = {
      TENON_DEVICE_ABI_VERSION, "mortise", nullptr, open, close, prepare, release, run};
  return &device;
}
