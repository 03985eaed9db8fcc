// Reads arbitrary bytes as a program. What is accepted must come back from its text, and have one binary
// form.

#include "isa/mortise/Program.h"

#include <cstdlib>

using namespace tenon::mortise;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Program program;
  try {
    program = readBinary({data, size});
  } catch (const Error &) {
    return 0;
  }
  if (assemble(disassemble(program)) != program || readBinary(writeBinary(program)) != program)
    std::abort();
  return 0;
}
