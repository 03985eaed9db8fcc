// The timing law of a systolic array alone, without overlap: closed forms of cycles, accesses and mapping
// efficiency, as SCALE-Sim counts them (its reports are one cycle less: the index of the last).
#pragma once

#include "isa/mortise/Error.h"

#include <cstdint>

namespace tenon::sim {

enum class Stationary : uint8_t { Output, Weight, Input };

/// M x K times K x N on rows x columns cells. All from 1 to 2^20.
struct SystolicProblem {
  int64_t m = 1, n = 1, k = 1, rows = 1, columns = 1;
  Stationary dataflow = Stationary::Weight;
  int64_t sramKilobytes = 0; ///< of each operand's double buffer; 0: unlimited
  int64_t uniqueLeft =
      0; ///< different elements of the left operand; 0: m k. Convolutions read pixels repeatedly
};

/// Elements read or written. Memory reads are exact where `exact`: the operand fits half of its buffer; else
/// they are the least that must be read.
struct SystolicCost {
  int64_t folds = 0, cyclesPerFold = 0, cycles = 0;
  double mappingEfficiency = 0, utilization = 0;
  int64_t sramLeft = 0, sramRight = 0, sramResult = 0;
  int64_t dramLeft = 0, dramRight = 0, dramResult = 0;
  bool dramLeftExact = true, dramRightExact = true;
};

/// TN1210 where a size is out of range.
SystolicCost systolicCost(const SystolicProblem &problem);

} // namespace tenon::sim
