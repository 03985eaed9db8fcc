// What a package says about itself, as JSON: `tenon inspect`.
#pragma once

#include "package/reader.h"
#include "tenon/tenon.h"

#include <nlohmann/json.hpp>
#include <string>

namespace tenon::command {

using Json = nlohmann::ordered_json;

/// `debug` is nullptr where the package was stripped: then no nodes are named.
class PackageReport {
public:
  PackageReport(const package::Reader &reader, const package::fb::Debug *debug);

  /// {functions, symbols, memory, kernels, devices, nodes_on, ...}
  Json summary() const;
  /// One row for each command of all functions: {function, command, kind, kernel, nodes, ops, grid, flop,
  /// bytes, cost_ns, compute_ns, traffic_ns, limit, schedule}: cost_ns is the predicted time (Limits.h).
  Json commands() const;
  /// What predictions are for; all zeros in a package that does not say.
  tenon_machine machine() const;
  /// One row for each buffer: {function, buffer, region, object, bytes, conflicts}.
  Json buffers() const;
  /// {name, family, schedule, isas, dispatches, nodes} for each kernel.
  Json kernels() const;
  /// Each listing of a kernel: {isa, machine, text, assembly, lines: [{line, nodes}], code: [{offset, nodes,
  /// ops}]}; empty where there is none. A row without nodes is code of no node in particular.
  Json listings(uint32_t kernel) const;
  /// The machine code of the n-th listing of a kernel; empty where it is not known.
  package::Bytes code(uint32_t kernel, size_t n) const;
  /// {node, op} of each node that a kernel comes from, in the order of the model.
  Json sources(uint32_t kernel) const;
  /// kNone where there is none of that name.
  uint32_t findKernel(const std::string &name) const;

private:
  Json functions() const;
  Json symbols() const;
  Json memory() const;
  Json nodesOn() const;
  Json devices() const;
  std::string deviceOf(uint32_t kernel) const;
  Json nodes(uint32_t origin) const;
  Json ops(uint32_t origin) const;
  std::string schedule(uint32_t kernel) const;
  std::string limit(const Json &row) const;

  const package::Reader &reader_;
  const package::fb::Manifest &manifest_;
  const package::fb::Debug *debug_;
};

} // namespace tenon::command
