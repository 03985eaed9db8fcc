// Where elements of broadcast operands lie, against indices that are counted out.
#include "compiler/emit/mortise/tile/RepeatPattern.h"

#include <gtest/gtest.h>
#include <random>

using namespace tenon::npu;

namespace {

using Shape = std::vector<int64_t>;

int64_t elementsOf(const Shape &shape) {
  int64_t count = 1;
  for (int64_t extent : shape)
    count *= extent;
  return count;
}

/// Which element of `from` an element of `to` reads.
int64_t broadcastIndex(const Shape &from, const Shape &to, int64_t element) {
  int64_t index = 0, stride = 1;
  for (size_t i = to.size(); i--; element /= to[i]) {
    index += from[i] == 1 ? 0 : element % to[i] * stride;
    stride *= from[i];
  }
  return index;
}

int64_t indexOf(const std::vector<RepeatPattern::Axis> &axes, int64_t element) {
  int64_t index = 0;
  for (size_t i = axes.size(); i--; element /= axes[i].count)
    index += element % axes[i].count * axes[i].stride;
  return index;
}

TEST(RepeatPattern, followsBroadcastsAndRows) {
  std::mt19937 random(3);
  for (int n = 0; n < 200; ++n) {
    Shape to(1 + random() % 4), from = to;
    for (size_t i = 0; i < to.size(); ++i) {
      to[i] = 1 + int64_t(random() % 5);
      from[i] = random() % 2 ? 1 : to[i];
    }
    // Through a second broadcast, of what the first one reads.
    Shape inner = from;
    for (int64_t &extent : inner)
      extent = random() % 3 ? extent : 1;
    int64_t count = elementsOf(to);
    std::optional<RepeatPattern> pattern = RepeatPattern(count).throughBroadcast(from, to);
    ASSERT_TRUE(pattern);
    std::optional<RepeatPattern> both = pattern->throughBroadcast(inner, from);
    ASSERT_TRUE(both);
    for (int64_t i = 0; i < count; ++i) {
      ASSERT_EQ(indexOf(pattern->axes(), i), broadcastIndex(from, to, i));
      ASSERT_EQ(indexOf(both->axes(), i), broadcastIndex(inner, from, broadcastIndex(from, to, i)));
    }
    // The last axis is a row of elements or one number, whatever the others are.
    std::optional<RepeatPattern::Split> split = both->split(to.back());
    ASSERT_TRUE(split);
    EXPECT_TRUE(split->isRow() || split->isNumber());
    for (int64_t i = 0; i < count; ++i)
      ASSERT_EQ(indexOf(split->rows, i / to.back()) + indexOf(split->row, i % to.back()),
                indexOf(both->axes(), i));
  }
}

TEST(RepeatPattern, seesReshapedOperands) {
  // Twelve channels, repeated for 5 pixels and seen as 3 heads of 4.
  std::optional<RepeatPattern> pattern = RepeatPattern(60).throughBroadcast(Shape{1, 12}, Shape{5, 12});
  ASSERT_TRUE(pattern);
  EXPECT_EQ(*pattern, RepeatPattern({{5, 0}, {12, 1}}));
  EXPECT_TRUE(pattern->split(4)->isRow());
  EXPECT_EQ(pattern->split(4)->rows.size(), 2U);
  EXPECT_FALSE(pattern->split(20)); // a row crosses its end
  EXPECT_TRUE(RepeatPattern({{3, 0}, {7, 0}}).isConstant());
}

} // namespace
