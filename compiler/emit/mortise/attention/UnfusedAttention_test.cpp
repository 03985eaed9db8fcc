// Attention as three kernels on the simulator, against loops.
#include "compiler/emit/mortise/attention/UnfusedAttention.h"

#include "sim/Machine.h"
#include "sim/functional/Numbers.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <random>

using namespace tenon;
using namespace tenon::npu;
using mortise::Hardware;

namespace {

float read(std::span<const uint8_t> bytes, int64_t element) {
  uint16_t bits = 0;
  std::memcpy(&bits, &bytes[size_t(2 * element)], 2);
  return sim::fromBf16(bits);
}

void check(const AttentionShape &s, bool overlapped) {
  Hardware h = mortise::loadHardware("edge-512k");
  mortise::Program program = unfusedAttention(s, overlapped, h);
  sim::Machine machine(h, program, {});
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (const char *name : {"q", "k", "v"}) {
    std::span<uint8_t> bytes = machine.tensor(name);
    for (size_t i = 0; i < bytes.size(); i += 2) {
      uint16_t bits = sim::toBf16(normal(random));
      std::memcpy(&bytes[i], &bits, 2);
    }
  }
  machine.run();
  auto q = machine.tensor("q"), k = machine.tensor("k"), v = machine.tensor("v"),
       o = machine.tensor("output");
  for (int64_t head = 0; head < s.heads; ++head)
    for (int64_t row = 0; row < s.queries; row += 7) {
      std::vector<double> sums(size_t(s.depth), 0);
      double total = 0;
      for (int64_t key = 0; key < s.keys; ++key) {
        double score = 0;
        for (int64_t d = 0; d < s.depth; ++d)
          score += double(read(q, (head * s.queries + row) * s.depth + d)) *
                   double(read(k, (head * s.keys + key) * s.depth + d));
        double weight = std::exp(score / std::sqrt(double(s.depth)));
        total += weight;
        for (int64_t d = 0; d < s.depth; ++d)
          sums[size_t(d)] += weight * double(read(v, (head * s.keys + key) * s.depth + d));
      }
      for (int64_t d = 0; d < s.depth; ++d)
        ASSERT_NEAR(double(read(o, (head * s.queries + row) * s.depth + d)), sums[size_t(d)] / total, 0.03)
            << head << ", " << row << ", " << d;
    }
}

TEST(UnfusedAttention, computesWhatLoopsDo) {
  for (bool overlapped : {false, true}) {
    check({1, 2, 2, 256, 256, 128, false, 0}, overlapped);
    check({1, 1, 1, 2048, 512, 64, false, 0}, overlapped);
  }
}

TEST(UnfusedAttention, saysWhatDoesNotFit) {
  try {
    unfusedAttention({1, 2, 1, 256, 256, 128, false, 0}, true, mortise::loadHardware("edge-512k"));
    FAIL();
  } catch (const mortise::Error &error) {
    EXPECT_EQ(error.code(), "TN1361");
    EXPECT_EQ(error.message(),
              "unfused attention does not fit edge-512k: each head has keys of its own, found 1");
  }
}

} // namespace
