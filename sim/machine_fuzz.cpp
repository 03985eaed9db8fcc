// Runs arbitrary binaries on small machines. A program may be refused, at any time; it may not crash, and the
// limit of cycles ends it.

#include "sim/Machine.h"

using namespace tenon;

static std::vector<mortise::Hardware> machines() {
  std::vector<mortise::Hardware> all(3, mortise::loadHardware("edge-512k"));
  all[1].cores = 2;
  all[1].matrix.timing = mortise::ArrayTiming::Serial;
  all[2].scratchpad.bytes = 65536;
  all[2].scratchpad.banks = 2;
  all[2].scratchpad.interleave = 32768;
  all[2].l2 = {65536, 16, 10, 32};
  all[2].matrix.dataflow = mortise::Dataflow::OutputStationary;
  all[2].queueDepth = 2;
  all[2].dma.inFlight = 1;
  return all;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const std::vector<mortise::Hardware> all = machines();
  if (size == 0)
    return 0;
  sim::Options options;
  options.maxCycles = 20000;
  options.functional = data[0] & 1;
  options.trace = data[0] & 2;
  options.occupancy = data[0] & 4;
  try {
    mortise::Program program = mortise::readBinary({data + 1, size - 1});
    uint64_t bytes = 0;
    for (const mortise::Tensor &tensor : program.tensors)
      bytes = tensor.bytes() > (1 << 20) ? 1 << 21 : bytes + tensor.bytes();
    if (bytes > (1 << 20)) // memory, not the simulator, would be tested
      return 0;
    sim::Machine(all[(data[0] >> 3) % all.size()], program, options).run();
  } catch (const mortise::Error &) {
  }
  return 0;
}
