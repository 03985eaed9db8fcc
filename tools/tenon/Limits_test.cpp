#include "tools/tenon/Limits.h"

#include <gtest/gtest.h>

using namespace tenon::command;

static const tenon_machine kMachine = {"zen4", 100, 100, 50, 20, 30};

TEST(Limits, SaysWhatTheTimeGoesInto) {
  EXPECT_EQ(limitOf({1030, 900, 200, 20000}, kMachine), "compute");
  EXPECT_EQ(limitOf({1030, 100, 1000, 20000}, kMachine), "dram");
  EXPECT_EQ(limitOf({1030, 100, 1000, 48000}, kMachine), "l3");
  EXPECT_EQ(limitOf({1030, 100, 1000, 100000}, kMachine), "l2");
  EXPECT_EQ(limitOf({45, 10, 15, 1500}, kMachine), "overhead");
}

TEST(Limits, SaysNothingWithoutAPrediction) {
  EXPECT_EQ(limitOf({}, kMachine), "");
  EXPECT_EQ(limitOf({1030, 900, 200, 20000}, tenon_machine{}), "");
}
