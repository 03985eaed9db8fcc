#include "sim/Systolic.h"

namespace tenon::sim {

namespace {

int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

} // namespace

SystolicCost systolicCost(const SystolicProblem &p) {
  constexpr int64_t kMost = int64_t(1) << 20;
  for (int64_t size : {p.m, p.n, p.k, p.rows, p.columns})
    if (size < 1 || size > kMost)
      throw mortise::Error("TN1210", "sizes of a product and an array must be from 1 to " +
                                         std::to_string(kMost) + ", found " + std::to_string(size));
  SystolicCost cost;
  // The two extents that lie on the array, and the one that streams through it.
  int64_t down = p.dataflow == Stationary::Output ? p.m : p.k;
  int64_t across = p.dataflow == Stationary::Input ? p.m : p.n;
  int64_t stream = p.dataflow == Stationary::Output ? p.k : p.dataflow == Stationary::Weight ? p.m : p.n;
  int64_t foldsDown = ceilDiv(down, p.rows), foldsAcross = ceilDiv(across, p.columns);
  // Stationary operands are loaded first, a row a cycle.
  int64_t load = p.dataflow == Stationary::Output ? 0 : p.rows;
  cost.folds = foldsDown * foldsAcross;
  cost.cyclesPerFold = load + stream + p.rows + p.columns - 2;
  cost.cycles = cost.folds * cost.cyclesPerFold;
  double cells = double(p.rows) * double(p.columns);
  cost.mappingEfficiency = double(down) * double(across) / (double(cost.folds) * cells);
  cost.utilization = double(p.m) * double(p.n) * double(p.k) / (double(cost.cycles) * cells);
  bool inputStationary = p.dataflow == Stationary::Input, outputStationary = p.dataflow == Stationary::Output;
  cost.sramLeft = (inputStationary ? 1 : ceilDiv(p.n, p.columns)) * p.m * p.k;
  cost.sramRight = (outputStationary  ? ceilDiv(p.m, p.rows)
                    : inputStationary ? ceilDiv(p.m, p.columns)
                                      : 1) *
                   p.k * p.n;
  cost.sramResult = (outputStationary ? 1 : ceilDiv(p.k, p.rows)) * p.m * p.n;
  cost.dramLeft = p.uniqueLeft > 0 ? p.uniqueLeft : p.m * p.k;
  cost.dramRight = p.k * p.n;
  cost.dramResult = p.m * p.n;
  if (p.sramKilobytes > 0) {
    // Half of the double buffer, as the tool computes it.
    int64_t half = 50 * (1024 * p.sramKilobytes / 100);
    cost.dramLeftExact = cost.dramLeft <= half;
    cost.dramRightExact = cost.dramRight <= half;
  }
  return cost;
}

} // namespace tenon::sim
