#include "runtime/session/spread.h"

#include <gtest/gtest.h>

using tenon::runtime::Spread;

namespace {

/// Runs whose time depends on how much is spread; the share of the last ones that went by each threshold.
struct Runs {
  explicit Runs(bool adapts = true) { spread.start(1000, adapts); }
  void go(uint32_t count, uint64_t all, uint64_t some, uint64_t none) {
    one = eight = never = 0;
    for (uint32_t i = 0; i < count; ++i) {
      int64_t from = spread.threshold();
      ++(from == 1000 ? one : from == 8000 ? eight : never);
      if (spread.measures())
        spread.ran(from == 1000 ? all : from == 8000 ? some : none);
    }
  }
  Spread spread;
  uint32_t one = 0, eight = 0, never = 0;
};

TEST(Spread, KeepsToAllWhereThatIsFastest) {
  Runs runs;
  runs.go(8, 100, 120, 150);
  EXPECT_EQ(runs.one, 8u); // before the first trial
  runs.go(100000, 100, 120, 150);
  EXPECT_GT(runs.one, 99000u);
  EXPECT_GT(runs.eight, 0u);
  EXPECT_GT(runs.never, 0u);
}

TEST(Spread, SpreadsNothingWhereWorkersAreFarAway) {
  Runs runs;
  runs.go(1000, 370, 300, 200);
  EXPECT_EQ(runs.spread.threshold(), INT64_MAX);
  runs.go(100000, 370, 300, 200);
  EXPECT_GT(runs.never, 99000u);
}

TEST(Spread, SpreadsLargeDispatchesAlone) {
  Runs runs;
  runs.go(20000, 200, 150, 180);
  EXPECT_GT(runs.eight, 19000u);
}

TEST(Spread, FollowsChange) {
  Runs runs;
  runs.go(10000, 370, 300, 200);
  EXPECT_GT(runs.never, 9000u);
  runs.go(10000, 100, 120, 200); // what was found is tried again, within 4,096 runs
  EXPECT_GT(runs.one, 5000u);
}

TEST(Spread, SmallDifferencesChangeNothing) {
  Runs runs;
  runs.go(20000, 1000, 980, 970);
  EXPECT_GT(runs.one, 19000u);
}

TEST(Spread, LongRunsAreNotTried) {
  Runs runs;
  runs.go(1000, 9000000, 9000000, 1);
  EXPECT_EQ(runs.one, 1000u);
  EXPECT_FALSE(runs.spread.measures());
  runs.spread.restart(); // other sizes
  runs.go(1000, 900, 800, 100);
  EXPECT_GT(runs.never, 900u);
}

TEST(Spread, OneLongRunAmongShortOnesDoesNotSettle) {
  Runs runs;
  runs.go(7, 370, 300, 200);
  runs.go(1, 9000000, 9000000, 9000000); // just before the first trial
  runs.go(1000, 370, 300, 200);
  EXPECT_TRUE(runs.spread.measures());
  EXPECT_GT(runs.never, 900u);
}

TEST(Spread, ATrialThatWasDisturbedChangesNothing) {
  Runs runs;
  runs.go(8, 1000, 1200, 2000);
  runs.go(6, 5000, 1200, 2000); // while all are spread, the other core does something else
  runs.go(1000, 1000, 1200, 2000);
  EXPECT_GT(runs.one, 950u);
}

TEST(Spread, AThresholdThatWasAskedForStays) {
  Runs runs(false);
  runs.go(1000, 900, 800, 100);
  EXPECT_EQ(runs.one, 1000u);
}

} // namespace
