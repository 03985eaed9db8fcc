#include "sim/Machine.h"
#include "sim/testing/RandomProgram.h"

#include <gtest/gtest.h>
#include <map>
#include <random>
#include <set>

using namespace tenon::sim;
using tenon::mortise::ArrayTiming, tenon::mortise::Dataflow, tenon::mortise::Error, tenon::mortise::Hardware,
    tenon::mortise::loadHardware, tenon::mortise::Program;

namespace {

/// Machines of equal sizes, whose timing has nothing in common.
std::vector<Hardware> machines() {
  std::vector<Hardware> all(5, loadHardware("edge-512k"));
  all[1].dram.bytesPerCycle = 0.7;
  all[1].dram.latency = 700;
  all[1].dma.setup = 300;
  all[2].dram.bytesPerCycle = 1000;
  all[2].dram.latency = 1;
  all[2].dma.setup = 1;
  all[2].matrix.timing = ArrayTiming::Serial;
  all[3].scratchpad.banks = 2;
  all[3].scratchpad.interleave = 262144;
  all[3].matrix.dataflow = Dataflow::OutputStationary;
  all[3].matrix.weightTiles = 3;
  all[3].vector.specialCycles = 9;
  all[4].dma.inFlight = 1;
  all[4].matrix.issueGap = 40;
  for (const auto &row : tenon::mortise::rows())
    if (row.latency > 1)
      all[4].vector.latency[row.mnemonic] = 1 + row.latency % 3 * 7;
  return all;
}

struct Outcome {
  std::string code; ///< of the error; empty: none
  std::vector<uint8_t> result;
  uint64_t cycles = 0;
};

Outcome run(const Program &program, const Hardware &hardware) {
  Options options;
  options.maxCycles = 10'000'000;
  Outcome outcome;
  try {
    Machine machine(hardware, program, options);
    std::mt19937_64 random(5);
    for (uint8_t &byte : machine.tensor("x"))
      byte = uint8_t(random());
    outcome.cycles = machine.run().cycles;
    std::span<uint8_t> y = machine.tensor("y");
    outcome.result.assign(y.begin(), y.end());
  } catch (const Error &error) {
    outcome.code = error.code();
  }
  return outcome;
}

TEST(RandomPrograms, resultsAreTheSameUnderEveryTiming) {
  std::vector<Hardware> all = machines();
  // A small queue stalls the control processor in other places.
  all[4].queueDepth = 2;
  std::set<std::vector<uint8_t>> results;
  std::vector<uint64_t> cycles(all.size());
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    Program program = randomProgram(seed, false);
    Outcome first = run(program, all[0]);
    ASSERT_EQ(first.code, "") << "program " << seed;
    results.insert(first.result);
    for (size_t i = 0; i < all.size(); ++i) {
      Outcome other = run(program, all[i]);
      ASSERT_EQ(other.code, "") << "program " << seed << ", machine " << i;
      ASSERT_EQ(other.result, first.result) << "program " << seed << ", machine " << i;
      cycles[i] += other.cycles;
    }
  }
  // The programs do differ, and so do the machines.
  EXPECT_GT(results.size(), 1990U);
  EXPECT_EQ(std::set<uint64_t>(cycles.begin(), cycles.end()).size(), all.size());
}

TEST(RandomPrograms, whatIsMissingIsReportedUnderEveryTiming) {
  std::vector<Hardware> all = machines();
  std::map<std::string, int> codes;
  for (uint64_t seed = 0; seed < 500; ++seed) {
    Program program = randomProgram(seed, true);
    Outcome first = run(program, all[0]);
    ++codes[first.code];
    for (const Hardware &hardware : all) {
      Outcome other = run(program, hardware);
      ASSERT_EQ(other.code, first.code) << "program " << seed;
      ASSERT_EQ(other.result, first.result) << "program " << seed;
    }
  }
  for (const auto &[code, count] : codes)
    EXPECT_TRUE(code.empty() || code == "TN1201" || code == "TN1202" || code == "TN1203") << code;
  EXPECT_GT(codes["TN1202"], 20); // deadlocks
  EXPECT_GT(codes["TN1201"] + codes["TN1203"], 20);
}

} // namespace
