// Assembles arbitrary text. What is accepted must come back from its own text and from its binary.

#include "isa/mortise/Program.h"

#include <cstdlib>

using namespace tenon::mortise;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Program program;
  try {
    program = assemble({reinterpret_cast<const char *>(data), size}, "fuzz.s");
  } catch (const Error &) {
    return 0;
  }
  if (assemble(disassemble(program)) != program || readBinary(writeBinary(program)) != program)
    std::abort();
  return 0;
}
