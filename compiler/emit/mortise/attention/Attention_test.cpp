#include "compiler/emit/mortise/attention/Attention.h"

#include "sim/Machine.h"
#include "sim/functional/Numbers.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <gtest/gtest.h>
#include <random>

using namespace tenon::npu;
using tenon::mortise::Hardware, tenon::mortise::loadHardware, tenon::mortise::Program, tenon::mortise::Type;
using tenon::sim::Machine, tenon::sim::Statistics;

namespace {

/// A launch: parameters, and lengths where they are 0.
struct Launch {
  int64_t queries = 0, keys = 0;
  std::vector<int32_t> lengths = {}, queryLengths = {};
};

float read(std::span<const uint8_t> bytes, int64_t index, Type type) {
  uint16_t bits = 0;
  std::memcpy(&bits, &bytes[size_t(2 * index)], 2);
  return type == Type::Bf16 ? tenon::sim::fromBf16(bits) : tenon::sim::fromF16(bits);
}

void fillNormal(std::span<uint8_t> bytes, uint64_t seed, Type type) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
    float value = normal(random);
    uint16_t bits = type == Type::Bf16 ? tenon::sim::toBf16(value) : tenon::sim::toF16(value);
    std::memcpy(&bytes[i], &bits, 2);
  }
}

constexpr uint16_t kUntouched = 0x7fc1; ///< a NaN: what lies behind lengths, in inputs and output

class Runner {
public:
  Runner(const AttentionShape &shape, const Hardware &hardware)
      : s_(shape), h_(hardware), type_(attentionType(hardware)), program_(attentionProgram(shape, hardware)) {
  }

  Statistics check(const Launch &launch) {
    Machine machine(h_, program_, {});
    machine.setParameter("queries", launch.queries);
    machine.setParameter("keys", launch.keys);
    fillNormal(machine.tensor("q"), 1, type_);
    fillNormal(machine.tensor("k"), 2, type_);
    fillNormal(machine.tensor("v"), 3, type_);
    copy(machine.tensor("lengths"), launch.lengths);
    copy(machine.tensor("query_lengths"), launch.queryLengths);
    poison(machine, launch);
    Statistics statistics = machine.run();
    for (int64_t b = 0; b < s_.batch; ++b)
      for (int64_t head = 0; head < s_.heads; ++head)
        checkHead(machine, launch, b, head);
    return statistics;
  }
  const Program &program() const { return program_; }

private:
  int64_t keysOf(const Launch &l, int64_t b) const {
    int64_t keys = l.keys > 0 ? l.keys : l.lengths.at(size_t(b));
    return std::clamp<int64_t>(keys, 0, s_.keys);
  }
  int64_t queriesOf(const Launch &l, int64_t b) const {
    int64_t keys = keysOf(l, b), queries = l.queries;
    if (queries == 0)
      queries = keys;
    else if (queries < 0)
      queries = l.queryLengths.at(size_t(b));
    if (s_.queries == 1)
      queries = 1;
    if (s_.causal)
      queries = std::min(queries, keys);
    return keys == 0 ? 0 : std::clamp<int64_t>(queries, 0, s_.queries);
  }
  static void copy(std::span<uint8_t> to, const std::vector<int32_t> &from) {
    if (!from.empty())
      std::memcpy(to.data(), from.data(), std::min(to.size(), from.size() * 4));
  }
  /// NaN behind the lengths: whoever reads it, sees it in the result.
  void poison(Machine &machine, const Launch &l) {
    auto fill = [&](const char *name, int64_t heads, int64_t rows, auto &&used) {
      std::span<uint8_t> bytes = machine.tensor(name);
      for (int64_t b = 0; b < s_.batch; ++b)
        for (int64_t head = 0; head < heads; ++head)
          for (int64_t at = used(b) * s_.depth; at < rows * s_.depth; ++at)
            std::memcpy(&bytes[size_t(((b * heads + head) * rows * s_.depth + at) * 2)], &kUntouched, 2);
    };
    fill("q", s_.heads, s_.queries, [&](int64_t b) { return queriesOf(l, b); });
    fill("k", s_.kvHeads, s_.keys, [&](int64_t b) { return keysOf(l, b); });
    fill("v", s_.kvHeads, s_.keys, [&](int64_t b) { return keysOf(l, b); });
    fill("output", s_.heads, s_.queries, [](int64_t) { return 0; });
  }

  void checkHead(Machine &machine, const Launch &l, int64_t b, int64_t head) {
    auto q = machine.tensor("q"), k = machine.tensor("k"), v = machine.tensor("v"),
         o = machine.tensor("output");
    int64_t queries = queriesOf(l, b), keys = keysOf(l, b), d = s_.depth;
    int64_t row = (b * s_.heads + head) * s_.queries,
            column = (b * s_.kvHeads + head / (s_.heads / s_.kvHeads)) * s_.keys;
    double scale = s_.scale > 0 ? s_.scale : 1 / std::sqrt(double(d)), worst = 0;
    for (int64_t i = 0; i < s_.queries; ++i) {
      std::vector<double> sums(size_t(d), 0);
      double total = 0;
      int64_t seen = i >= queries ? 0 : s_.causal ? keys - queries + i + 1 : keys;
      for (int64_t j = 0; j < seen; ++j) {
        double score = 0;
        for (int64_t c = 0; c < d; ++c)
          score += double(read(q, (row + i) * d + c, type_)) * double(read(k, (column + j) * d + c, type_));
        double power = std::exp(score * scale);
        total += power;
        for (int64_t c = 0; c < d; ++c)
          sums[size_t(c)] += power * double(read(v, (column + j) * d + c, type_));
      }
      for (int64_t c = 0; c < d; ++c) {
        uint16_t bits = 0;
        std::memcpy(&bits, &o[size_t(((row + i) * d + c) * 2)], 2);
        if (seen == 0)
          ASSERT_EQ(bits, kUntouched) << "row " << i << " is none of the sequence";
        else
          worst =
              std::max(worst, std::abs(double(read(o, (row + i) * d + c, type_)) - sums[size_t(c)] / total));
        ASSERT_FALSE(std::isnan(worst) || (seen && bits == kUntouched))
            << "sequence " << b << ", head " << head << ", query " << i << ", element " << c;
      }
    }
    // Weights and output are rounded to bf16 (2^-9 relative), values reach 4: 0.02; f16 has 3 bits more.
    EXPECT_LT(worst, type_ == Type::Bf16 ? 0.02 : 0.004) << "sequence " << b << ", head " << head;
  }

  AttentionShape s_;
  const Hardware &h_;
  Type type_;
  Program program_;
};

Hardware small() {
  // An array of 16 x 16 with 32 lanes, one channel in.
  Hardware h = loadHardware("edge-512k");
  h.name = "edge-small";
  h.matrix.rows = h.matrix.columns = 16;
  h.vector.lanes = 32;
  h.dma.inChannels = 1;
  h.scratchpad.bytes = 262144;
  return h;
}

Statistics timing(const AttentionShape &shape, int64_t queries, int64_t keys) {
  Hardware h = loadHardware("edge-512k");
  Program program = attentionProgram(shape, h);
  Machine machine(h, program, {false, false});
  machine.setParameter("queries", queries);
  machine.setParameter("keys", keys);
  Statistics s = machine.run();
  std::printf("[ figure   ] %.3f million cycles, %.1f MB\n", double(s.cycles) / 1e6,
              double(s.dram.read + s.dram.write) / 1e6);
  return s;
}

TEST(Attention, oneProgramServesAllLengths) {
  Hardware edge = loadHardware("edge-512k");
  for (int64_t depth : {32, 64, 128})
    for (bool causal : {false, true}) {
      Runner runner({1, 1, 1, 320, 320, depth, causal, 0}, edge);
      for (int64_t length : {1, 2, 31, 32, 33, 63, 65, 127, 128, 129, 160, 255, 257, 320})
        if (depth == 64 || length % 32 < 2) {
          SCOPED_TRACE(std::to_string(depth) + (causal ? " causal " : " ") + std::to_string(length));
          runner.check({length, length});
        }
    }
}

TEST(Attention, queriesAndKeysDiffer) {
  Hardware edge = loadHardware("edge-512k");
  for (bool causal : {false, true}) {
    Runner runner({1, 2, 1, 130, 300, 64, causal, 0.2}, edge);
    for (auto [queries, keys] : {std::pair(1, 300), {5, 131}, {130, 129}, {33, 257}, {100, 1}, {1000, 1000}})
      runner.check({queries, keys});
  }
}

TEST(Attention, raggedBatches) {
  Hardware edge = loadHardware("edge-512k");
  for (bool causal : {false, true}) {
    Runner runner({5, 4, 2, 150, 150, 64, causal, 0}, edge);
    runner.check({0, 0, {150, 1, 0, 77, 129}});
    runner.check({0, 0, {0, 0, 0, 0, 0}});
    runner.check({0, 0, {-3, 1000, 32, 128, 64}});
    runner.check({-1, 0, {150, 90, 33, 5, 128}, {3, 90, 0, 7, 1}});
    runner.check({0, 40});
  }
}

TEST(Attention, decodesHeadsThatShareKeysTogether) {
  Hardware edge = loadHardware("edge-512k");
  for (int64_t kvHeads : {1, 2, 8}) {
    Runner runner({3, 8, kvHeads, 1, 700, 64, true, 0}, edge);
    runner.check({0, 0, {700, 1, 333}});
    runner.check({1, 129});
  }
}

TEST(Attention, randomShapes) {
  std::mt19937_64 random(7);
  auto pick = [&](int64_t low, int64_t high) { return low + int64_t(random() % uint64_t(high - low + 1)); };
  Hardware machines[] = {loadHardware("edge-512k"), small(), loadHardware("nvdla"), loadHardware("ane-m1")};
  for (int i = 0; i < 24; ++i) {
    const Hardware &h = machines[i % 4];
    int64_t kvHeads = pick(1, 2), queries = pick(1, 5) == 1 ? 1 : pick(2, 200);
    AttentionShape shape{pick(1, 3),   kvHeads * pick(1, 3), kvHeads,         queries,
                         pick(1, 300), 64 * pick(1, 2),      pick(0, 1) == 1, 0};
    Launch launch{pick(-1, 1) * pick(1, queries), pick(0, 1) * pick(1, shape.keys)};
    for (int64_t b = 0; b < shape.batch; ++b) {
      launch.lengths.push_back(int32_t(pick(0, shape.keys)));
      launch.queryLengths.push_back(int32_t(pick(0, queries)));
    }
    SCOPED_TRACE(h.name + ", case " + std::to_string(i));
    Runner(shape, h).check(launch);
  }
}

TEST(Attention, figuresOfALayerOf7B) {
  // The array alone needs 33.6 million cycles.
  Statistics s = timing({1, 32, 32, 2048, 2048, 128, false, 0}, 2048, 2048);
  EXPECT_LE(double(s.cycles), 34.0e6);
  EXPECT_LE(double(s.dram.read + s.dram.write), 310e6);
}

TEST(Attention, causalSkipsWhatIsMasked) {
  Statistics s = timing({1, 32, 32, 2048, 2048, 128, true, 0}, 2048, 2048);
  EXPECT_LE(double(s.cycles), 18.4e6);
}

TEST(Attention, gathersWithTheirData) {
  // Timing alone does not know where gathers and scatters lie: one head with data.
  Hardware h = loadHardware("edge-512k");
  Program program = attentionProgram({1, 1, 1, 2048, 2048, 128, false, 0}, h);
  Machine machine(h, program, {});
  machine.setParameter("queries", 2048);
  machine.setParameter("keys", 2048);
  uint64_t cycles = machine.run().cycles;
  std::printf("[ figure   ] %.3f million cycles a head with data\n", double(cycles) / 1e6);
  EXPECT_LE(double(cycles) * 32, 34.5e6);
}

TEST(Attention, decodingIsAsFastAsMemory) {
  for (int64_t kvHeads : {32, 8}) {
    Statistics s = timing({1, 32, kvHeads, 1, 2048, 128, true, 0}, 1, 2048);
    double bytes = double(kvHeads) * 2 * 2048 * 128 * 2;
    EXPECT_GE(bytes / 32, 0.9 * double(s.cycles)) << kvHeads;
  }
}

TEST(Attention, refusesWhatDoesNotFit) {
  auto message = [](const AttentionShape &shape, const Hardware &h) -> std::string {
    try {
      attentionProgram(shape, h);
    } catch (const tenon::mortise::Error &error) {
      EXPECT_EQ(error.code(), "TN1361");
      return error.message();
    }
    return "";
  };
  Hardware edge = loadHardware("edge-512k");
  EXPECT_EQ(message({1, 3, 2, 1, 1, 64, false, 0}, edge),
            "attention does not fit edge-512k: kvHeads must divide the 3 heads, found 2");
  EXPECT_EQ(message({1, 1, 1, 8, 8, 40, false, 0}, edge),
            "attention does not fit edge-512k: the depth must be a multiple of 32, found 40");
  EXPECT_EQ(
      message({1, 1, 1, 8, 8, 64, false, 0}, loadHardware("gemmini")),
      "attention does not fit gemmini: the array multiplies neither bf16 nor f16; choose a machine with "
      "one of these rates");
}

} // namespace
