// What the compiler predicted of a command, in words.
#pragma once

#include "tenon/tenon.h"

#include <string>

namespace tenon::command {

/// A command's predicted nanoseconds and bytes; -1 where the package does not say.
struct Predicted {
  int64_t ns = -1, computeNs = -1, trafficNs = -1, bytes = -1;
};

/// What the predicted time goes into: "compute", the level of memory that feeds it ("l2", "l3", "dram"), or
/// "overhead" where calling costs more than the work. "" where the package does not say.
std::string limitOf(const Predicted &command, const tenon_machine &machine);

} // namespace tenon::command
