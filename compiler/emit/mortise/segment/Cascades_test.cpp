// Which tensors stay: lifetimes, room, kernels in between.
#include "compiler/emit/mortise/segment/Cascades.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>

using namespace tenon;
using namespace tenon::npu;

namespace {

constexpr int64_t kCeiling = 100 * 1024;

mortise::Hardware machine() {
  mortise::Hardware h = mortise::loadHardware("edge-512k");
  h.scratchpad.bytes = 104 * 1024;
  return h;
}

CascadeTensor tensor(int64_t kibibytes, size_t first, size_t last) {
  return {kibibytes * 1024, kibibytes * 2048, first, last};
}

/// Kernels that take a cycle for each byte of their tensors that does not stay, and need `least` bytes.
CascadeCycles costs(const std::vector<CascadeTensor> &tensors, std::vector<int64_t> least) {
  return
      [&tensors, least](size_t kernel, const CascadePlaces &places, int64_t room) -> std::optional<double> {
        if (room < least[kernel])
          return std::nullopt;
        double cycles = 0;
        for (size_t t = 0; t < tensors.size(); ++t)
          if (!places[t] && (tensors[t].first == kernel || tensors[t].last == kernel))
            cycles += double(tensors[t].bytes);
        return cycles;
      };
}

TEST(Cascades, keepTensorsOneBehindTheOther) {
  std::vector<CascadeTensor> tensors = {tensor(60, 0, 1), tensor(30, 1, 2), tensor(60, 2, 3)};
  mortise::Hardware h = machine();
  Cascades found = chooseCascades(tensors, 4, kCeiling, h, costs(tensors, {0, 0, 0, 0}));
  for (size_t t = 0; t < tensors.size(); ++t) {
    ASSERT_TRUE(found.places[t]) << t;
    EXPECT_LE(*found.places[t] + tensors[t].bytes, kCeiling);
  }
  // Neighbours live at the same time while the kernel between them runs.
  EXPECT_TRUE(*found.places[0] + tensors[0].bytes <= *found.places[1] ||
              *found.places[1] + tensors[1].bytes <= *found.places[0]);
  for (size_t t = 0; t < tensors.size(); ++t)
    for (size_t kernel = tensors[t].first; kernel <= tensors[t].last; ++kernel)
      EXPECT_LE(found.room[kernel], *found.places[t]);
}

TEST(Cascades, leaveOutWhatDoesNotFit) {
  std::vector<CascadeTensor> tensors = {tensor(120, 0, 1), tensor(70, 1, 2), tensor(70, 2, 3)};
  mortise::Hardware h = machine();
  Cascades found = chooseCascades(tensors, 4, kCeiling, h, costs(tensors, {0, 0, 0, 0}));
  EXPECT_FALSE(found.places[0]);
  EXPECT_NE(found.places[1].has_value(), found.places[2].has_value());
  EXPECT_EQ(found.room[0], h.scratchpad.bytes);
}

TEST(Cascades, leaveKernelsInBetweenTheirRoom) {
  // The first lives across a kernel that needs most of the scratchpad.
  std::vector<CascadeTensor> tensors = {tensor(40, 0, 2), tensor(20, 2, 3)};
  mortise::Hardware h = machine();
  Cascades found = chooseCascades(tensors, 4, kCeiling, h, costs(tensors, {0, 80 * 1024, 0, 0}));
  EXPECT_FALSE(found.places[0]);
  EXPECT_TRUE(found.places[1]);
  EXPECT_EQ(found.room[1], h.scratchpad.bytes);
}

TEST(Cascades, keepNothingThatMakesKernelsSlower) {
  std::vector<CascadeTensor> tensors = {tensor(40, 0, 1)};
  mortise::Hardware h = machine();
  auto slower = [&](size_t, const CascadePlaces &places, int64_t room) -> std::optional<double> {
    return double(h.scratchpad.bytes - room) + (places[0] ? 0 : 1000);
  };
  EXPECT_FALSE(chooseCascades(tensors, 2, kCeiling, h, slower).places[0]);
  auto faster = [&](size_t, const CascadePlaces &places, int64_t) -> std::optional<double> {
    return places[0] ? 1 : 2;
  };
  EXPECT_TRUE(chooseCascades(tensors, 2, kCeiling, h, faster).places[0]);
}

TEST(Cascades, neverShareBytesAtATime) {
  std::mt19937 random(3);
  mortise::Hardware h = machine();
  for (int i = 0; i < 200; ++i) {
    std::vector<CascadeTensor> tensors;
    for (size_t t = 0; t < 12; ++t)
      tensors.push_back(tensor(1 + random() % 40, t, std::min<size_t>(12, t + 1 + random() % 4)));
    std::vector<int64_t> least;
    for (size_t kernel = 0; kernel < 13; ++kernel)
      least.push_back(int64_t(random() % 90) * 1024);
    Cascades found = chooseCascades(tensors, 13, kCeiling, h, costs(tensors, least));
    for (size_t kernel = 0; kernel < 13; ++kernel)
      EXPECT_GE(found.room[kernel], least[kernel]);
    for (size_t a = 0; a < tensors.size(); ++a)
      for (size_t b = 0; b < a; ++b)
        if (found.places[a] && found.places[b] && tensors[b].last >= tensors[a].first)
          EXPECT_TRUE(*found.places[a] + tensors[a].bytes <= *found.places[b] ||
                      *found.places[b] + tensors[b].bytes <= *found.places[a]);
  }
}

} // namespace
