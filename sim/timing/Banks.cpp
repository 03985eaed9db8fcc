#include "sim/timing/Banks.h"

namespace tenon::sim {

Banks::Banks(const mortise::Hardware &hardware)
    : width_(hardware.scratchpad.width), interleave_(hardware.scratchpad.interleave),
      banks_(hardware.scratchpad.banks),
      rowsPerBank_(hardware.accumulatorRows() / hardware.accumulators.banks),
      rowBytes_(hardware.matrix.columns * 4), rows_(hardware.accumulatorRows()), widthDivisor_(width_),
      interleaveDivisor_(interleave_), bankDivisor_(banks_) {}

} // namespace tenon::sim
