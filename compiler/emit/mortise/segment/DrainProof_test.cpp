#include "compiler/emit/mortise/segment/DrainProof.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace tenon::npu;
using Kind = RequantizeStep::Kind;

namespace {

float drained(const ExactDrain &drain, int32_t sum, float scale) {
  float value = float(sum) * scale;
  if (drain.step != 0)
    value /= drain.step;
  double rounded = std::nearbyint(double(value)) + double(drain.zero);
  return float(std::clamp(rounded, double(drain.low), double(drain.high)));
}

TEST(DrainProof, theDrainGivesWhatTheFormulaGives) {
  std::mt19937 random(3);
  std::uniform_real_distribution<float> scale(1e-5F, 2e-3F), step(0.005F, 0.1F);
  for (int i = 0; i < 60; ++i) {
    Requantization r{{scale(random), scale(random)},
                     {{Kind::Divide, step(random)},
                      {Kind::Round, 0},
                      {Kind::Add, float(random() % 256)},
                      {Kind::Maximum, 0},
                      {Kind::Minimum, 255}}};
    if (i % 2) // an activation
      r.steps.insert(r.steps.begin(), {{Kind::Maximum, 0}, {Kind::Minimum, 6}});
    std::optional<ExactDrain> drain = exactDrain(r);
    ASSERT_TRUE(drain);
    for (float s : r.scale) {
      for (int32_t sum = -60000; sum < 60000; ++sum)
        ASSERT_EQ(drained(*drain, sum, s), r.evaluate(sum, s)) << i << ": " << sum;
      for (int k = 0; k < 2000; ++k) {
        auto sum = int32_t(random());
        ASSERT_EQ(drained(*drain, sum, s), r.evaluate(sum, s)) << i << ": " << sum;
      }
    }
  }
}

TEST(DrainProof, otherFormsAreLeft) {
  std::vector<RequantizeStep> tail = {
      {Kind::Divide, 0.1F}, {Kind::Round, 0}, {Kind::Maximum, 0}, {Kind::Minimum, 255}};
  EXPECT_TRUE(exactDrain({{0.001F}, tail}));
  EXPECT_FALSE(exactDrain({{0.001F, -0.001F}, tail}));      // falls as the sum grows
  EXPECT_FALSE(exactDrain({{0.001F}, {{Kind::Round, 0}}})); // no byte
  std::vector<RequantizeStep> shifted = tail;
  shifted.insert(shifted.begin(), {Kind::Add, 0.3F});
  EXPECT_FALSE(exactDrain({{0.001F}, shifted}));
  std::vector<RequantizeStep> twice = tail;
  twice.insert(twice.begin(), {Kind::Multiply, 0.3F});
  EXPECT_FALSE(exactDrain({{0.001F}, twice}));
  EXPECT_FALSE(exactDrain({{}, tail}));
}

} // namespace
