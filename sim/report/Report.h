// Reports of a run: JSON (docs/mortise.md lists the fields), a trace for ui.perfetto.dev, and a page for
// people.
#pragma once

#include "sim/Statistics.h"

#include <nlohmann/json.hpp>

namespace tenon::sim {

using Json = nlohmann::ordered_json;

/// The contract: cycles; engines.<name>.{busy, idle, stall.{reason}} that add up to cycles;
/// traffic.{dram,l2,l1}.{read, write} in bytes; energy_pj.{component}.{action}; utilization.{array_active,
/// useful_mac}; macs.
Json toJson(const Statistics &statistics, const mortise::Hardware &hardware);

/// What bounds the run: the fullest of the matrix unit, the vector core and the memories, and how full each
/// is (0..1).
Json limits(const Statistics &statistics, const mortise::Hardware &hardware);

/// Trace events in the format of Chrome and Perfetto; one cycle is one microsecond there.
std::string toTrace(const Statistics &statistics, const mortise::Program &program);

/// What each engine does over time, as a picture (SVG). The run must have kept its events.
std::string toTimeline(const Statistics &statistics, const std::string &title);

/// A self-contained page: engines, stalls, timeline, roofline, occupancy, power, energy.
std::string toHtml(const Json &report, const std::string &timeline, const std::string &title);

} // namespace tenon::sim
