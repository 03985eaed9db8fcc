// Attention of known sizes on the simulator, against loops.
#include "compiler/emit/mortise/attention/StaticAttention.h"

#include "sim/Machine.h"
#include "sim/functional/Numbers.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>
#include <random>

using namespace tenon;
using namespace tenon::npu;
using mortise::Hardware, mortise::Role, mortise::Type;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

int64_t bytesOf(Type type) { return int64_t(mortise::typeBits(type)) / 8; }

float read(const std::vector<uint8_t> &bytes, int64_t at, Type type) {
  float value = 0;
  if (type == Type::F32) {
    std::memcpy(&value, &bytes.at(size_t(at)), 4);
    return value;
  }
  if (type == Type::U8)
    return bytes.at(size_t(at)) ? 0 : -kInfinity;
  uint16_t bits = 0;
  std::memcpy(&bits, &bytes.at(size_t(at)), 2);
  return sim::fromBf16(bits);
}

void write(std::vector<uint8_t> &bytes, int64_t at, float value, Type type) {
  if (type == Type::F32) {
    std::memcpy(&bytes.at(size_t(at)), &value, 4);
  } else if (type == Type::U8) {
    bytes.at(size_t(at)) = value == 0 ? 1 : 0;
  } else {
    uint16_t bits = sim::toBf16(value);
    std::memcpy(&bytes.at(size_t(at)), &bits, 2);
  }
}

/// Rows [batch, heads, rows, elements] or [batch, rows, heads, elements] ("interleaved").
struct Rows4 {
  AttentionRows rows;
  std::vector<uint8_t> bytes;

  Rows4(Type type, int64_t batch, int64_t heads, int64_t count, int64_t elements, bool interleaved) {
    int64_t size = bytesOf(type) * elements;
    rows.type = type;
    rows.batch = heads * count * size;
    rows.head = interleaved ? size : count * size;
    rows.row = interleaved ? heads * size : size;
    bytes.resize(size_t(batch * rows.batch));
  }
  int64_t at(int64_t b, int64_t h, int64_t row, int64_t element) const {
    return b * rows.batch + h * rows.head + row * rows.row + element * bytesOf(rows.type);
  }
  float operator()(int64_t b, int64_t h, int64_t row, int64_t element) const {
    return read(bytes, at(b, h, row, element), rows.type);
  }
  void fill(std::mt19937 &random) {
    std::normal_distribution<float> normal;
    for (int64_t at = 0; at < int64_t(bytes.size()); at += bytesOf(rows.type))
      write(bytes, at, normal(random), rows.type);
  }
};

struct Case {
  int64_t batch = 1, heads = 1, kvHeads = 1, queries = 1, keys = 1, depth = 32, valueDepth = 32;
  bool causal = false;
  Type type = Type::F32, result = Type::F32;
  bool interleaved = false;
  std::optional<Type> mask = {};
  bool maskBatch = false, maskHead = false, maskQuery = false;
  double scale = 0.2;
};

class Check {
public:
  Check(const Case &c, std::mt19937 &random)
      : c_(c), q_(c.type, c.batch, c.heads, c.queries, c.depth, c.interleaved),
        k_(c.type, c.batch, c.kvHeads, c.keys, c.depth, c.interleaved),
        v_(c.type, c.batch, c.kvHeads, c.keys, c.valueDepth, c.interleaved),
        o_(c.result, c.batch, c.heads, c.queries, c.valueDepth, c.interleaved) {
    for (Rows4 *rows : {&q_, &k_, &v_})
      rows->fill(random);
    if (c.mask)
      fillMask(random);
  }

  /// Cycles, or 0 where the machine does not take it.
  uint64_t run(const Hardware &h, const std::string &what) {
    StaticAttention a;
    a.batch = c_.batch, a.heads = c_.heads, a.kvHeads = c_.kvHeads;
    a.queries = c_.queries, a.keys = c_.keys, a.depth = c_.depth, a.valueDepth = c_.valueDepth;
    a.causal = c_.causal, a.scale = c_.scale;
    a.query = q_.rows, a.key = k_.rows, a.value = v_.rows, a.output = o_.rows;
    if (c_.mask)
      a.mask = mask_;
    std::string why;
    std::optional<StaticAttentionPlan> plan = planStatic(a, h, why);
    EXPECT_TRUE(plan) << what << ": " << why;
    if (!plan)
      return 0;
    Stream stream;
    stream.nodes = {"attention"};
    uint64_t next = 0;
    auto tensor = [&](const char *name, Role role, size_t bytes) {
      stream.tensors.push_back({name, role, Type::U8, {int64_t(bytes)}, next, {}});
      next += (bytes + 63) / 64 * 64;
      return int64_t(stream.tensors.back().address);
    };
    StaticAttention &placed = plan->attention;
    placed.query.memory = tensor("q", Role::Input, q_.bytes.size());
    placed.key.memory = tensor("k", Role::Input, k_.bytes.size());
    placed.value.memory = tensor("v", Role::Input, v_.bytes.size());
    if (c_.mask)
      placed.mask->memory = tensor("mask", Role::Input, maskBytes_.size());
    placed.output.memory = tensor("o", Role::Output, o_.bytes.size());
    for (size_t k = 0; k < kStaticKernels; ++k) {
      plan->numbers[k] = uint32_t(stream.kernels.size());
      stream.kernels.push_back({plan->kernels[k].code, {}});
    }
    emitStatic(*plan, h, stream);
    FinishedStream finished = finishStream(std::move(stream), h, {});
    EXPECT_EQ(finished.error, "") << what;
    sim::Machine machine(h, finished.program, {});
    machine.bind("q", q_.bytes);
    machine.bind("k", k_.bytes);
    machine.bind("v", v_.bytes);
    if (c_.mask)
      machine.bind("mask", maskBytes_);
    machine.bind("o", o_.bytes);
    sim::Statistics statistics = machine.run();
    EXPECT_EQ(statistics.macs, macs()) << what;
    for (int64_t b = 0; b < c_.batch; ++b)
      for (int64_t head = 0; head < c_.heads; ++head)
        for (int64_t row = 0; row < c_.queries; ++row)
          compare(b, head, row, what);
    return statistics.cycles;
  }

  AttentionMask mask_;
  std::vector<uint8_t> maskBytes_;

private:
  void fillMask(std::mt19937 &random) {
    int64_t size = bytesOf(*c_.mask), rows = c_.maskQuery ? c_.queries : 1,
            heads = c_.maskHead ? c_.heads : 1;
    mask_.type = *c_.mask;
    mask_.query = c_.maskQuery ? c_.keys * size : 0;
    mask_.head = c_.maskHead ? rows * c_.keys * size : 0;
    mask_.batch = c_.maskBatch ? heads * rows * c_.keys * size : 0;
    maskBytes_.resize(size_t((c_.maskBatch ? c_.batch : 1) * heads * rows * c_.keys * size));
    // Some keys hidden, in the ways that models have.
    float hidden[] = {-kInfinity, -3.4028235e38F, -10000.0F};
    for (int64_t at = 0; at < int64_t(maskBytes_.size()); at += size)
      write(maskBytes_, at, random() % 3 ? 0 : hidden[random() % 3], *c_.mask);
    // A row of which no key counts, and one whose scores all vanish beside the mask.
    for (int64_t key = 0; key < c_.keys && rows > 1; ++key) {
      write(maskBytes_, key * size, -kInfinity, *c_.mask);
      write(maskBytes_, mask_.query + key * size, -3.4028235e38F, *c_.mask);
    }
  }

  uint64_t macs() const {
    int64_t sum = 0, tile = 32;
    for (int64_t row = 0; row < c_.queries; ++row) {
      int64_t last = std::min(c_.queries - 1, row / tile * tile + tile - 1);
      sum += c_.causal ? c_.keys - c_.queries + last + 1 : c_.keys;
    }
    return uint64_t(c_.batch * c_.heads * sum * (c_.depth + c_.valueDepth));
  }

  void compare(int64_t b, int64_t head, int64_t row, const std::string &what) {
    int64_t keyHead = head / (c_.heads / c_.kvHeads);
    std::vector<float> scores;
    for (int64_t key = 0; key < c_.keys; ++key) {
      double score = 0;
      for (int64_t d = 0; d < c_.depth; ++d)
        score += double(sim::fromBf16(sim::toBf16(q_(b, head, row, d)))) *
                 double(sim::fromBf16(sim::toBf16(k_(b, keyHead, key, d))));
      auto value = float(score * c_.scale);
      if (c_.mask)
        value += read(maskBytes_,
                      b * mask_.batch + head * mask_.head + row * mask_.query + key * bytesOf(mask_.type),
                      mask_.type);
      scores.push_back(c_.causal && key > c_.keys - c_.queries + row ? -kInfinity : value);
    }
    float largest = *std::max_element(scores.begin(), scores.end());
    double total = 0;
    for (float &score : scores) {
      score = largest == -kInfinity ? 0 : std::exp(score - largest);
      total += double(score);
    }
    for (int64_t e = 0; e < c_.valueDepth; ++e) {
      double expected = 0;
      for (int64_t key = 0; key < c_.keys; ++key)
        expected += double(scores[size_t(key)]) * double(v_(b, keyHead, key, e));
      expected = total > 0 ? expected / total : 0;
      // Weights, values and perhaps results are rounded to bf16.
      ASSERT_NEAR(double(o_(b, head, row, e)), expected, 0.03)
          << what << ": " << b << ", " << head << ", " << row << ", " << e;
    }
  }

  Case c_;
  Rows4 q_, k_, v_, o_;
};

void check(const Case &c, const std::string &what, const Hardware &h = mortise::loadHardware("edge-512k")) {
  std::mt19937 random(5);
  Check(c, random).run(h, what);
}

TEST(StaticAttention, takesWhatLengthsThereAre) {
  for (int64_t length : {1, 2, 31, 32, 33, 40, 128, 197, 300})
    check({.heads = 2, .kvHeads = 2, .queries = length, .keys = length}, std::to_string(length));
  check({.queries = 5, .keys = 300}, "5 queries");
  check({.queries = 300, .keys = 3}, "3 keys");
}

TEST(StaticAttention, takesWhatDepthsThereAre) {
  for (int64_t depth : {1, 15, 16, 40, 64, 80, 128})
    for (Type type : {Type::F32, Type::Bf16})
      check({.queries = 40, .keys = 70, .depth = depth, .valueDepth = depth, .type = type},
            std::to_string(depth));
  check({.queries = 40, .keys = 70, .depth = 24, .valueDepth = 100}, "values of another depth");
}

TEST(StaticAttention, seesKeysUpToItself) {
  for (int64_t keys : {64, 100, 500})
    check({.queries = 64, .keys = keys, .causal = true}, std::to_string(keys));
  check({.queries = 700, .keys = 700, .depth = 64, .valueDepth = 64, .causal = true}, "700");
}

TEST(StaticAttention, addsMasks) {
  for (Type type : {Type::F32, Type::Bf16, Type::U8})
    for (int shape = 0; shape < 8; ++shape) {
      Case c{.batch = 2, .heads = 3, .kvHeads = 3, .queries = 50, .keys = 90, .mask = type};
      c.maskBatch = shape & 1, c.maskHead = shape & 2, c.maskQuery = shape & 4;
      check(c, "mask " + std::to_string(int(type)) + ", " + std::to_string(shape));
    }
  check({.heads = 2, .kvHeads = 2, .queries = 600, .keys = 600, .mask = Type::F32, .maskQuery = true},
        "a mask that does not stay");
}

TEST(StaticAttention, randomShapes) {
  std::mt19937 random(11);
  auto pick = [&](int64_t low, int64_t high) { return low + int64_t(random() % uint64_t(high - low + 1)); };
  Hardware small = mortise::loadHardware("edge-512k");
  small.name = "edge-small";
  small.matrix.rows = small.matrix.columns = 32;
  small.vector.lanes = 32;
  small.dma.inChannels = 1;
  small.scratchpad.bytes = 131072;
  Hardware machines[] = {mortise::loadHardware("edge-512k"), small};
  for (int i = 0; i < 40; ++i) {
    Case c;
    c.kvHeads = pick(1, 3);
    c.heads = c.kvHeads * pick(1, 2);
    c.batch = pick(1, 2);
    c.keys = pick(1, 400);
    c.causal = pick(0, 2) == 0;
    c.queries = c.causal ? pick(1, c.keys) : pick(1, 300);
    c.depth = pick(1, 100);
    c.valueDepth = pick(1, 100);
    c.type = pick(0, 1) ? Type::F32 : Type::Bf16;
    c.result = pick(0, 1) ? Type::F32 : Type::Bf16;
    c.interleaved = pick(0, 1);
    if (pick(0, 1)) {
      Type types[] = {Type::F32, Type::Bf16, Type::U8};
      c.mask = types[pick(0, 2)];
      c.maskBatch = pick(0, 1), c.maskHead = pick(0, 1), c.maskQuery = pick(0, 1);
    }
    c.scale = 1 / std::sqrt(double(c.depth));
    Check(c, random).run(machines[i % 2], "case " + std::to_string(i));
  }
}

TEST(StaticAttention, keepsTheArrayBusy) {
  std::mt19937 random(5);
  Case c{.heads = 4,
         .kvHeads = 4,
         .queries = 512,
         .keys = 512,
         .depth = 64,
         .valueDepth = 64,
         .type = Type::Bf16};
  uint64_t cycles = Check(c, random).run(mortise::loadHardware("edge-512k"), "512");
  double ideal = 4.0 * 512 * 512 * 128 / 1024;
  std::printf("[ figure   ] %.0f cycles, the array alone %.0f\n", double(cycles), ideal);
  EXPECT_LE(double(cycles), 1.5 * ideal);
}

TEST(StaticAttention, saysWhatDoesNotFit) {
  auto why = [](const Case &c, const Hardware &h) {
    std::string text;
    StaticAttention a;
    a.queries = c.queries, a.keys = c.keys, a.depth = c.depth, a.valueDepth = c.valueDepth,
    a.causal = c.causal;
    EXPECT_FALSE(planStatic(a, h, text));
    return text;
  };
  Hardware edge = mortise::loadHardware("edge-512k");
  EXPECT_EQ(why({}, mortise::loadHardware("gemmini")), "the matrix unit multiplies no bf16");
  EXPECT_EQ(why({.valueDepth = 1000}, edge),
            "scores and results of 1000 columns do not fit the accumulators");
  EXPECT_EQ(why({.queries = 9, .keys = 3, .causal = true}, edge),
            "a causal mask with more queries than keys has no form on the NPU");
}

} // namespace
