// Known kernels on the simulator against the interpreter, with what each pass is worth.

#include "compiler/emit/mortise/testing/Interpreter.h"
#include "compiler/emit/mortise/testing/Kernels.h"

#include <cstring>
#include <gtest/gtest.h>
#include <random>

using namespace tenon::npu;
using tenon::mortise::Hardware, tenon::mortise::loadHardware;

namespace {

struct Case {
  VectorFunction function;
  std::vector<int64_t> parameters;
  bool floats = false;
};

Memory memoryFor(bool floats) {
  std::mt19937 random(11);
  Memory memory(1 << 16);
  for (uint8_t &byte : memory)
    byte = uint8_t(random());
  for (size_t i = 0; floats && i < memory.size(); i += 4) {
    float value = float(random() % 2001) / 250 - 4;
    std::memcpy(&memory[i], &value, 4);
  }
  return memory;
}

/// Cycles on the simulator; the result is that of the interpreter, and the estimate is right but for banks.
uint64_t cyclesOf(const Case &test, const Hardware &hardware, const VectorOptions &options) {
  Memory memory = memoryFor(test.floats);
  CompiledKernel kernel = compile(test.function, hardware, options);
  Simulated run = simulate(kernel, hardware, memory, test.parameters);
  EXPECT_EQ(run.memory, interpret(test.function, hardware, memory, test.parameters));
  uint64_t estimate = estimateCycles(kernel, hardware, test.parameters);
  EXPECT_LE(estimate, run.cycles);
  EXPECT_GE(double(estimate), 0.8 * double(run.cycles));
  return run.cycles;
}

/// `most`: cycles with all passes.
void measure(const Case &test, const std::string &name, uint64_t most) {
  Hardware hardware = loadHardware("edge-512k");
  VectorOptions all, rolled, uncombined, combined, bundles, coalesced, none;
  rolled.unroll = false;
  uncombined.combine = false;
  combined.pipeline = false;
  bundles.combine = bundles.pipeline = false;
  coalesced.combine = coalesced.pipeline = coalesced.schedule = false;
  none = coalesced;
  none.coalesce = false;
  uint64_t plain = cyclesOf(test, hardware, none), joined = cyclesOf(test, hardware, coalesced),
           packed = cyclesOf(test, hardware, bundles), matched = cyclesOf(test, hardware, combined),
           overlapped = cyclesOf(test, hardware, uncombined), kept = cyclesOf(test, hardware, rolled),
           best = cyclesOf(test, hardware, all);
  std::printf(
      "%s: nothing %llu, coalescing %llu, + bundles %llu, + combiner %llu, + pipelining without combiner "
      "%llu, without unrolling %llu, all %llu\n",
      name.c_str(), (unsigned long long)plain, (unsigned long long)joined, (unsigned long long)packed,
      (unsigned long long)matched, (unsigned long long)overlapped, (unsigned long long)kept,
      (unsigned long long)best);
  EXPECT_LT(joined, plain);
  EXPECT_LT(packed, joined);
  EXPECT_LT(best, matched);
  EXPECT_LE(best, overlapped);
  EXPECT_LE(best, kept);
  EXPECT_LE(best, most);
}

TEST(Kernels, requantize) { measure({requantizeKernel(64, 200), {0, 16384, 200}}, "requantize", 830); }
TEST(Kernels, requantizeOfAnyLength) {
  measure({requantizeKernel(64, {}), {0, 16384, 200}}, "requantize, dynamic", 840);
}
TEST(Kernels, softmax) { measure({softmaxKernel(64, 16), {0, 32768, 7}, true}, "softmax", 1230); }
TEST(Kernels, softmaxOfShortRows) {
  measure({softmaxRowsKernel(64, 4), {0, 32768, 30}, true}, "softmax, rows of 256", 830);
}
TEST(Kernels, softmaxOfShortRowsWithLoops) {
  measure({softmaxKernel(64, 4), {0, 32768, 30}, true}, "softmax, loops of 4", 930);
}
TEST(Kernels, depthwise) {
  measure({depthwiseKernel(64, 16, 18 * 64), {0, 24576, 32768, 14}}, "depthwise", 3300);
}

TEST(Kernels, everyCountIsRight) {
  Hardware hardware = loadHardware("edge-512k");
  VectorFunction function = requantizeKernel(64, {});
  CompiledKernel kernel = compile(function, hardware, {});
  ASSERT_GT(kernel.statistics.loops.at(0).interval, 0U);
  EXPECT_GT(kernel.statistics.loops.at(0).stages, 1U);
  Memory memory = memoryFor(false);
  for (int64_t count = -1; count < 20; ++count) {
    std::vector<int64_t> parameters{64, 16384, count};
    EXPECT_EQ(simulate(kernel, hardware, memory, parameters).memory,
              interpret(function, hardware, memory, parameters))
        << count;
  }
}

} // namespace
