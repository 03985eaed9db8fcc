// Parses arbitrary bytes as a code image and maps what is accepted. Nothing is executed.

#include "runtime/devices/cpu/code_mapper.h"
#include "runtime/devices/cpu/features.h"

#include <cstdlib>
#include <cstring>

using namespace tenon::package;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  // A copy of exactly this size, so that the sanitizer sees every byte beyond the end.
  uint8_t *copy = static_cast<uint8_t *>(std::malloc(size ? size : 1));
  if (!copy)
    return 0;
  if (size)
    std::memcpy(copy, data, size);
  ElfImage image;
  if (ElfImage::parse({copy, size}, tenon::runtime::kMachine, image).ok()) {
    tenon::runtime::CodeMapping mapping;
    uint64_t address = 0;
    bool complete = image.findSymbol("test_add", address).ok() && image.checkNoUndefinedSymbols().ok();
    if (mapping.map(image).ok() && complete) {
      volatile uint8_t sink = *static_cast<const uint8_t *>(mapping.at(address));
      (void)sink;
    }
  }
  std::free(copy);
  return 0;
}
