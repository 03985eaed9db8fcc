// The library of Mortise for a compiler without exceptions: its errors as codes and texts.
#pragma once

#include "isa/mortise/Hardware.h"
#include "isa/mortise/Program.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tenon::npu {

/// What went wrong: "TN1101", and a text.
struct MachineError {
  std::string code, message;
};

/// A preset's name or the path of a YAML file. Nothing on failure.
std::optional<mortise::Hardware> loadMachine(const std::string &presetOrPath, MachineError &error);

/// The binary form of a program, checked as a loader checks it. Nothing on failure.
std::optional<std::vector<uint8_t>> binaryOf(const mortise::Program &program, MachineError &error);

} // namespace tenon::npu
