// What must hold of every run, whatever the layer and the machine.

#include "sim/Machine.h"
#include "sim/testing/RandomLayer.h"

#include <algorithm>
#include <gtest/gtest.h>

using namespace tenon::sim;
using tenon::mortise::Hardware, tenon::mortise::Program;

namespace {

constexpr int kRuns = 200;

Statistics timed(const Hardware &hardware, const Program &program) {
  Options options;
  options.functional = options.hazards = false;
  return Machine(hardware, program, options).run();
}

TEST(Properties, cyclesAreBoundedByComputeAndBandwidth) {
  std::mt19937_64 random(21);
  for (int i = 0; i < kRuns; ++i) {
    auto [layer, h] = randomLayerOnMachine(random);
    Program program = layerProgram(layer, h);
    Statistics s = timed(h, program);
    SCOPED_TRACE(layer.name + " " + std::to_string(i));
    auto cycles = double(s.cycles);
    EXPECT_GE(cycles * s.peakMacs, double(s.macs));
    // Costs of bursts are rounded to 1/256 cycle.
    EXPECT_GE(cycles * h.dram.bytesPerCycle * 1.01, double(s.dram.read + s.dram.write));
    EXPECT_GE(cycles * double(h.scratchpad.banks * h.scratchpad.width) + double(s.arrayCells),
              double(s.l1.read + s.l1.write));
    EXPECT_GE(s.dram.read + s.dram.write + s.l2.read + s.l2.write, s.dramUseful);
    EXPECT_LE(s.macs, s.arrayCells);
    EXPECT_LE(double(s.arrayCells), cycles * s.peakMacs);
    for (const EngineCycles &engine : s.engines) {
      uint64_t sum = 0;
      for (uint64_t part : engine.cycles) {
        EXPECT_LE(part, s.cycles) << engine.name; // none is negative
        sum += part;
      }
      EXPECT_EQ(sum, s.cycles) << engine.name;
    }
  }
}

TEST(Properties, energyIsCountsTimesTable) {
  std::mt19937_64 random(22);
  for (int i = 0; i < kRuns / 4; ++i) {
    auto [layer, h] = randomLayerOnMachine(random);
    Statistics s = timed(h, layerProgram(layer, h));
    double total = double(s.cycles) * h.energy.staticPerCycle, windows = 0;
    for (const auto &[action, count] : s.actions)
      total += double(count) * h.energy.actions.at(action);
    EXPECT_NEAR(s.totalPicojoules(), total, total * 1e-9);
    for (double pj : s.power)
      windows += pj;
    EXPECT_NEAR(windows + s.picojoules.at("static.leakage"), total, total * 1e-9);
  }
}

/// Arbiters of banks and of the memory serve who asks first: earlier data can lose a turn elsewhere (Graham's
/// anomalies). What more of a resource may cost is bounded by this.
uint64_t arbitration(uint64_t cycles) { return std::max<uint64_t>(8, cycles / 1000); }

TEST(Properties, moreBandwidthNeverHurts) {
  std::mt19937_64 random(23);
  int anomalies = 0, pairs = 0;
  for (int i = 0; i < kRuns; ++i) {
    auto [layer, h] = randomLayerOnMachine(random);
    Program program = layerProgram(layer, h); // the mapping is held fixed
    uint64_t before = 0;
    for (double bandwidth : {2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0}) {
      h.dram.bytesPerCycle = bandwidth;
      uint64_t cycles = timed(h, program).cycles;
      if (before) {
        EXPECT_LE(cycles, before + arbitration(before)) << i << " " << layer.name << " at " << bandwidth;
        anomalies += cycles > before;
        ++pairs;
      }
      before = cycles;
    }
  }
  EXPECT_LT(anomalies * 100, pairs);
}

TEST(Properties, moreScratchpadNeverHurts) {
  std::mt19937_64 random(24);
  for (int i = 0; i < kRuns; ++i) {
    auto [layer, h] = randomLayerOnMachine(random);
    Program program = layerProgram(layer, h);
    uint64_t before = timed(h, program).cycles;
    h.scratchpad.bytes *= 2; // larger banks
    EXPECT_LE(timed(h, program).cycles, before) << layer.name;
    h.scratchpad.banks *= 2;
    EXPECT_LE(timed(h, program).cycles, before + arbitration(before)) << layer.name;
  }
}

} // namespace
