// Parses arbitrary text as a description of a machine. What is accepted must come back from its own YAML.

#include "isa/mortise/Hardware.h"

#include <cstdlib>

using namespace tenon::mortise;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string text;
  try {
    text = toYaml(parseHardware({reinterpret_cast<const char *>(data), size}, "fuzz.yaml"));
  } catch (const Error &) {
    return 0;
  }
  try {
    if (toYaml(parseHardware(text, "again.yaml")) != text)
      std::abort();
  } catch (const Error &) {
    std::abort(); // it refuses its own text
  }
  return 0;
}
