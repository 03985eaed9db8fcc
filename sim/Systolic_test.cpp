// testing/systolic.csv: 617 runs of SCALE-Sim 3.0.0. Its cycles are one less (index of the last), its result
// writes have folds x (rows + columns) on top; both are corrected there.

#include "sim/Systolic.h"

#include <cmath>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

using namespace tenon::sim;

namespace {

struct Entry {
  SystolicProblem problem;
  std::vector<std::string> cells;
  int64_t integer(size_t i) const { return std::stoll(cells[i]); }
};

std::vector<Entry> table() {
  std::ifstream file(TENON_SYSTOLIC_TABLE);
  std::vector<Entry> entries;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    Entry entry;
    std::istringstream cells(line + ",");
    for (std::string cell; std::getline(cells, cell, ',');)
      entry.cells.push_back(cell);
    const std::string &flow = entry.cells[5];
    entry.problem = {entry.integer(0),
                     entry.integer(1),
                     entry.integer(2),
                     entry.integer(3),
                     entry.integer(4),
                     flow == "os"   ? Stationary::Output
                     : flow == "ws" ? Stationary::Weight
                                    : Stationary::Input,
                     entry.cells[6].empty() ? 0 : entry.integer(6),
                     entry.integer(15)};
    entries.push_back(std::move(entry));
  }
  return entries;
}

TEST(Systolic, equalsEveryRowOfTheTable) {
  std::vector<Entry> entries = table();
  ASSERT_EQ(entries.size(), 617U);
  int exactLeft = 0, exactRight = 0;
  for (const Entry &entry : entries) {
    SystolicCost cost = systolicCost(entry.problem);
    ASSERT_EQ(cost.folds, entry.integer(7));
    ASSERT_EQ(cost.cycles, entry.integer(8));
    ASSERT_NEAR(100 * cost.mappingEfficiency, std::stod(entry.cells[9]), 1e-6);
    ASSERT_EQ(cost.sramLeft, entry.integer(10));
    ASSERT_EQ(cost.sramRight, entry.integer(11));
    ASSERT_EQ(cost.sramResult, entry.integer(12));
    if (entry.problem.sramKilobytes == 0)
      continue;
    if (cost.dramLeftExact) {
      ASSERT_EQ(cost.dramLeft, entry.integer(13));
      ++exactLeft;
    } else {
      ASSERT_LE(cost.dramLeft, entry.integer(13));
    }
    if (cost.dramRightExact) {
      ASSERT_EQ(cost.dramRight, entry.integer(14));
      ++exactRight;
    } else {
      ASSERT_LE(cost.dramRight, entry.integer(14));
    }
  }
  EXPECT_GT(exactLeft, 20);
  EXPECT_GT(exactRight, 20);
}

TEST(Systolic, refusesSizesOutOfRange) {
  EXPECT_THROW(systolicCost({0, 1, 1, 8, 8}), tenon::mortise::Error);
  EXPECT_THROW(systolicCost({1, 1, 1, 8, int64_t(1) << 21}), tenon::mortise::Error);
}

} // namespace
