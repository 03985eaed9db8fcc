#include "compiler/offsets/AssignOffsets.h"
#include "compiler/offsets/PlacementSearch.h"
#include "compiler/offsets/Rules.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <numeric>
#include <random>

using namespace tenon::offsets;

namespace {

bool alive(const Buffer &a, const Buffer &b) { return a.begin < b.end && b.begin < a.end; }

/// Every promise of an assignment that can be read off it.
void expectValid(const std::vector<Buffer> &buffers, const Assignment &result) {
  ASSERT_EQ(result.offsets.size(), buffers.size());
  int64_t peak = 0;
  for (size_t a = 0; a < buffers.size(); ++a) {
    EXPECT_GE(result.offsets[a], 0);
    EXPECT_EQ(result.offsets[a] % buffers[a].alignment, 0) << a;
    if (buffers[a].offset)
      EXPECT_EQ(result.offsets[a], *buffers[a].offset);
    if (buffers[a].size == 0)
      continue;
    int64_t end = result.offsets[a] + buffers[a].size;
    peak = std::max(peak, end);
    for (size_t b = 0; b < a; ++b)
      EXPECT_TRUE(!alive(buffers[a], buffers[b]) || end <= result.offsets[b] ||
                  result.offsets[b] + buffers[b].size <= result.offsets[a])
          << a << " and " << b;
  }
  EXPECT_EQ(result.peak, peak);
  EXPECT_GE(result.peak, result.lowerBound);
  EXPECT_LE(result.peak, result.firstFitPeak);
}

int64_t mostAlive(const std::vector<Buffer> &buffers) {
  int64_t most = 0;
  for (const Buffer &at : buffers) {
    int64_t sum = 0;
    for (const Buffer &buffer : buffers)
      if (buffer.begin <= at.begin && at.begin < buffer.end)
        sum += buffer.size;
    most = std::max(most, sum);
  }
  return most;
}

/// The lowest peak, by giving each permutation of the buffers the lowest offsets above the earlier ones.
int64_t lowestPeak(const std::vector<Buffer> &buffers) {
  std::vector<size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), 0);
  int64_t lowest = INT64_MAX;
  do {
    std::vector<int64_t> offsets(buffers.size());
    int64_t peak = 0;
    for (size_t i = 0; i < order.size() && peak < lowest; ++i) {
      const Buffer &buffer = buffers[order[i]];
      int64_t offset = buffer.offset.value_or(0);
      for (size_t j = 0; j < i; ++j)
        if (alive(buffer, buffers[order[j]]))
          offset = std::max(offset, offsets[order[j]] + buffers[order[j]].size);
      offset = (offset + buffer.alignment - 1) / buffer.alignment * buffer.alignment;
      if (buffer.offset && offset != *buffer.offset)
        peak = INT64_MAX;
      offsets[order[i]] = offset;
      peak = std::max(peak, offset + buffer.size);
    }
    lowest = std::min(lowest, peak);
  } while (std::next_permutation(order.begin(), order.end()));
  return lowest;
}

struct Shape {
  size_t count;
  int64_t times, sizes;
  bool aligned = false, fixed = false;
};

std::vector<Buffer> randomBuffers(std::mt19937 &random, const Shape &shape) {
  std::vector<Buffer> buffers(shape.count);
  for (Buffer &buffer : buffers) {
    buffer.begin = int64_t(random() % uint64_t(shape.times));
    buffer.end = buffer.begin + 1 + int64_t(random() % uint64_t(shape.times));
    buffer.size = 1 + int64_t(random() % uint64_t(shape.sizes));
    if (shape.aligned)
      buffer.alignment = int64_t(1 + random() % 4);
  }
  if (shape.fixed)
    buffers.front().offset = int64_t(random() % 6) * buffers.front().alignment;
  return buffers;
}

TEST(AssignOffsets, NothingToPlace) {
  Assignment none = assignOffsets({});
  EXPECT_EQ(none.peak, 0);
  EXPECT_TRUE(none.optimal());
  std::vector<Buffer> empty = {{0, 4, 0}, {0, 4, 0, 1, 8}};
  Assignment result = assignOffsets(empty);
  EXPECT_EQ(result.peak, 0);
  EXPECT_EQ(result.offsets, (std::vector<int64_t>{0, 8}));
}

TEST(AssignOffsets, EndsAreExclusive) {
  std::vector<Buffer> buffers = {{0, 3, 64}, {3, 5, 64}, {5, 9, 64}};
  Assignment result = assignOffsets(buffers);
  expectValid(buffers, result);
  EXPECT_EQ(result.peak, 64);
}

TEST(AssignOffsets, NamesTheBuffersOfTheBound) {
  std::vector<Buffer> buffers = {{0, 2, 10}, {1, 4, 20}, {3, 6, 30}, {5, 6, 5}};
  Assignment result = assignOffsets(buffers);
  expectValid(buffers, result);
  EXPECT_EQ(result.lowerBound, 50);
  EXPECT_EQ(result.atBound, (std::vector<size_t>{1, 2}));
}

TEST(AssignOffsets, LowestPeakOfSmallInstances) {
  std::mt19937 random(1);
  size_t aboveBound = 0;
  for (int i = 0; i < 400; ++i) {
    Shape shape = {5 + size_t(i % 3), 2 + i % 5, 3 + i % 9, i % 4 >= 2, i % 4 == 3};
    std::vector<Buffer> buffers = randomBuffers(random, shape);
    Assignment result = assignOffsets(buffers);
    expectValid(buffers, result);
    EXPECT_EQ(result.peak, lowestPeak(buffers)) << "instance " << i;
    EXPECT_TRUE(result.optimal()) << "instance " << i << ": a search without a limit proves the peak";
    aboveBound += result.peak > mostAlive(buffers);
  }
  EXPECT_GT(aboveBound, 20u) << "no instance needs a proof";
}

TEST(AssignOffsets, RandomInstances) {
  std::mt19937 random(2);
  for (int i = 0; i < 60; ++i) {
    Shape shape = {20 + size_t(i), 10 + i, 1000, i % 2 == 1, i % 3 == 2};
    std::vector<Buffer> buffers = randomBuffers(random, shape);
    Assignment result = assignOffsets(buffers, {.capacity = {}, .seconds = 0.05});
    expectValid(buffers, result);
    EXPECT_GE(result.lowerBound, mostAlive(buffers));
  }
}

/// Cuts a rectangle of bytes and time into buffers, so that a placement without a gap exists.
std::vector<Buffer> cutRectangle(std::mt19937 &random, int64_t height, int64_t time, size_t count) {
  struct Part {
    int64_t begin, end, low, high;
  };
  std::vector<Part> parts = {{0, time, 0, height}};
  while (parts.size() < count) {
    Part &part = parts[random() % parts.size()];
    Part other = part;
    if (random() % 2 && part.end - part.begin > 1)
      part.end = other.begin = part.begin + 1 + int64_t(random() % uint64_t(part.end - part.begin - 1));
    else if (part.high - part.low > 1)
      part.high = other.low = part.low + 1 + int64_t(random() % uint64_t(part.high - part.low - 1));
    else
      continue;
    parts.push_back(other);
  }
  std::vector<Buffer> buffers;
  for (const Part &part : parts)
    buffers.push_back({part.begin, part.end, part.high - part.low});
  std::shuffle(buffers.begin(), buffers.end(), random);
  return buffers;
}

TEST(AssignOffsets, FindsPlacementsWithoutGaps) {
  std::mt19937 random(3);
  size_t searched = 0;
  for (int i = 0; i < 20; ++i) {
    std::vector<Buffer> buffers = cutRectangle(random, 4096, 200, 60 + 2 * size_t(i));
    Assignment result = assignOffsets(buffers, {.capacity = 4096, .seconds = 20});
    expectValid(buffers, result);
    EXPECT_EQ(result.peak, 4096) << "instance " << i;
    searched += result.steps > 0;
  }
  EXPECT_GT(searched, 10u);
}

TEST(AssignOffsets, StopsAtTheCapacity) {
  std::mt19937 random(4);
  std::vector<Buffer> buffers = randomBuffers(random, {60, 20, 500});
  Assignment greedy = assignOffsets(buffers, {.capacity = INT64_MAX, .seconds = 5});
  expectValid(buffers, greedy);
  EXPECT_EQ(greedy.steps, 0u);
  // Below the bound: the search ends by itself, long before the time.
  Assignment hopeless = assignOffsets(buffers, {.capacity = 1, .seconds = 100});
  expectValid(buffers, hopeless);
  EXPECT_GT(hopeless.peak, 1);
}

TEST(AssignOffsets, SameOffsetsOnEveryRun) {
  std::mt19937 random(5);
  std::vector<Buffer> buffers = cutRectangle(random, 4096, 100, 90);
  Assignment first = assignOffsets(buffers), second = assignOffsets(buffers);
  EXPECT_EQ(first.offsets, second.offsets);
  EXPECT_EQ(first.steps, second.steps);
}

TEST(AssignOffsets, TimesAndSizesAtTheirLimits) {
  int64_t huge = int64_t(1) << 58;
  std::vector<Buffer> buffers = {{INT64_MIN, INT64_MAX, huge}, {INT64_MIN, 0, huge}, {0, INT64_MAX, huge}};
  ASSERT_FALSE(findFault(buffers));
  Assignment result = assignOffsets(buffers);
  expectValid(buffers, result);
  EXPECT_EQ(result.peak, 2 * huge);
}

TEST(AssignOffsets, ManyBuffersAreStillPlaced) {
  std::mt19937 random(6);
  std::vector<Buffer> buffers = randomBuffers(random, {3000, 3000, 1000});
  Assignment result = assignOffsets(buffers, {.capacity = {}, .seconds = 0.2});
  ASSERT_EQ(result.offsets.size(), buffers.size());
  EXPECT_LE(result.peak, result.firstFitPeak);
  EXPECT_LT(result.peak, result.lowerBound * 2);
}

TEST(FindFault, NamesTheBufferAndTheReason) {
  int64_t most = int64_t(1) << 60;
  const std::vector<std::pair<Buffer, const char *>> cases = {
      {{0, 1, -1}, "size -1 is negative"},
      {{3, 3, 1}, "ends at 3, not after its begin at 3"},
      {{0, 1, 1, 0}, "alignment 0"},
      {{0, 1, most}, "2^60"},
      {{0, 1, 1, 1, -4}, "fixed offset -4"},
      {{0, 1, 1, 1, most}, "fixed offset"},
      {{0, 1, 1, 8, 4}, "no multiple of the alignment 8"},
      {{0, 1, 8, 1, 4}, "overlaps that of buffer 0"},
  };
  for (const auto &[bad, message] : cases) {
    std::vector<Buffer> buffers = {{0, 9, 8, 1, 0}, bad};
    std::optional<Fault> fault = findFault(buffers);
    ASSERT_TRUE(fault) << message;
    EXPECT_EQ(fault->buffer, 1u);
    EXPECT_NE(fault->message.find(message), std::string::npos) << fault->message;
  }
  std::vector<Buffer> good = {{0, 9, 8, 1, 0}, {9, 10, 8, 1, 0}, {0, 9, 8, 4, 8}};
  EXPECT_FALSE(findFault(good));
}

TEST(PlacementSearch, ProvesThatAHeightIsImpossible) {
  // Three at each time, of 2 bytes in 7: the fourth needs both halves of time at one height.
  std::vector<Buffer> buffers = {{0, 2, 4}, {1, 3, 2}, {2, 4, 4}, {3, 5, 3}, {0, 1, 3}, {4, 5, 4}};
  Instance instance(buffers);
  int64_t lowest = lowestPeak(buffers);
  Deadline never = Deadline::max();
  for (uint64_t number = 0; number < 40; ++number) {
    Rule rule = attempt(instance, number).rule;
    PlacementSearch below(instance, lowest - 1), at(instance, lowest);
    EXPECT_EQ(below.run(rule, UINT32_MAX, never), PlacementSearch::Outcome::Impossible);
    EXPECT_EQ(at.run(rule, UINT32_MAX, never), PlacementSearch::Outcome::Found);
    EXPECT_EQ(at.run(rule, 1, never), PlacementSearch::Outcome::GaveUp);
  }
}

TEST(Rules, LimitsFollowLuby) {
  std::vector<Buffer> buffers = {{0, 1, 1}};
  Instance instance(buffers);
  uint64_t unit = attempt(instance, 16).limit;
  const uint64_t expected[] = {1, 1, 2, 1, 1, 2, 4, 1, 1, 2, 1, 1, 2, 4, 8};
  for (uint64_t i = 0; i < std::size(expected); ++i)
    EXPECT_EQ(attempt(instance, 16 + i).limit, expected[i] * unit) << i;
}

} // namespace
