#include "sim/workloads/Layer.h"

#include "sim/Machine.h"
#include "sim/functional/Numbers.h"
#include "sim/workloads/Attention.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <random>

using namespace tenon::sim;
using tenon::mortise::Hardware, tenon::mortise::loadHardware, tenon::mortise::Program, tenon::mortise::Type;

namespace {

void fill(std::span<uint8_t> bytes, uint64_t seed) {
  std::mt19937_64 random(seed);
  for (uint8_t &byte : bytes)
    byte = uint8_t(random());
}

/// The convolution from the program's own tensors, as plain loops.
std::vector<int8_t> expected(const Layer &layer, const Hardware &h, std::span<const uint8_t> x,
                             std::span<const uint8_t> w, float scale) {
  std::vector<int8_t> result;
  bool depthwise = layer.kind == LayerKind::Depthwise;
  int64_t columns = depthwise ? h.vector.lanes : h.matrix.columns;
  int64_t depth = layer.kernelHeight * layer.kernelWidth * (depthwise ? 1 : layer.channels);
  for (int64_t y = 0; y < layer.outputHeight(); ++y)
    for (int64_t xx = 0; xx < layer.outputWidth(); ++xx)
      for (int64_t n = 0; n < (depthwise ? layer.channels : layer.outputs); ++n) {
        int32_t sum = 0;
        for (int64_t d = 0; d < depth; ++d) {
          int64_t tap = depthwise ? d : d / layer.channels, c = depthwise ? n : d % layer.channels;
          int64_t row = y * layer.stride + tap / layer.kernelWidth,
                  column = xx * layer.stride + tap % layer.kernelWidth;
          auto a = int8_t(x[size_t((row * layer.width + column) * layer.channels + c)]);
          auto b = int8_t(w[size_t((n / columns * depth + d) * columns + n % columns)]);
          sum += int32_t(a) * b;
        }
        float value = std::nearbyint(float(sum) * scale);
        result.push_back(int8_t(std::clamp(value, -128.0F, 127.0F)));
      }
  return result;
}

void check(const Layer &layer, const Hardware &hardware) {
  SCOPED_TRACE(layer.name + " on " + hardware.name);
  Program program = layerProgram(layer, hardware);
  Machine machine(hardware, program, {});
  fill(machine.tensor("input"), 1);
  fill(machine.tensor("weights"), 2);
  float scale = 1.0F / 128;
  if (program.findTensor("scale"))
    for (size_t i = 0; i < machine.tensor("scale").size(); i += 4)
      std::memcpy(&machine.tensor("scale")[i], &scale, 4);
  Statistics full = machine.run();
  std::vector<int8_t> want =
      expected(layer, hardware, machine.tensor("input"), machine.tensor("weights"), scale);
  std::span<uint8_t> got = machine.tensor("output");
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i)
    ASSERT_EQ(int8_t(got[i]), want[i]) << "element " << i;
  EXPECT_EQ(layer.kind == LayerKind::Depthwise ? 0 : layer.macs(), int64_t(full.macs));

  Options timing;
  timing.functional = false;
  Statistics alone = Machine(hardware, program, timing).run();
  EXPECT_EQ(alone.cycles, full.cycles);
  EXPECT_EQ(alone.actions, full.actions);
  for (const EngineCycles &engine : full.engines) {
    uint64_t sum = 0;
    for (uint64_t cycles : engine.cycles)
      sum += cycles;
    EXPECT_EQ(sum, full.cycles) << engine.name;
  }
  EXPECT_GE(double(full.cycles) * full.peakMacs, double(full.macs));
  EXPECT_GE(double(full.cycles) * hardware.dram.bytesPerCycle * 1.01 + 256,
            double(full.dram.read + full.dram.write));
}

TEST(Layer, programsComputeTheirLayers) {
  for (const char *preset : {"edge-512k", "u55-256", "gemmini", "eyeriss", "nvdla"}) {
    Hardware h = loadHardware(preset);
    check({"conv 3x3", LayerKind::Convolution, 14, 13, 20, 37, 3, 3, 1}, h);
    check({"conv 1x1 s2", LayerKind::Convolution, 9, 9, 40, 70, 1, 1, 2}, h);
    check(Layer::gemm("gemm", 50, 33, 100), h);
    check({"depthwise", LayerKind::Depthwise, 12, 11, 70, 70, 3, 3, 1}, h);
    check({"one input", LayerKind::Convolution, 16, 30, 96, 20, 3, 3, 1}, h);
    check({"depthwise, one input", LayerKind::Depthwise, 9, 30, 96, 96, 3, 3, 1}, h);
    check({"depthwise 5x5 s2", LayerKind::Depthwise, 13, 13, 9, 9, 5, 5, 2}, h);
  }
}

float readHalf(std::span<const uint8_t> bytes, int64_t index, Type type) {
  uint16_t bits = 0;
  std::memcpy(&bits, &bytes[size_t(2 * index)], 2);
  return type == Type::Bf16 ? fromBf16(bits) : fromF16(bits);
}

/// Fills with numbers from a normal distribution.
void fillNormal(std::span<uint8_t> bytes, uint64_t seed, Type type) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
    float value = normal(random);
    uint16_t bits = type == Type::Bf16 ? toBf16(value) : toF16(value);
    std::memcpy(&bytes[i], &bits, 2);
  }
}

TEST(Layer, oneInputIsEnough) {
  // 32 KB hold three rows of this input once, not twice.
  Hardware h = loadHardware("u55-256");
  for (LayerKind kind : {LayerKind::Convolution, LayerKind::Depthwise}) {
    Layer layer{"one input", kind, 16, 58, 128, 128, 3, 3, 1};
    EXPECT_EQ(cutLayer(layer, h).inputBuffers, 1);
    check(layer, h);
    h.dma.inChannels = 1;
    check(layer, h);
  }
}

TEST(Layer, weightsStayWhereTheyAreDear) {
  // Flash of one byte a cycle: weights come once, the input for every panel.
  Hardware h = loadHardware("u55-256");
  Layer layer{"weights once", LayerKind::Convolution, 30, 30, 64, 64, 3, 3, 1};
  ASSERT_TRUE(cutLayer(layer, h).weightsOnce);
  check(layer, h);
  Statistics s = Machine(h, layerProgram(layer, h), {false}).run();
  EXPECT_LT(s.dram.read, 9U * 64 * 64 + 8U * 1024);
  for (int64_t channels : {1, 2})
    for (int64_t bytes : {16384, 65536}) {
      h.dma.inChannels = channels;
      h.scratchpad.bytes = bytes;
      check(layer, h);
    }
}

TEST(Layer, convolutionsOfFloats) {
  for (const char *preset : {"eyeriss", "edge-512k"}) {
    Hardware h = loadHardware(preset);
    Layer layer{"f16", LayerKind::Convolution, 10, 9, 20, 37, 3, 3, 1, Type::F16};
    Program program = layerProgram(layer, h);
    Machine machine(h, program, {});
    fillNormal(machine.tensor("input"), 1, Type::F16);
    fillNormal(machine.tensor("weights"), 2, Type::F16);
    float one = 1;
    for (size_t i = 0; i < machine.tensor("scale").size(); i += 4)
      std::memcpy(&machine.tensor("scale")[i], &one, 4);
    machine.run();
    int64_t columns = h.matrix.columns, depth = 9 * layer.channels;
    for (int64_t at = 0; at < layer.pixels() * layer.outputs; ++at) {
      int64_t n = at % layer.outputs, x = at / layer.outputs % layer.outputWidth(),
              y = at / layer.outputs / layer.outputWidth();
      double sum = 0;
      for (int64_t d = 0; d < depth; ++d) {
        int64_t tap = d / layer.channels;
        int64_t pixel = (y + tap / 3) * layer.width + x + tap % 3;
        sum += double(readHalf(machine.tensor("input"), pixel * layer.channels + d % layer.channels,
                               Type::F16)) *
               double(readHalf(machine.tensor("weights"), (n / columns * depth + d) * columns + n % columns,
                               Type::F16));
      }
      ASSERT_NEAR(readHalf(machine.tensor("output"), at, Type::F16), sum, 0.03 + std::abs(sum) * 0.001)
          << preset << " " << at;
    }
  }
}

/// The largest difference between the program's output and attention in double precision.
double attentionError(const Layer &layer, Machine &machine, Type type) {
  int64_t sequence = layer.height, depth = layer.channels;
  auto q = machine.tensor("q"), k = machine.tensor("k"), v = machine.tensor("v"),
       o = machine.tensor("output");
  double worst = 0;
  for (int64_t head = 0; head < layer.width; ++head)
    for (int64_t i = 0; i < sequence; i += 7) {
      std::vector<double> weights;
      double total = 0;
      for (int64_t j = 0; j < sequence; ++j) {
        double score = 0;
        for (int64_t d = 0; d < depth; ++d)
          score += double(readHalf(q, (head * sequence + i) * depth + d, type)) *
                   double(readHalf(k, (head * sequence + j) * depth + d, type));
        weights.push_back(std::exp(score / std::sqrt(double(depth))));
        total += weights.back();
      }
      for (int64_t d = 0; d < depth; ++d) {
        double sum = 0;
        for (int64_t j = 0; j < sequence; ++j)
          sum += weights[size_t(j)] * double(readHalf(v, (head * depth + d) * sequence + j, type));
        double got = readHalf(o, (head * depth + d) * sequence + i, type);
        worst = std::max(worst, std::abs(got - sum / total));
      }
    }
  return worst;
}

TEST(Layer, attentionIsAttention) {
  for (const char *preset : {"edge-512k", "nvdla", "ane-m1"})
    for (const Layer &layer :
         {Layer::attention("one block", 64, 1, 64), Layer::attention("two heads", 192, 2, 64),
          Layer::attention("deep", 512, 1, 128)}) {
      Hardware h = loadHardware(preset);
      SCOPED_TRACE(layer.name + " on " + preset);
      if (std::string(preset) == "ane-m1" && layer.name == "one block")
        continue;
      Type type = attentionType(h);
      Program program = layerProgram(layer, h);
      Machine machine(h, program, {});
      fillNormal(machine.tensor("q"), 1, type);
      fillNormal(machine.tensor("k"), 2, type);
      fillNormal(machine.tensor("v"), 3, type);
      Statistics full = machine.run();
      EXPECT_LT(attentionError(layer, machine, type), type == Type::Bf16 ? 0.02 : 0.003);
      EXPECT_EQ(int64_t(full.macs), layer.macs());
      EXPECT_EQ(Machine(h, program, {false}).run().cycles, full.cycles);
    }
}

TEST(Layer, attentionReachesTheLimitOfTheArray) {
  // 32 heads of 2048 x 128 need 33.6 million cycles of the array; at most 35.4 with all engines overlapped,
  // and 310 MB of traffic.
  Hardware h = loadHardware("edge-512k");
  Layer layer = Layer::attention("attention", 2048, 1, 128);
  Statistics s = Machine(h, layerProgram(layer, h), {false, false}).run();
  EXPECT_LE(double(s.cycles) * 32, 35.4e6);
  EXPECT_LE(double(s.dram.read + s.dram.write) * 32, 310e6);
}

TEST(Layer, serialArrayHasTheClosedForm) {
  Hardware h = loadHardware("edge-512k");
  h.matrix.timing = tenon::mortise::ArrayTiming::Serial;
  Layer layer = Layer::gemm("gemm", 256, 32, 256);
  Statistics s = Machine(h, layerProgram(layer, h), {}).run();
  const EngineCycles *matrix = nullptr;
  for (const EngineCycles &engine : s.engines)
    if (engine.name == "matrix")
      matrix = &engine;
  // The first tile loads while the array waits for its input; from there on all is the closed form.
  ASSERT_NE(matrix, nullptr);
  EXPECT_EQ((*matrix)[Activity::Busy], 8U * 256);
  uint64_t gaps = (*matrix)[Activity::Pipeline] + (*matrix)[Activity::Weights];
  EXPECT_EQ((*matrix)[Activity::Busy] + gaps, 8U * (256 + 2 * 32 + 32 - 2) - 32);
}

TEST(Layer, moreBandwidthOrFewerCyclesNeverHurt) {
  for (const Layer &layer : {Layer{"conv", LayerKind::Convolution, 30, 30, 64, 96, 3, 3, 1},
                             Layer{"depthwise", LayerKind::Depthwise, 30, 30, 128, 128, 3, 3, 1},
                             Layer::gemm("gemm", 200, 256, 512)}) {
    Hardware h = loadHardware("edge-512k");
    Program program = layerProgram(layer, h); // the mapping is held fixed
    uint64_t before = kNever;
    for (double bandwidth : {2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0}) {
      h.dram.bytesPerCycle = bandwidth;
      uint64_t cycles = Machine(h, program, {false}).run().cycles;
      EXPECT_LE(cycles, before) << layer.name << " at " << bandwidth;
      before = cycles;
    }
    uint64_t small = Machine(h, program, {false}).run().cycles;
    h.scratchpad.bytes *= 2;
    EXPECT_LE(Machine(h, program, {false}).run().cycles, small);
  }
}

TEST(Layer, csvErrorsNameTheLine) {
  EXPECT_EQ(parseLayers("name,kind,h,w,cin,cout,r,s,stride\na,conv,8,8,3,4,3,3,1\n", "f").size(), 1U);
  try {
    parseLayers("a,conv,8,8,3,4,3,3,1\nb,pool,8,8,3,4,3,3,1\n", "f.csv");
    FAIL();
  } catch (const tenon::mortise::Error &error) {
    EXPECT_EQ(error.message(), "f.csv:2: the kind must be gemm, conv, depthwise or attention, found 'pool'");
  }
}

} // namespace
