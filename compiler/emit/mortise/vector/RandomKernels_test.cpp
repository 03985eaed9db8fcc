// Random kernels, compiled in every combination of passes, on the simulator against the interpreter.

#include "compiler/emit/mortise/testing/Interpreter.h"
#include "compiler/emit/mortise/testing/RandomKernel.h"

#include <cstdlib>
#include <gtest/gtest.h>
#include <random>

using namespace tenon::npu;
using tenon::mortise::Hardware, tenon::mortise::loadHardware;

namespace {

std::vector<VectorOptions> allOptions() {
  std::vector<VectorOptions> all;
  for (int bits = 0; bits < 32; ++bits) {
    VectorOptions options;
    options.combine = bits & 1;
    options.coalesce = bits & 2;
    options.schedule = bits & 4;
    options.pipeline = bits & 8;
    options.unroll = bits & 16;
    options.spill.address = kRandomSpill;
    options.spill.bytes = kRandomMemory - kRandomSpill;
    if ((options.schedule || !options.pipeline) && (options.pipeline || !options.unroll))
      all.push_back(options);
  }
  return all;
}

/// The default machine, and one of other lanes and latencies.
std::vector<Hardware> machines() {
  std::vector<Hardware> all(2, loadHardware("edge-512k"));
  all[1].vector.lanes = 16;
  all[1].vector.specialCycles = 3;
  for (const auto &row : tenon::mortise::rows())
    if (row.latency > 1)
      all[1].vector.latency[row.mnemonic] = 1 + row.latency % 3 * 5;
  return all;
}

TEST(RandomKernels, giveTheInterpretersResult) {
  std::vector<Hardware> hardware = machines();
  const char *asked = std::getenv("TENON_RANDOM_KERNELS");
  uint64_t kernels = asked ? std::strtoull(asked, nullptr, 10) : 120;
  unsigned pipelined = 0, spilled = 0, dynamic = 0;
  for (uint64_t seed = 0; seed < kernels; ++seed) {
    const Hardware &machine = hardware[seed % hardware.size()];
    VectorFunction function = randomKernel(seed, machine.vector.lanes);
    std::mt19937_64 random(seed);
    Memory memory(kRandomMemory);
    for (uint8_t &byte : memory)
      byte = uint8_t(random());
    std::vector<int64_t> parameters{int64_t(random() % 30) - 2, int64_t(random() % 7)};
    Memory expected = interpret(function, machine, memory, parameters);
    expected.resize(kRandomSpill);
    for (const VectorOptions &options : allOptions()) {
      CompiledKernel kernel = compile(function, machine, options);
      Memory found = simulate(kernel, machine, memory, parameters).memory;
      found.resize(kRandomSpill);
      ASSERT_TRUE(found == expected) << "kernel " << seed << ", combine " << options.combine << ", coalesce "
                                     << options.coalesce << ", schedule " << options.schedule << ", pipeline "
                                     << options.pipeline << ", unroll " << options.unroll << "\n"
                                     << toText(function);
      spilled += kernel.statistics.spilled;
      for (const LoopStatistics &loop : kernel.statistics.loops) {
        pipelined += loop.interval > 0;
        dynamic += loop.copies > 1;
      }
    }
  }
  EXPECT_GT(pipelined, kernels / 4);
  EXPECT_GT(spilled, 0U);
  EXPECT_GT(dynamic, 0U);
}

} // namespace
