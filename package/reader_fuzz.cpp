// Opens arbitrary bytes as a package: header, manifest, semantic verifier, debug section. What is accepted is
// read.

#include "package/reader.h"

#include <cstdlib>
#include <cstring>

using namespace tenon::package;

/// Touches every byte that a verified package promises.
static uint64_t touch(const Reader &reader) {
  uint64_t sum = 0;
  auto add = [&](Bytes bytes) {
    for (uint64_t i = 0; i < bytes.size; i += 64)
      sum += bytes.data[i];
  };
  for (uint32_t i = 0; i < reader.manifest().images()->size(); ++i)
    add(reader.image(i));
  if (reader.manifest().programs())
    for (uint32_t i = 0; i < reader.manifest().programs()->size(); ++i)
      add(reader.program(i));
  for (uint32_t i = 0; i < reader.manifest().weights()->size(); ++i)
    add(reader.weight(i));
  return sum;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  // A copy of exactly this size, so that the sanitizer sees every byte beyond the end.
  void *memory = nullptr;
  if (posix_memalign(&memory, kPageSize, size ? size : 1) != 0)
    return 0;
  if (size)
    std::memcpy(memory, data, size);
  Reader reader;
  volatile uint64_t sink = 0;
  if (Reader::open({static_cast<uint8_t *>(memory), size}, systemAllocator(), reader).ok()) {
    sink = touch(reader);
    const fb::Debug *debug = nullptr;
    sink = sink + static_cast<uint64_t>(reader.debug(debug).code());
  }
  std::free(memory);
  return 0;
}
