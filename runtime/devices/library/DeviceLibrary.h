// Devices in shared libraries, loaded when a package asks for them, so that packages of the CPU map none.
#pragma once

#include "tenon/device.h"

#include <string>
#include <vector>

namespace tenon::runtime {

/// The device `name` of libtenon-NAME.so, from the file that the environment variable TENON_NAME_LIBRARY (in
/// capitals) names, else from the first of `folders` that has it. Null where there is none, or where it is no
/// device; the library stays loaded.
const tenon_device *loadDevice(const std::string &name, const std::vector<std::string> &folders);

} // namespace tenon::runtime
