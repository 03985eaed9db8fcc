#include "compiler/emit/mortise/machine/Machine.h"

namespace tenon::npu {

std::optional<mortise::Hardware> loadMachine(const std::string &presetOrPath, MachineError &error) {
  try {
    return mortise::loadHardware(presetOrPath);
  } catch (const mortise::Error &failure) {
    error = {failure.code(), failure.message()};
    return std::nullopt;
  }
}

std::optional<std::vector<uint8_t>> binaryOf(const mortise::Program &program, MachineError &error) {
  try {
    mortise::verify(program);
    return mortise::writeBinary(program);
  } catch (const mortise::Error &failure) {
    error = {failure.code(), failure.message()};
    return std::nullopt;
  }
}

} // namespace tenon::npu
