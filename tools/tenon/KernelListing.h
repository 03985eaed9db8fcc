// A kernel's code with the nodes of the model that it comes from: `tenon inspect --asm`.
#pragma once

#include "tools/tenon/PackageReport.h"

#include <string>

namespace tenon::command {

/// The record of PackageReport::kernels with `sources` ([{node, op}]) and `listings`: those of PackageReport,
/// each with `instructions` ([{offset, text, nodes, ops}]). Loads the compiler library, which disassembles.
/// Fails with TN0511 where the package lacks its debug section.
Json kernelListing(const PackageReport &report, uint32_t kernel);

/// The same for people: the nodes first, then the instructions, with the nodes where they change.
std::string kernelText(const Json &listing);

} // namespace tenon::command
